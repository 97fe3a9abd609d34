from __future__ import annotations

import socket
import time
from collections.abc import Callable

import numpy as np
import pytest

from montra.datagrams import SLOT_BYTES, Counters, Datagram, DatagramBatch, ip_number
from montra.endpoint.exchange import Exchange
from montra.endpoint.plan import AddressPlan
from montra.endpoint.sockets import Bind, Sockets, open_sockets

Ports = Callable[[int], range]
BOTH = pytest.mark.parametrize("bind", ["shared", "each"])


def plan_of(ports: range, addresses: list[str]) -> AddressPlan:
    return AddressPlan(f"127.180.0.1:{ports[0]}", addresses, f"{ports[1]}-{ports[-1]}")


def drain(exchange: Exchange, opened: Sockets, now_ns: int = 0, offset_ns: int = 0) -> list[tuple[int, bytes]]:
    """Return (local, payload) of all that waits."""
    rows: list[tuple[int, bytes]] = []
    left = opened.bound
    while left:
        batch, left = exchange.receive(left, now_ns, offset_ns)
        rows += rows_of(batch)
    return rows


def rows_of(batch: DatagramBatch | None) -> list[tuple[int, bytes]]:
    return [] if batch is None else [(int(batch.local[i]), batch.payload(i)) for i in range(len(batch))]


def address(plan: AddressPlan, local: int) -> tuple[str, int]:
    ip, port = plan.address(local)
    return socket.inet_ntoa(ip.to_bytes(4, "big")), port


@BOTH
def test_two_hundred_pairs_on_one_port_get_their_own(free_ports: Ports, peer: socket.socket, bind: Bind) -> None:
    plan = plan_of(free_ports(2), ["127.180.1.0-199"])
    counters = Counters()
    with open_sockets(plan, bind, 1 << 20) as opened:
        assert len(opened) == (2 if bind == "shared" else 201)
        exchange = Exchange(plan, opened, 64, counters)
        for local in range(201):
            peer.sendto(b"to %d" % local, address(plan, local))
        rows = drain(exchange, opened)
        assert sorted(rows) == [(local, b"to %d" % local) for local in range(201)]
    assert counters.counts == {"received": 201}


@BOTH
def test_each_pair_sends_from_its_own_address(free_ports: Ports, peer: socket.socket, bind: Bind) -> None:
    plan = plan_of(free_ports(4), ["127.180.1.0-66"])
    counters = Counters()
    ip, port = ip_number("127.180.255.1"), peer.getsockname()[1]
    with open_sockets(plan, bind, 1 << 20) as opened:
        exchange = Exchange(plan, opened, 32, counters)
        locals_ = list(np.random.default_rng(5).permutation(plan.pairs + 1))
        assert exchange.send([Datagram(int(local), ip, port, b"%d" % local) for local in locals_]) == []
        got = [peer.recvfrom(100) for _ in locals_]
    assert sorted(int(data) for data, _ in got) == list(range(202))
    assert all(source == address(plan, int(data)) for data, source in got)
    assert counters.counts == {"sent": 202}


@BOTH
def test_many_sockets_make_one_batch_and_none_is_starved(free_ports: Ports, peer: socket.socket, bind: Bind) -> None:
    plan = plan_of(free_ports(4), ["127.180.1.1"])
    with open_sockets(plan, bind, 1 << 20) as opened:
        exchange = Exchange(plan, opened, 4, Counters())
        for local, n in ((1, 6), (3, 1), (0, 1)):
            for i in range(n):
                peer.sendto(b"%d of %d" % (i, local), address(plan, local))
        crawler, first, second, third = opened.bound
        batch, left = exchange.receive([first, second, third, crawler], 0, 0)
        assert rows_of(batch) == [(1, b"%d of 1" % i) for i in range(4)]
        assert left == [second, third, crawler, first]  # who filled the batch stands behind those not asked
        batch, left = exchange.receive(left, 0, 0)
        assert rows_of(batch) == [(3, b"0 of 3"), (0, b"0 of 0"), (1, b"4 of 1"), (1, b"5 of 1")]
        assert left == [first]
        assert exchange.receive(left, 0, 0) == (None, [])


