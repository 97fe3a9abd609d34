from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from montra.datagrams import SLOT_BYTES, Counters, Datagram, DatagramBatch, ip_number
from montra.endpoint.intake import Intake, SocketIntake, open_intake
from montra.endpoint.outlet import Outlet
from montra.endpoint.plan import AddressPlan
from montra.endpoint.ring import RingSettings
from montra.endpoint.sockets import Bind, Sockets, open_sockets

Ports = Callable[[int], range]
BOTH = pytest.mark.parametrize("bind", ["shared", "each"])
ALL = pytest.mark.parametrize("way", ["shared", "each", "ring"])
UDP_SEGMENT = 103


def plan_of(ports: range, addresses: list[str]) -> AddressPlan:
    return AddressPlan(f"127.180.0.1:{ports[0]}", addresses, f"{ports[1]}-{ports[-1]}")


@contextmanager
def opened(plan: AddressPlan, way: str, buffer: int = 1 << 20) -> Iterator[Sockets]:
    """Open a plan: "ring" by a ring of 256 frames or, if `buffer` is 1, of 16, else by sockets."""
    if way == "ring":
        ring = RingSettings(1 if buffer == 1 else 1 << 20, "lo")
        try:
            sockets = open_sockets(plan, "shared", ring=ring)
        except Exception as error:
            if "CAP_NET_RAW" in str(error):
                pytest.skip("needs CAP_NET_RAW")
            raise
    else:
        sockets = open_sockets(plan, "each" if way == "each" else "shared", buffer)
    with sockets:
        yield sockets


def batches(intake: Intake, now_ns: int = 0, offset_ns: int = 0) -> Iterator[DatagramBatch]:
    """Yield all that waits."""
    with select.epoll() as waiting:
        for fd in intake.descriptors():
            waiting.register(fd, select.EPOLLIN)
        intake.wake(fd for fd, _ in waiting.poll(0))
        while intake.more:
            yield from intake.receive(now_ns, offset_ns)


def drain(intake: Intake) -> list[tuple[int, bytes]]:
    """Return (local, payload) of all that waits."""
    return [row for batch in batches(intake) for row in rows_of(batch)]


def rows_of(batch: DatagramBatch | None) -> list[tuple[int, bytes]]:
    return [] if batch is None else [(int(batch.local[i]), batch.payload(i)) for i in range(len(batch))]


def address(plan: AddressPlan, local: int) -> tuple[str, int]:
    ip, port = plan.address(local)
    return socket.inet_ntoa(ip.to_bytes(4, "big")), port


@ALL
def test_two_hundred_pairs_on_one_port_get_their_own(free_ports: Ports, peer: socket.socket, way: str) -> None:
    plan = plan_of(free_ports(2), ["127.180.1.0-199"])
    counters = Counters()
    with opened(plan, way) as sockets:
        assert len(sockets) == (201 if way == "each" else 2)
        intake = open_intake(plan, sockets, 64, counters)
        for local in range(201):
            peer.sendto(b"to %d" % local, address(plan, local))
        rows = drain(intake)
        assert sorted(rows) == [(local, b"to %d" % local) for local in range(201)]
        assert drain(intake) == []
    assert counters.counts == {"received": 201}


@BOTH
def test_many_sockets_make_one_batch_and_none_is_starved(free_ports: Ports, peer: socket.socket, bind: Bind) -> None:
    plan = plan_of(free_ports(4), ["127.180.1.1"])
    with open_sockets(plan, bind, 1 << 20) as sockets:
        intake = SocketIntake(plan, sockets, 4, Counters())
        for local, n in ((1, 6), (3, 1), (0, 1)):
            for i in range(n):
                peer.sendto(b"%d of %d" % (i, local), address(plan, local))
        crawler, first, second, third = sockets.bound
        batch, left = intake.read([first, second, third, crawler], 0, 0)
        assert rows_of(batch) == [(1, b"%d of 1" % i) for i in range(4)]
        assert left == [second, third, crawler, first]  # who filled the batch stands behind those not asked
        batch, left = intake.read(left, 0, 0)
        assert rows_of(batch) == [(3, b"0 of 3"), (0, b"0 of 0"), (1, b"4 of 1"), (1, b"5 of 1")]
        assert left == [first]
        assert intake.read(left, 0, 0) == (None, [])


def test_drops_of_sockets_are_asked_for_once_a_second(free_ports: Ports, peer: socket.socket) -> None:
    plan = plan_of(free_ports(4), ["127.180.1.1"])
    counters = Counters()
    with open_sockets(plan, "shared", 1) as sockets:
        intake = open_intake(plan, sockets, 64, counters)
        floods = {1: 50, 2: 0, 3: 80}
        got: list[int] = []
        for now_ns in (1_000_000_000, 1_999_999_999):
            for local, flood in floods.items():
                for _ in range(flood):
                    peer.sendto(b"x" * 500, address(plan, local))
            got += [local for batch in batches(intake, now_ns) for local in batch.local.tolist()]
            told = counters.counts["kernel_drops"]
            if now_ns == 1_000_000_000:
                first = told
                assert first > 0
            assert told == first  # the second flood's are not told yet
        lost = [2 * flood - got.count(local) for local, flood in floods.items()]
        peer.sendto(b"x", address(plan, 1))
        peer.sendto(b"x", address(plan, 2))
        assert len(list(batches(intake, 2_000_000_000))) == 1
        assert [bound.dropped for bound in sockets.bound[1:]] == lost
    assert counters.counts["kernel_drops"] == sum(lost) > first


