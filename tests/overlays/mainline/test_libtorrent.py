"""Our messages before a real client: libtorrent takes the monitor in, hands it out, and is answered."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from montra.datagrams import DatagramBatch, ip_number
from montra.overlays.base import Contact, Message, Peer
from montra.overlays.mainline import OVERLAY
from zone_store.captures import Kind

lt = pytest.importorskip("libtorrent")

NODE_IP, MONITOR_IP, CRAWLER_IP = "127.83.1.1", "127.83.2.1", "127.83.3.1"


def _socket(ip: str) -> socket.socket:
    endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    endpoint.bind((ip, 0))
    endpoint.settimeout(2)
    return endpoint


class Node(NamedTuple):
    session: Any
    address: tuple[str, int]


@pytest.fixture
def node() -> Iterator[Node]:
    with _socket(NODE_IP) as free:
        port = free.getsockname()[1]
    settings = {
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_tcp": False,
        "enable_outgoing_tcp": False,
        "dht_bootstrap_nodes": "",
        "listen_interfaces": f"{NODE_IP}:{port}",
        "enable_dht": True,
    }
    session = lt.session(settings)
    yield Node(session, (NODE_IP, port))
    session.pause()


def _ask(endpoint: socket.socket, node: Node, query: bytes, transaction: bytes) -> Message:
    """Send a query until it is answered; everything that comes must parse."""
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        endpoint.sendto(query, node.address)
        try:
            while True:
                message = OVERLAY.parse(endpoint.recv(4096))
                assert message.reason == ""
                if message.type == "reply" and message.transaction == transaction:
                    return message
        except TimeoutError:
            continue
    pytest.fail("libtorrent did not answer")


@pytest.mark.slow
def test_libtorrent_takes_the_monitor_in_and_hands_it_out(node: Node) -> None:
    with _socket(MONITOR_IP) as monitor, _socket(CRAWLER_IP) as crawler:
        target_id = _ask(crawler, node, OVERLAY.crawl_query(bytes(20), bytes(20), b"cq"), b"cq").sender_id
        monitor_id = target_id[:-1] + bytes([target_id[-1] ^ 1])
        own = (monitor_id, ip_number(MONITOR_IP), monitor.getsockname()[1])
        introduction = OVERLAY.introduction(monitor_id, Peer(target_id), b"in")
        give_up = time.monotonic() + 20
        seen: list[Contact] = []
        while own not in seen and time.monotonic() < give_up:
            seen = list(_ask(monitor, node, introduction, b"in").contacts)
        assert own in seen
        assert own in _ask(crawler, node, OVERLAY.crawl_query(bytes(20), monitor_id, b"cr"), b"cr").contacts
        keep_alive = OVERLAY.keep_alive(monitor_id, Peer(target_id), b"ka")
        assert _ask(monitor, node, keep_alive, b"ka").sender_id == target_id
        handed_out = _ask(crawler, node, OVERLAY.crawl_query(bytes(20), bytes(20), b"cs"), b"cs").contacts
        assert all(ip != ip_number(CRAWLER_IP) for _, ip, _ in handed_out)


@pytest.mark.slow
def test_libtorrent_asks_the_monitor_and_its_lookup_is_scanned(node: Node) -> None:
    monitor_id, key = b"m" * 20, b"k" * 20
    with _socket(MONITOR_IP) as monitor:
        for _ in range(2):
            _ask(monitor, node, OVERLAY.introduction(monitor_id, Peer(monitor_id), b"in"), b"in")
        node.session.dht_get_peers(lt.sha1_hash(key))
        asked: dict[bytes, int] = {}
        while key not in asked:
            data, source = monitor.recvfrom(4096)
            query = OVERLAY.parse(data)
            scan = OVERLAY.scan(DatagramBatch.of([(0, 0, ip_number(source[0]), source[1], data)]))
            assert scan.malformed == {}
            asked[scan.key[0].tobytes()] = int(scan.kind[0])
            answer = OVERLAY.answer(query, monitor_id, Peer(query.sender_id))
            if answer is not None:
                assert len(answer) <= len(data)
                monitor.sendto(answer, node.address)
        assert asked[key] == Kind.LOOKUP