def test_drops_of_many_sockets_in_one_batch_are_told_apart(free_ports: Ports, peer: socket.socket) -> None:
    plan = plan_of(free_ports(4), ["127.180.1.1"])
    counters = Counters()
    with open_sockets(plan, "shared", 1) as opened:
        exchange = Exchange(plan, opened, 64, counters)
        floods = {1: 50, 2: 0, 3: 80}
        for local, flood in floods.items():
            for _ in range(flood):
                peer.sendto(b"x" * 500, address(plan, local))
        got = [local for local, _ in drain(exchange, opened)]
        for local in floods:  # the counter comes with the next datagram
            peer.sendto(b"x", address(plan, local))
        assert sorted(local for local, _ in drain(exchange, opened)) == [1, 2, 3]
        lost = [flood - got.count(local) for local, flood in floods.items()]
        assert [bound.dropped for bound in opened.bound[1:]] == lost
    assert counters.counts["kernel_drops"] == sum(lost) > 0


def test_foreign_destinations_are_dropped_and_counted(free_ports: Ports, peer: socket.socket) -> None:
    ports = free_ports(2)
    plan = plan_of(ports, ["127.180.1.1-3"])
    counters = Counters()
    with open_sockets(plan, "shared", 1 << 20) as opened:
        exchange = Exchange(plan, opened, 8, counters)
        for last in (1, 9, 2, 4):
            peer.sendto(b"%d" % last, (f"127.180.1.{last}", ports[1]))
        peer.sendto(b"crawler's address, monitors' port", ("127.180.0.1", ports[1]))
        assert drain(exchange, opened) == [(1, b"1"), (2, b"2")]
        peer.sendto(b"4", ("127.180.1.4", ports[1]))
        assert exchange.receive(opened.bound, 0, 0) == (None, [])
    assert counters.counts == {"received": 6, "foreign_destination": 4}


def test_truncated_datagrams_are_marked_and_counted(free_ports: Ports, peer: socket.socket) -> None:
    plan = plan_of(free_ports(2), ["127.180.1.1"])
    counters = Counters()
    with open_sockets(plan, "shared", 1 << 20) as opened:
        exchange = Exchange(plan, opened, 8, counters)
        for length in (SLOT_BYTES, SLOT_BYTES + 1, 60000):
            peer.sendto(b"x" * length, address(plan, 1))
        batch, left = exchange.receive(opened.bound, 0, 0)
        assert batch is not None
        assert not left
        assert batch.truncated.tolist() == [False, True, True]
        assert batch.length.tolist() == [SLOT_BYTES] * 3
    assert counters.counts == {"received": 3, "truncated": 2}


def test_arrival_is_the_kernels_time_on_the_runs_clock(free_ports: Ports, peer: socket.socket) -> None:
    plan = plan_of(free_ports(2), ["127.180.1.1"])
    hour = 3_600_000_000_000
    with open_sockets(plan, "shared", 1 << 20) as opened:
        exchange = Exchange(plan, opened, 8, Counters())

        def arrival(now_ns: int, offset_ns: int) -> int:
            batch, _ = exchange.receive(opened.bound, now_ns, offset_ns)
            assert batch is not None
            return int(batch.time_ns[0])

        before = time.time_ns()
        peer.sendto(b"x", address(plan, 1))
        after = time.time_ns()
        time.sleep(0.02)
        # the run's clock is an hour behind the wall clock
        assert before - hour <= arrival(time.time_ns() - hour, hour) <= after - hour
        peer.sendto(b"x", address(plan, 1))
        now = time.time_ns()
        assert arrival(now - hour, 0) == now - hour  # never later than now
        peer.sendto(b"x", address(plan, 1))
        now = time.time_ns()
        assert arrival(now + hour, 0) == now + hour - 10_000_000_000  # never long ago


