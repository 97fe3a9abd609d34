"""Our datagrams before real nodes: aMule takes the monitor in, hands it out, and searches at it."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest

from montra.datagrams import Datagram, DatagramBatch, ip_number
from montra.lab.clients.namespace import Namespace
from montra.lab.kad.daemon import Command
from montra.overlays.base import Contact, Message, Peer
from montra.overlays.kad import OVERLAY
from montra.overlays.kad.ids import keyword_id
from zone_store.captures import Kind

from .daemons import connected, nodes_of

pytestmark = [pytest.mark.clients, pytest.mark.netns, pytest.mark.slow]

NODES = nodes_of(3, 1000)
TARGET = NODES[0]
MONITOR_ID = TARGET.node_id[:-1] + bytes((TARGET.node_id[-1] ^ 1,))
WORD = "montra"


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """A network of three nodes."""
    with connected("montra-wire", NODES, tmp_path_factory) as made:
        yield made


class Party:
    """One of our addresses, behind the wire."""

    def __init__(self, inside: Namespace, ip: str, own_id: bytes) -> None:
        self._socket = inside.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((ip, 5672))
        self._own_id = own_id
        self.wire = OVERLAY.wire(b"of the run", random.Random(1))

    def __enter__(self) -> Party:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, payload: bytes | None) -> None:
        assert payload is not None
        assert self.wire is not None
        sealed = self.wire.seal([Datagram(1, ip_number(TARGET.ip), TARGET.udp_port, payload)])[0]
        self._socket.sendto(sealed.payload, (TARGET.ip, TARGET.udp_port))

    def receive(self, seconds: float = 2.0) -> DatagramBatch | None:
        """Wait for one datagram, opened; None if none comes."""
        assert self.wire is not None
        self._socket.settimeout(seconds)
        try:
            data, (ip, port) = self._socket.recvfrom(65536)
        except TimeoutError:
            return None
        own_ids = np.frombuffer(self._own_id, np.uint8).reshape(1, 16)
        return self.wire.open(DatagramBatch.of([(0, 1, ip_number(ip), port, data)]), own_ids)

    def ask(self, query: bytes, echo: bytes) -> Message:
        """Send a query until it is answered, at most three times; other messages are passed over."""
        for _ in range(3):
            self.send(query)
            give_up = time.monotonic() + 5
            while time.monotonic() < give_up:
                batch = self.receive()
                if batch is None:
                    continue
                message = OVERLAY.parse(batch.payload(0))
                assert message.reason == ""
                if message.type == "reply" and message.transaction == echo:
                    return message
        pytest.fail("amuled did not answer")


def handed_out(crawler: Party) -> tuple[Contact, ...]:
    """Ask the target for its contacts near the monitor's ID."""
    query = OVERLAY.crawl_query(bytes(16), MONITOR_ID, b"", TARGET.node_id)
    return crawler.ask(query, OVERLAY.crawl_echo(b"", MONITOR_ID, TARGET.node_id)).contacts


def test_amuled_takes_the_monitor_in_hands_it_out_and_searches_at_it(inside: Namespace) -> None:
    own = (MONITOR_ID, ip_number("100.64.201.1"), 5672)
    with (
        Party(inside, "100.64.201.1", MONITOR_ID) as monitor,
        Party(inside, "100.64.202.1", bytes(15) + b"\1") as crawler,
    ):
        reply = crawler.ask(OVERLAY.crawl_query(bytes(16), MONITOR_ID, b""), b"bootstrap")
        assert (reply.sender_id, reply.version, reply.verified) == (TARGET.node_id, b"\x08", False)
        assert own not in handed_out(crawler)

        target = Peer(TARGET.node_id)
        for confirmed in (False, True):
            reply = monitor.ask(OVERLAY.introduction(MONITOR_ID, target, b""), OVERLAY.introduction_echo(b""))
            assert (reply.sender_id, reply.version, reply.verified) == (TARGET.node_id, b"\x08", True)
            assert reply.peer_key
            assert reply.wants_confirmation != confirmed  # once only: the second hello carries the target's key
            target = Peer(TARGET.node_id, reply.peer_key)
            if reply.wants_confirmation:
                monitor.send(OVERLAY.greeting(MONITOR_ID, target, reply))
                assert own not in handed_out(crawler)
        assert own in handed_out(crawler)

        said = Command(inside, TARGET, f"search kad {WORD}").said()
        asked: dict[bytes, int] = {}
        give_up = time.monotonic() + 20
        while keyword_id(WORD) not in asked and time.monotonic() < give_up:
            batch = monitor.receive()
            if batch is not None:
                scan = OVERLAY.scan(batch)
                assert scan.malformed == {}
                asked[scan.key[0].tobytes()] = int(scan.kind[0])
        assert asked.get(keyword_id(WORD)) == Kind.SEARCH, said
