"""A monitor and a real libtorrent node on loopback."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

import pytest

from montra.datagrams import Datagram, DatagramBatch, ip_number, ip_text
from montra.monitors.fleet import Fleet
from montra.monitors.settings import FleetSettings
from montra.overlays.base import Message
from montra.overlays.mainline import OVERLAY
from zone_store.keyspace.zone import Zone

if TYPE_CHECKING:
    from conftest import Krpc

libtorrent = pytest.importorskip("libtorrent")

NODE_IP, PROBE_IP = "127.181.1.1", "127.181.250.1"
MONITOR_IPS = ("127.181.2.1", "127.181.3.1", "127.181.4.1")
PROBE_ID = b"p" * 20


class Net:
    """UDP sockets of the monitors (locals 1..) and of a probe, and a fleet driven over them by the real clock."""

    def __init__(self) -> None:
        self.sockets = [self._socket(ip) for ip in MONITOR_IPS]
        self.probe = self._socket(PROBE_IP)
        self.free = list(range(len(self.sockets), 0, -1))
        self.fleet = Fleet(OVERLAY, Zone.parse("0/0"), self, Random(7), FleetSettings(max_ids_per_ip=8))
        self.from_targets: list[Message] = []

    @staticmethod
    def _socket(ip: str) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((ip, 0))
        sock.setblocking(False)
        return sock

    def acquire(self, target_id: bytes, avoid: frozenset[int] = frozenset()) -> int | None:
        return self.free.pop() if self.free else None

    def release(self, local: int) -> None:
        self.free.append(local)

    def address(self, local: int) -> tuple[int, int]:
        ip, port = self.sockets[local - 1].getsockname()
        return ip_number(ip), port

    def group(self, local: int) -> int:
        return self.address(local)[0] >> 8

    def is_own(self, ip: int, port: int) -> bool:
        return any(self.address(local) == (ip, port) for local in range(1, len(self.sockets) + 1))

    def run(self, seconds: float) -> None:
        end = time.time() + seconds
        while time.time() < end:
            now = time.time_ns()
            if self.fleet.due(now) <= now:
                self.send(self.fleet.tick(now))
            ready, _, _ = select.select(self.sockets, [], [], 0.02)
            now = time.time_ns()
            rows = []
            for sock in ready:
                data, (ip, port) = sock.recvfrom(2048)
                rows.append((now, self.sockets.index(sock) + 1, ip_number(ip), port, data))
                self.from_targets.append(OVERLAY.parse(data))
            batch = DatagramBatch.of(rows)
            self.send(self.fleet.feed(now, batch, OVERLAY.scan(batch)).outgoing)

    def send(self, outgoing: list[Datagram]) -> None:
        for local, ip, port, payload in outgoing:
            self.sockets[local - 1].sendto(payload, (ip_text(ip), port))

    def ask(self, address: tuple[str, int], target: bytes) -> Message:
        """Ask a node, as the crawler does, for its contacts near an ID."""
        for attempt in range(20):
            self.probe.sendto(OVERLAY.crawl_query(PROBE_ID, target, b"%04d" % attempt), address)
            self.run(0.25)
            if select.select([self.probe], [], [], 0.25)[0]:
                return OVERLAY.parse(self.probe.recv(2048))
        raise AssertionError("the node does not answer")

    def close(self) -> None:
        for sock in (*self.sockets, self.probe):
            sock.close()


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    net.close()


@pytest.fixture
def node() -> Iterator[tuple[str, int]]:
    """A libtorrent node with an empty table, at the address returned."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((NODE_IP, 0))
        address = sock.getsockname()
    session = libtorrent.session(
        {
            "listen_interfaces": f"{address[0]}:{address[1]}",
            "dht_bootstrap_nodes": "",
            "enable_dht": True,
            **dict.fromkeys(("enable_lsd", "enable_upnp", "enable_natpmp"), False),
            **dict.fromkeys(("enable_incoming_tcp", "enable_outgoing_tcp"), False),
        }
    )
    yield address
    session.pause()
    del session


def test_a_libtorrent_node_hands_its_monitor_out(net: Net, node: tuple[str, int], krpc: Krpc) -> None:
    node_id = net.ask(node, PROBE_ID).sender_id
    net.fleet.found(time.time_ns(), node_id, ip_number(node[0]), node[1], b"LT")
    net.run(1.0)
    assert net.fleet.counters.counts["introductions"] == 2
    attachment = net.fleet.take_changed()[0]
    assert attachment.introduced_ns < attachment.accepted_ns
    monitor = (attachment.monitor_id, attachment.monitor_ip, attachment.monitor_port)
    assert ip_text(attachment.monitor_ip) in MONITOR_IPS

    contacts = net.ask(node, node_id).contacts
    assert monitor in contacts
    net.fleet.own_view(time.time_ns(), ip_number(node[0]), node[1], (monitor,))
    assert net.fleet.states()["visible"] == 1

    # A stranger gets no word out of the monitor, whatever it asks.
    net.probe.sendto(krpc.query(b"ping", PROBE_ID), (ip_text(attachment.monitor_ip), attachment.monitor_port))
    net.run(0.3)
    assert select.select([net.probe], [], [], 0.2)[0] == []
    assert net.fleet.counters.counts["stranger_other"] == 1


@pytest.mark.slow
def test_answers_keep_the_monitor_in_the_table_and_silence_takes_it_out(net: Net, node: tuple[str, int]) -> None:
    node_id = net.ask(node, PROBE_ID).sender_id
    ip = ip_number(node[0])
    net.fleet.found(time.time_ns(), node_id, ip, node[1], b"LT")
    net.run(17)  # an otherwise empty table: its one entry is queried every 5 s
    queries = [message for message in net.from_targets if message.type == "query"]
    assert {(q.method, q.key) for q in queries} == {("get_peers", node_id)}
    assert net.fleet.counters.counts["answered_queries"] == len(queries) >= 2
    monitor_id = net.fleet.take_changed()[0].monitor_id
    assert monitor_id in [known for known, _, _ in net.ask(node, node_id).contacts]

    net.fleet.seal(time.time_ns())  # an ended monitor answers nobody, its target neither
    net.run(30)
    assert monitor_id not in [known for known, _, _ in net.ask(node, node_id).contacts]