@BOTH
def test_sent_is_received_plus_dropped(free_ports: Ports, peer: socket.socket, bind: Bind) -> None:
    plan = plan_of(free_ports(2), ["127.180.1.1-2"])
    counters = Counters()
    with open_sockets(plan, bind, 1) as opened:
        assert opened.receive_buffer_bytes < 8192
        exchange = Exchange(plan, opened, 16, counters)
        rows = []
        for flood in range(5):
            for _ in range(100):
                peer.sendto(b"x" * 500, address(plan, 1 + flood % 2))
            rows += drain(exchange, opened)
        told = counters.counts.get("kernel_drops", 0)
        assert told > 0  # by SO_RXQ_OVFL, with later datagrams
        exchange.settle_drops()
        dropped = counters.counts["kernel_drops"]
        assert dropped > told  # the last flood's, which no datagram followed
        assert len(rows) + dropped == 500
        exchange.settle_drops()
        assert counters.counts["kernel_drops"] == dropped
        assert sum(b.dropped for b in opened.bound) == dropped
        assert opened.bound[0].dropped == 0


def test_unknown_local_is_the_callers_fault(free_ports: Ports) -> None:
    plan = plan_of(free_ports(2), ["127.180.1.1"])
    with open_sockets(plan, "shared", 1 << 20) as opened:
        exchange = Exchange(plan, opened, 8, Counters())
        with pytest.raises(IndexError):
            exchange.send([Datagram(2, ip_number("127.180.255.1"), 9, b"x")])


def test_unsent_rest_is_returned_in_order_and_others_still_go(
    free_ports: Ports, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(free_ports(3), ["127.180.1.1"])
    ip, port = ip_number("127.180.255.1"), peer.getsockname()[1]
    with open_sockets(plan, "shared", 1 << 20) as opened:
        exchange = Exchange(plan, opened, 8, Counters())
        full = opened.bound[1].socket.fileno()
        sender = exchange._sender
        real = sender.send
        monkeypatch.setattr(sender, "send", lambda fd, *columns: 1 if fd == full else real(fd, *columns))
        datagrams = [Datagram(1 + i % 2, ip, port, b"%d" % i) for i in range(6)]
        assert exchange.send(datagrams) == [datagrams[2], datagrams[4]]
        assert [peer.recv(9) for _ in range(3)] == [b"1", b"3", b"5"]


def test_thirty_two_thousand_pairs_on_few_sockets(free_ports: Ports, peer: socket.socket) -> None:
    plan = plan_of(free_ports(33), ["127.180.32.0/22"])
    assert plan.pairs == 32768
    counters = Counters()
    local = np.arange(1, plan.pairs + 1, dtype=np.int64)
    ips, ports = plan.addresses_of(local)
    own = ip_number("127.180.255.1"), peer.getsockname()[1]
    with open_sockets(plan, "shared", 4 << 20) as opened:
        assert len(opened) < 100
        exchange = Exchange(plan, opened, 128, counters)
        seen: list[tuple[int, bytes]] = []
        answered: set[tuple[str, int]] = set()
        peer.settimeout(1.0)
        for first in range(0, plan.pairs, 256):
            for row in range(first, first + 256):
                peer.sendto(b"%d" % local[row], (socket.inet_ntoa(int(ips[row]).to_bytes(4, "big")), int(ports[row])))
            rows = drain(exchange, opened)
            seen += rows
            assert exchange.send([Datagram(number, *own, b"") for number, _ in rows]) == []
            answered |= {peer.recvfrom(9)[1] for _ in rows}
    assert sorted(seen) == sorted((number, b"%d" % number) for number in range(1, plan.pairs + 1))
    assert answered == {address(plan, number) for number in range(1, plan.pairs + 1)}
    assert counters.counts == {"received": 32768, "sent": 32768}