@pytest.mark.parametrize("way", ["shared", "ring"])
def test_foreign_destinations_are_dropped_and_counted(free_ports: Ports, peer: socket.socket, way: str) -> None:
    ports = free_ports(2)
    plan = plan_of(ports, ["127.180.1.1-3"])
    counters = Counters()
    with opened(plan, way) as sockets:
        intake = open_intake(plan, sockets, 8, counters)
        for last in (1, 9, 2, 4):
            peer.sendto(b"%d" % last, (f"127.180.1.{last}", ports[1]))
        peer.sendto(b"crawler's address, monitors' port", ("127.180.0.1", ports[1]))
        assert drain(intake) == [(1, b"1"), (2, b"2")]
        peer.sendto(b"4", ("127.180.1.4", ports[1]))
        assert drain(intake) == []
    assert counters.counts == {"received": 6, "foreign_destination": 4}


@pytest.mark.parametrize("way", ["shared", "ring"])
def test_truncated_datagrams_are_marked_and_counted(free_ports: Ports, peer: socket.socket, way: str) -> None:
    plan = plan_of(free_ports(2), ["127.180.1.1"])
    counters = Counters()
    with opened(plan, way) as sockets:
        intake = open_intake(plan, sockets, 8, counters)
        for length in (SLOT_BYTES, SLOT_BYTES + 1, 60000):
            peer.sendto(b"x" * length, address(plan, 1))
        (batch,) = batches(intake)
        assert batch.truncated.tolist() == [False, True, True]
        assert batch.length.tolist() == [SLOT_BYTES] * 3
        assert batch.payload(0) == b"x" * SLOT_BYTES
    assert counters.counts == {"received": 3, "truncated": 2}


@pytest.mark.parametrize("way", ["shared", "ring"])
def test_arrival_is_the_kernels_time_on_the_runs_clock(free_ports: Ports, peer: socket.socket, way: str) -> None:
    plan = plan_of(free_ports(2), ["127.180.1.1"])
    hour = 3_600_000_000_000
    with opened(plan, way) as sockets:
        intake = open_intake(plan, sockets, 8, Counters())

        def arrival(now_ns: int, offset_ns: int) -> int:
            (batch,) = batches(intake, now_ns, offset_ns)
            return int(batch.time_ns[0])

        time.sleep(0.05)  # the kernel begins to stamp packets a moment after it is asked to
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


@ALL
def test_sent_is_received_plus_dropped(free_ports: Ports, peer: socket.socket, way: str) -> None:
    plan = plan_of(free_ports(2), ["127.180.1.1-2"])
    counters = Counters()
    with opened(plan, way, 1) as sockets:
        intake = open_intake(plan, sockets, 16, counters)
        rows = []
        for flood in range(5):
            for _ in range(100):
                peer.sendto(b"x" * 500, address(plan, 1 + flood % 2))
            rows += drain(intake)
        told = counters.counts.get("kernel_drops", 0)
        intake.settle_drops()
        dropped = counters.counts["kernel_drops"]
        assert dropped > told  # the last flood's, which no datagram followed
        assert len(rows) + dropped == 500
        if way == "ring":
            assert len(rows) == 5 * 16
        else:
            assert sum(b.dropped for b in sockets.bound) == dropped
            assert sockets.bound[0].dropped == 0
        intake.settle_drops()
        assert counters.counts["kernel_drops"] == dropped


def test_the_ring_tells_its_drops_with_the_next_packet(free_ports: Ports, peer: socket.socket) -> None:
    plan = plan_of(free_ports(2), ["127.180.1.1"])
    counters = Counters()
    with opened(plan, "ring", 1) as sockets:
        intake = open_intake(plan, sockets, 16, counters)
        for _ in range(20):
            peer.sendto(b"x", address(plan, 1))
        assert len(drain(intake)) == 16
        assert counters.counts == {"received": 16}
        peer.sendto(b"x", address(plan, 1))
        assert len(drain(intake)) == 1
        assert counters.counts == {"received": 17, "kernel_drops": 4}


def test_the_sockets_of_a_ring_keep_nothing_and_refuse_nothing(free_ports: Ports, peer: socket.socket) -> None:
    plan = plan_of(free_ports(2), ["127.180.1.1"])
    with opened(plan, "ring") as sockets:
        peer.connect(address(plan, 1))
        for _ in range(3):
            peer.send(b"x")  # a refused port would be reported by the second one
        with pytest.raises(BlockingIOError):
            sockets.bound[1].socket.recv(9)
        intake = open_intake(plan, sockets, 16, Counters())
        (batch,) = batches(intake)
        own = int(batch.source_ip[0]), int(batch.source_port[0])
        assert Outlet(plan, sockets, 16, Counters()).send([Datagram(1, *own, b"answer")]) == []
        assert peer.recv(9) == b"answer"


