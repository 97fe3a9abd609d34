"""The same traffic to the same fleet by sockets and by a ring: the same captures, the same counts, the same answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import gevent.event
import numpy as np
import pytest

from montra.datagrams import Datagram, DatagramBatch, ip_number
from montra.endpoint.clock import AnchoredClock
from montra.endpoint.driver import Driver
from montra.endpoint.driving import DriverSettings
from montra.endpoint.errors import EndpointError
from montra.endpoint.limits import LimitSettings, Rate
from montra.endpoint.outbox import NEVER_NS
from montra.endpoint.plan import AddressPlan
from montra.endpoint.ring import RingSettings
from montra.endpoint.sockets import open_sockets
from montra.monitors.fleet import Fleet
from montra.overlays import base as overlays
from zone_store.captures import Captures
from zone_store.keyspace.zone import Zone

Ports = Callable[[int], range]
ZONE = Zone.parse("a4/6")
MONITORS = 40
LIMITS = LimitSettings(Rate(1e9, 1000), Rate(1e9, 1000), Rate(1e9, 1000))


class Monitors:
    """A fleet whose targets live at `peer`'s address, as a machine; the crawler's datagrams are only noted."""

    def __init__(self, plan: AddressPlan, now_ns: int) -> None:
        self.overlay = overlays.load("mainline")
        self.fleet = Fleet(self.overlay, ZONE, plan, Random(1))
        rng = Random(2)
        for i in range(MONITORS):
            self.fleet.found(now_ns, ZONE.random_id(rng), ip_number("127.180.200.1") + i, 6881)
        while self.fleet.states()["waiting"]:
            now_ns += 1_000_000_000
            self.fleet.tick(now_ns)
        self.fleet.counters.take()
        self.captures: list[Captures] = []
        self.to_crawler: list[bytes] = []
        self.took: gevent.event.Event = gevent.event.Event()
        self.left = 0

    def start(self, now_ns: int) -> list[Datagram]:
        return []

    def feed(self, now_ns: int, batch: DatagramBatch) -> list[Datagram]:
        self.left -= len(batch)
        own = batch.local == 0
        self.to_crawler += [batch.payload(row) for row in np.flatnonzero(own).tolist()]
        batch = batch.select(np.flatnonzero(~own))
        output = self.fleet.feed(now_ns, batch, self.overlay.scan(batch))
        self.captures.append(output.captures)
        if not self.left:
            self.took.set()
        return output.outgoing

    def tick(self, now_ns: int) -> list[Datagram]:
        return []

    def due(self, now_ns: int) -> int:
        return NEVER_NS


def traffic(plan: AddressPlan) -> list[tuple[int, bytes]]:
    """Return (local, payload): lookups in several layouts, pings, junk, and long replies to the crawler."""
    rng = Random(3)
    rows = []
    for _ in range(600):
        own, key, t = rng.randbytes(20), rng.randbytes(20), rng.randbytes(2)
        rows.append(
            rng.choice(
                (
                    b"d1:ad2:id20:%b9:info_hash20:%be1:q9:get_peers1:t2:%b1:v4:LT\x02\x081:y1:qe" % (own, key, t),
                    b"d1:ad2:id20:%b9:info_hash20:%b4:wantl2:n42:n6ee1:q9:get_peers1:t2:%b1:y1:qe" % (own, key, t),
                    b"d1:ad2:id20:%b6:target20:%be1:q9:find_node1:t2:%b1:y1:qe" % (own, key, t),
                    b"d1:ad2:id20:%be1:q4:ping1:t2:%b1:y1:qe" % (own, t),
                    b"d1:ad2:id20:%b9:info_hash20:%b4:porti%de5:token8:12345678e1:q13:announce_peer1:t2:%b1:y1:qe"
                    % (own, key, rng.randrange(1, 65536), t),
                    rng.randbytes(rng.randrange(300)),
                    b"d1:q" + rng.randbytes(rng.choice((0, 250, 260, 1300))),
                )
            )
        )
    to_monitors = [(rng.randrange(1, plan.pairs + 1), row) for row in rows]
    to_crawler = [(0, rng.randbytes(rng.choice((80, 280, 1400)))) for _ in range(60)]
    mixed = to_monitors + to_crawler
    rng.shuffle(mixed)
    return mixed


def run(ports: range, peer: socket.socket, ring: RingSettings | None) -> tuple[Monitors, dict[str, int]]:
    plan = AddressPlan(f"127.180.0.1:{ports[0]}", ["127.180.1.1-30"], f"{ports[1]}-{ports[2]}")
    clock = AnchoredClock()
    machine = Monitors(plan, clock.now_ns() - 3_600_000_000_000)
    rows = traffic(plan)
    machine.left = len(rows)
    with open_sockets(plan, "shared", 4 << 20, ring=ring) as sockets:
        driver = Driver(plan, sockets, machine, DriverSettings(limits=LIMITS), clock)

        def send() -> None:
            for local, payload in rows:
                ip, port = plan.address(local)
                peer.sendto(payload, (socket.inet_ntoa(ip.to_bytes(4, "big")), port))

        thread = threading.Thread(target=send)
        thread.start()
        driver.run(clock.now_ns() + 20_000_000_000, machine.took)
        thread.join()
    return machine, driver.counters.counts


def rows_of(captures: Iterable[Captures]) -> list[tuple[Any, ...]]:
    joined = Captures.concat(list(captures), 20)
    names = ("attachment", "source_ip", "source_port", "kind", "flags", "version", "port")
    columns = [getattr(joined, name).tolist() for name in names]
    ids = [[row.tobytes() for row in column] for column in (joined.requester_id, joined.key)]
    return sorted(zip(*columns, *ids, strict=True))


def test_both_ways_capture_the_same(free_ports: Ports, peer: socket.socket) -> None:
    ports = free_ports(3)
    try:
        by_ring, ring_counts = run(ports, peer, RingSettings(8 << 20))
    except EndpointError as error:
        pytest.skip(str(error))  # no privilege
    by_sockets, socket_counts = run(ports, peer, None)
    assert len(rows_of(by_ring.captures)) > 150
    assert rows_of(by_ring.captures) == rows_of(by_sockets.captures)
    assert sorted(by_ring.to_crawler) == sorted(by_sockets.to_crawler)
    assert len(by_ring.to_crawler) == 60
    assert by_ring.fleet.counters.counts == by_sockets.fleet.counters.counts
    assert ring_counts == socket_counts == {"received": 660}
