"""A real libtorrent publisher among monitored libtorrent nodes, on loopback: does it wait for the monitors?"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from montra.datagrams import Datagram, DatagramBatch, StrangerReply, ip_number, ip_text
from montra.monitors.fleet import Fleet
from montra.overlays.mainline import OVERLAY
from zone_store.captures import Kind
from zone_store.keyspace.zone import Zone

pytest.importorskip("libtorrent")

from montra.lab.node import LabNode
from montra.lab.population import Placement

NODES = 12
PORT = 6881
#: Time for a lookup of a publisher that waits for silent monitors: libtorrent gives each 15 s.
PATIENCE_S = 60.0


class Neighbourhood:
    """Twelve nodes with a monitor each, and a publisher. A pool for the fleet: local i is the socket of monitor i."""

    def __init__(self) -> None:
        rng = Random(5)
        places = [Placement(rng.randbytes(20), f"127.182.{i}.1", PORT, True) for i in range(NODES + 1)]
        self.sockets = []
        for i in range(NODES):
            self.sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            self.sockets[i].bind((f"127.183.{i}.1", PORT))
            self.sockets[i].setblocking(False)
        self.free = list(range(NODES, 0, -1))
        courtesy = OVERLAY.courtesy(OVERLAY.reply_table("least", {}), b"secret")
        self.fleet = Fleet(OVERLAY, Zone.parse("0/0"), self, Random(1), None, courtesy)
        self.nodes = [LabNode(i, place, (), logging=False) for i, place in enumerate(places[:NODES])]
        self.publisher = LabNode(NODES, places[NODES], (), logging=True)
        self.silent = False
        self.captured: list[int] = []
        self.keys: set[bytes] = set()

    def acquire(self, target_id: bytes, avoid: frozenset[int] = frozenset()) -> int | None:
        return self.free.pop() if self.free else None

    def release(self, local: int) -> None:
        self.free.append(local)

    def address(self, local: int) -> tuple[int, int]:
        return ip_number(f"127.183.{local - 1}.1"), PORT

    def group(self, local: int) -> int:
        return self.address(local)[0] >> 8

    def is_own(self, ip: int, port: int) -> bool:
        return ip >> 16 == ip_number("127.183.0.0") >> 16

    def are_own(self, ip: NDArray[np.uint32], port: NDArray[np.uint16]) -> NDArray[np.bool_]:
        return ip >> 16 == ip_number("127.183.0.0") >> 16

    def monitored(self) -> None:
        """Make everybody known to everybody, and let each node hand its monitor out."""
        for node in (*self.nodes, self.publisher):
            for other in self.nodes:
                if other is not node:
                    node.meet(other.place.ip, PORT)
        self.run(1.0)
        for node in self.nodes:
            self.fleet.found(time.time_ns(), node.place.node_id, ip_number(node.place.ip), PORT, b"LT")
        end = time.monotonic() + 30
        while self.fleet.states()["visible"] < NODES and time.monotonic() < end:
            self.run(0.2)
        assert self.fleet.states()["visible"] == NODES

    def announced_after_s(self, key: bytes) -> float:
        """Let the publisher announce; return the seconds from its first query for the key to its first announce."""
        self.keys.add(key)
        self.publisher.announce(key, seed=False)
        asked = 0.0
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self.run(0.05)
            for packet in self.publisher.drain(self.keys):
                if packet.key == key and packet.method == "get_peers":
                    asked = asked or time.monotonic()
                elif packet.key == key:
                    assert not packet.ip.startswith("127.183."), "an announce to a monitor"
                    return time.monotonic() - asked
        raise AssertionError("no announce")

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            now = time.time_ns()
            if self.fleet.due(now) <= now:
                self.send(self.fleet.tick(now))
            rows = []
            for sock in select.select(self.sockets, [], [], min(left, 0.02))[0]:
                data, (ip, port) = sock.recvfrom(2048)
                rows.append((time.time_ns(), self.sockets.index(sock) + 1, ip_number(ip), port, data))
            batch = DatagramBatch.of(rows)
            output = self.fleet.feed(time.time_ns(), batch, OVERLAY.scan(batch))
            self.captured += output.captures.kind.tolist()
            self.send(output.outgoing)

    def send(self, outgoing: list[Datagram]) -> None:
        for datagram in outgoing:
            if not (self.silent and type(datagram) is StrangerReply):
                self.sockets[datagram.local - 1].sendto(datagram.payload, (ip_text(datagram.ip), datagram.port))

    def close(self) -> None:
        for node in (*self.nodes, self.publisher):
            node.close()
        for sock in self.sockets:
            sock.close()


@pytest.fixture
def neighbourhood() -> Iterator[Neighbourhood]:
    made = Neighbourhood()
    yield made
    made.close()


@pytest.mark.slow
def test_a_libtorrent_publisher_waits_for_silent_monitors_only(neighbourhood: Neighbourhood) -> None:
    neighbourhood.monitored()
    rng = Random(6)
    counts = neighbourhood.fleet.counters.counts
    neighbourhood.silent = True
    waited_s = neighbourhood.announced_after_s(rng.randbytes(20))
    asked = counts["stranger_replies_far_id"]
    neighbourhood.silent = False
    polite_s = neighbourhood.announced_after_s(rng.randbytes(20))
    assert asked >= 4  # it met monitors both times
    assert counts["stranger_replies_far_id"] >= asked + 4
    assert waited_s > 10  # 15 s in libtorrent 2.1.1
    assert polite_s < waited_s / 3
    assert Kind.ANNOUNCE not in neighbourhood.captured