def test_a_ring_goes_round_and_keeps_the_order(free_ports: Ports, peer: socket.socket) -> None:
    plan = plan_of(free_ports(2), ["127.180.1.1"])
    counters = Counters()
    with opened(plan, "ring", 1) as sockets:
        intake = open_intake(plan, sockets, 5, counters)
        rows = []
        for first in range(0, 77, 11):
            for number in range(first, first + 11):
                peer.sendto(b"%d" % number, address(plan, 1))
            rows += drain(intake)
    assert rows == [(1, b"%d" % number) for number in range(77)]
    assert counters.counts == {"received": 77}


def test_long_datagrams_of_a_ring_make_a_batch_of_their_own(free_ports: Ports, peer: socket.socket) -> None:
    plan = plan_of(free_ports(2), ["127.180.1.1"])
    with opened(plan, "ring", 1) as sockets:
        intake = open_intake(plan, sockets, 100, Counters())
        payloads = [bytes([i]) * length for i, length in enumerate((100, 256, 257, 0, 1400, 3))]
        for payload in payloads:
            peer.sendto(payload, address(plan, 0))
        short, long = batches(intake)
        assert short.buffer.shape == (4, 256)
        assert long.buffer.shape == (2, 1408)
        assert [payload for _, payload in rows_of(short)] == [payloads[i] for i in (0, 1, 3, 5)]
        assert [payload for _, payload in rows_of(long)] == [payloads[i] for i in (2, 4)]
        peer.sendto(b"", address(plan, 0))
        (only,) = batches(intake)
        assert only.buffer.shape == (1, 64)


def test_pieces_of_many_datagrams_are_cut_up(free_ports: Ports, peer: socket.socket) -> None:
    plan = plan_of(free_ports(2), ["127.180.1.1-2"])
    pieces = [(1, 100, bytes(range(250))), (2, 90, b"a" * 90 + b"b" * 90), (1, 3, b"xyzu"), (2, 0, b"single")]
    cut = [
        (1, bytes(range(100))),
        (1, bytes(range(100, 200))),
        (1, bytes(range(200, 250))),
        (2, b"a" * 90),
        (2, b"b" * 90),
        (1, b"xyz"),
        (1, b"u"),
        (2, b"single"),
    ]
    for way in ("shared", "ring"):
        counters = Counters()
        with opened(plan, way) as sockets:
            intake = open_intake(plan, sockets, 16, counters)
            for local, segment, data in pieces:
                option = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("@H", segment))] if segment else []
                peer.sendmsg([data], option, 0, address(plan, local))
            assert drain(intake) == cut
        assert counters.counts == {"received": 8}


def test_of_a_piece_larger_than_a_frame_the_rest_is_counted(free_ports: Ports, peer: socket.socket) -> None:
    plan = plan_of(free_ports(2), ["127.180.1.1"])
    counters = Counters()
    with opened(plan, "ring") as sockets:
        intake = open_intake(plan, sockets, 16, counters)
        data = b"".join(bytes([i]) * 1000 for i in range(6))
        option = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("@H", 1000))]
        peer.sendmsg([data], option, 0, address(plan, 1))
        assert drain(intake) == [(1, bytes([i]) * 1000) for i in range(3)]
    assert counters.counts == {"received": 3, "ring_cut": 3}


@pytest.mark.parametrize("way", ["shared", "ring"])
def test_thirty_two_thousand_pairs_on_few_sockets(free_ports: Ports, peer: socket.socket, way: str) -> None:
    plan = plan_of(free_ports(33), ["127.180.32.0/22"])
    assert plan.pairs == 32768
    counters = Counters()
    local = np.arange(1, plan.pairs + 1, dtype=np.int64)
    ips, ports = plan.addresses_of(local)
    own = ip_number("127.180.255.1"), peer.getsockname()[1]
    with opened(plan, way) as sockets:
        assert len(sockets) < 100
        intake, outlet = open_intake(plan, sockets, 128, counters), Outlet(plan, sockets, 128, counters)
        seen: list[tuple[int, bytes]] = []
        answered: set[tuple[str, int]] = set()
        peer.settimeout(1.0)
        for first in range(0, plan.pairs, 256):
            for row in range(first, first + 256):
                peer.sendto(b"%d" % local[row], (socket.inet_ntoa(int(ips[row]).to_bytes(4, "big")), int(ports[row])))
            rows = drain(intake)
            seen += rows
            assert outlet.send([Datagram(number, *own, b"") for number, _ in rows]) == []
            answered |= {peer.recvfrom(9)[1] for _ in rows}
    assert sorted(seen) == sorted((number, b"%d" % number) for number in range(1, plan.pairs + 1))
    assert answered == {address(plan, number) for number in range(1, plan.pairs + 1)}
    assert counters.counts == {"received": 32768, "sent": 32768}
