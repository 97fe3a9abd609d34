from __future__ import annotations

import ctypes
import errno
import gc
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator

import gevent
import gevent.event
import pytest

from montra.datagrams import Datagram, DatagramBatch, ip_number
from montra.endpoint import driver as module
from montra.endpoint import mmsg
from montra.endpoint.blocklist import Blocklist
from montra.endpoint.clock import AnchoredClock
from montra.endpoint.driver import Driver
from montra.endpoint.driving import DriverSettings
from montra.endpoint.limits import LimitSettings, Rate
from montra.endpoint.outbox import NEVER_NS
from montra.endpoint.plan import AddressPlan
from montra.endpoint.sockets import Sockets, open_sockets

Ports = Callable[[int], range]
FREE = LimitSettings(Rate(math.inf, 1), Rate(math.inf, 1), Rate(math.inf, 1))
SECOND = 1_000_000_000


class Recorder:
    """A machine that notes what it is told; subclasses add a reaction."""

    def __init__(self) -> None:
        self.first: list[Datagram] = []
        self.rows: list[tuple[int, int, bytes]] = []  # (arrival, local, payload)
        self.feeds: list[set[int]] = []
        self.ticks: list[int] = []
        self.next_ns = NEVER_NS

    def start(self, now_ns: int) -> list[Datagram]:
        return self.first

    def feed(self, now_ns: int, batch: DatagramBatch) -> list[Datagram]:
        self.rows += [(int(batch.time_ns[i]), int(batch.local[i]), batch.payload(i)) for i in range(len(batch))]
        self.feeds.append(set(batch.local.tolist()))
        return []

    def tick(self, now_ns: int) -> list[Datagram]:
        self.ticks.append(now_ns)
        self.next_ns = NEVER_NS
        return []

    def due(self, now_ns: int) -> int:
        return self.next_ns


class Echo(Recorder):
    def feed(self, now_ns: int, batch: DatagramBatch) -> list[Datagram]:
        super().feed(now_ns, batch)
        return [
            Datagram(int(batch.local[i]), int(batch.source_ip[i]), int(batch.source_port[i]), batch.payload(i))
            for i in range(len(batch))
        ]


class Broken(Recorder):
    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def _break(self, where: str) -> None:
        if where == self.where:
            raise RuntimeError(f"broken in {where}")

    def start(self, now_ns: int) -> list[Datagram]:
        self._break("start")
        self.next_ns = now_ns + 10_000_000
        return []

    def feed(self, now_ns: int, batch: DatagramBatch) -> list[Datagram]:
        super().feed(now_ns, batch)
        self._break("feed")
        return []

    def tick(self, now_ns: int) -> list[Datagram]:
        self._break("tick")
        return super().tick(now_ns)

    def due(self, now_ns: int) -> int:
        if self.rows:
            self._break("due")
        return super().due(now_ns)


@pytest.fixture
def plan(free_ports: Ports) -> AddressPlan:
    ports = free_ports(3)
    return AddressPlan(f"127.180.0.1:{ports[0]}", ["127.180.1.0/27"], f"{ports[1]}-{ports[2]}")


@pytest.fixture
def opened(plan: AddressPlan) -> Iterator[Sockets]:
    with open_sockets(plan, "shared", 1 << 20) as sockets:
        yield sockets


def address(plan: AddressPlan, local: int) -> tuple[str, int]:
    ip, port = plan.address(local)
    return socket.inet_ntoa(ip.to_bytes(4, "big")), port


def name_of(peer: socket.socket) -> tuple[int, int]:
    host, port = peer.getsockname()
    return ip_number(host), port


def test_echo_answers_from_every_pair(plan: AddressPlan, opened: Sockets, peer: socket.socket) -> None:
    clock, machine, stop = AnchoredClock(), Echo(), gevent.event.Event()
    driver = Driver(plan, opened, machine, DriverSettings(limits=FREE), clock)
    before = clock.now_ns()
    for local in range(plan.pairs + 1):
        peer.sendto(b"%d" % local, address(plan, local))
    running = gevent.spawn(driver.run, None, stop)
    peer.setblocking(False)
    got: dict[int, tuple[str, int]] = {}
    while len(got) < plan.pairs + 1 and clock.now_ns() < before + 5 * SECOND:
        gevent.sleep(0.01)
        try:
            while True:
                data, source = peer.recvfrom(100)
                got[int(data)] = source
        except BlockingIOError:
            pass
    stop.set()
    running.get(timeout=5)
    assert got == {local: address(plan, local) for local in range(plan.pairs + 1)}
    assert all(before <= at <= clock.now_ns() for at, _, _ in machine.rows)
    assert driver.counters.counts == {"received": 65, "sent": 65}


@pytest.mark.parametrize("where", ["start", "feed", "tick", "due"])
def test_what_the_machine_raises_ends_the_run_and_surfaces(
    plan: AddressPlan, opened: Sockets, peer: socket.socket, where: str
) -> None:
    machine = Broken(where)
    driver = Driver(plan, opened, machine, DriverSettings(batch_rows=2), AnchoredClock())
    for local in (1, 2, 1, 2):  # two batches: nothing is fed to a broken machine any more
        peer.sendto(b"x", address(plan, local))
    with pytest.raises(RuntimeError, match=f"broken in {where}"):
        driver.run(AnchoredClock().now_ns() + 5 * SECOND)
    if where == "feed":
        assert len(machine.feeds) == 1
        assert driver.counters.counts == {"received": 2}
    gevent.sleep(0.01)  # no watcher is left behind to complain


def test_raises_from_a_greenlet_too(plan: AddressPlan, opened: Sockets, peer: socket.socket) -> None:
    driver = Driver(plan, opened, Broken("feed"), DriverSettings(), AnchoredClock())

    def run() -> None:
        with pytest.raises(RuntimeError, match="broken in feed"):
            driver.run()

    running = gevent.spawn(run)
    gevent.sleep(0.01)
    peer.sendto(b"x", address(plan, 1))
    running.get(timeout=5)


def test_ends_at_its_time(plan: AddressPlan, opened: Sockets) -> None:
    clock = AnchoredClock()
    end = clock.now_ns() + 80_000_000
    Driver(plan, opened, Recorder(), DriverSettings(), clock).run(end)
    assert end <= clock.now_ns() < end + 2 * SECOND


def test_ends_when_told_before_and_during(plan: AddressPlan, opened: Sockets) -> None:
    stop = gevent.event.Event()
    stop.set()
    Driver(plan, opened, Recorder(), DriverSettings(), AnchoredClock()).run(None, stop)
    stop.clear()
    # a signal handler or another thread may set it
    setter = threading.Timer(0.05, stop.set)
    setter.start()
    Driver(plan, opened, Recorder(), DriverSettings(), AnchoredClock()).run(None, stop)
    setter.join()


def test_starts_with_what_the_machine_says(plan: AddressPlan, opened: Sockets, peer: socket.socket) -> None:
    clock, machine = AnchoredClock(), Recorder()
    machine.first = [Datagram(0, *name_of(peer), b"hello"), Datagram(7, *name_of(peer), b"hello too")]
    Driver(plan, opened, machine, DriverSettings(), clock).run(clock.now_ns() + 20_000_000)
    assert {peer.recvfrom(99) for _ in range(2)} == {(b"hello", address(plan, 0)), (b"hello too", address(plan, 7))}


def test_ticks_when_due_and_not_before(plan: AddressPlan, opened: Sockets) -> None:
    clock = AnchoredClock()

    class Every(Recorder):
        def tick(self, now_ns: int) -> list[Datagram]:
            super().tick(now_ns)
            self.next_ns = begin + 30_000_000 * (len(self.ticks) + 1)
            return []

    machine = Every()
    begin = clock.now_ns()
    machine.next_ns = begin + 30_000_000
    Driver(plan, opened, machine, DriverSettings(), clock).run(begin + 200_000_000)
    assert 3 <= len(machine.ticks) <= 6
    assert all(at >= begin + 30_000_000 * (i + 1) for i, at in enumerate(machine.ticks))


def test_a_machine_that_is_always_due_does_not_spin(plan: AddressPlan, opened: Sockets) -> None:
    class Restless(Recorder):
        def tick(self, now_ns: int) -> list[Datagram]:
            super().tick(now_ns)
            self.next_ns = 0
            return []

    clock, machine = AnchoredClock(), Restless()
    machine.next_ns = 0
    Driver(plan, opened, machine, DriverSettings(min_tick_s=0.02), clock).run(clock.now_ns() + 200_000_000)
    assert 3 <= len(machine.ticks) <= 11


def test_a_received_datagram_may_bring_the_next_tick_forward(
    plan: AddressPlan, opened: Sockets, peer: socket.socket
) -> None:
    class Hurry(Recorder):
        def feed(self, now_ns: int, batch: DatagramBatch) -> list[Datagram]:
            self.next_ns = now_ns + 10_000_000
            return []

    clock, machine = AnchoredClock(), Hurry()
    begin = clock.now_ns()
    machine.next_ns = begin + 3600 * SECOND
    peer.sendto(b"x", address(plan, 1))
    Driver(plan, opened, machine, DriverSettings(), clock).run(begin + 150_000_000)
    assert len(machine.ticks) == 1
    assert begin + 10_000_000 <= machine.ticks[0] < begin + 150_000_000


def test_one_busy_socket_starves_neither_others_nor_the_timer(
    plan: AddressPlan, opened: Sockets, peer: socket.socket
) -> None:
    class Slow(Recorder):
        def feed(self, now_ns: int, batch: DatagramBatch) -> list[Datagram]:
            super().feed(now_ns, batch)
            time.sleep(0.002)
            fed_at_tick.append(len(self.ticks))
            return []

        def tick(self, now_ns: int) -> list[Datagram]:
            super().tick(now_ns)
            self.next_ns = now_ns + 5_000_000
            return []

    fed_at_tick: list[int] = []
    clock, machine = AnchoredClock(), Slow()
    machine.next_ns = clock.now_ns()
    busy, quiet, crawler = 1, 2, 0  # on three different sockets
    for _ in range(800):
        peer.sendto(b"x", address(plan, busy))
    peer.sendto(b"x", address(plan, quiet))
    peer.sendto(b"x", address(plan, crawler))
    settings = DriverSettings(batch_rows=4, batches_per_wake=2)
    Driver(plan, opened, machine, settings, clock).run(clock.now_ns() + 300_000_000)
    assert {quiet, crawler} <= set().union(*machine.feeds[:6])
    # the flood takes 400 ms of feeding; ticks every 5 ms went on in between
    assert fed_at_tick[-1] >= 15


def test_busy_sockets_take_turns(plan: AddressPlan, opened: Sockets, peer: socket.socket) -> None:
    stop = gevent.event.Event()

    class UntilAllCame(Recorder):
        def feed(self, now_ns: int, batch: DatagramBatch) -> list[Datagram]:
            super().feed(now_ns, batch)
            if len(self.rows) == 60:
                stop.set()
            return []

    machine, clock = UntilAllCame(), AnchoredClock()
    busy = (1, 2, 0)  # on three different sockets
    for local in busy * 20:
        peer.sendto(b"x", address(plan, local))
    settings = DriverSettings(batch_rows=2, batches_per_wake=1)
    Driver(plan, opened, machine, settings, clock).run(clock.now_ns() + 10 * SECOND, stop)
    assert len(machine.rows) == 60
    # the kernel names two of them at a time; once all are known, each is read in every round
    assert all(set().union(*machine.feeds[i : i + 3]) == set(busy) for i in range(3, 27, 3))


def test_little_that_comes_together_is_fed_together(plan: AddressPlan, opened: Sockets, peer: socket.socket) -> None:
    clock, machine = AnchoredClock(), Recorder()
    driver = Driver(plan, opened, machine, DriverSettings(gather_s=0.2), clock)

    def trickle() -> None:
        for local in (0, 1, 2, 3, 0):
            peer.sendto(b"x", address(plan, local))
            gevent.sleep(0.02)
        gevent.sleep(0.5)
        peer.sendto(b"x", address(plan, 5))

    sending = gevent.spawn(trickle)
    begin = clock.now_ns()
    driver.run(begin + SECOND)
    sending.get(timeout=5)
    # the first at once, the next after the rest, and again at once after a silence
    assert machine.feeds == [{0}, {0, 1, 2, 3}, {5}]


def test_without_gathering_there_is_no_rest(plan: AddressPlan, opened: Sockets, peer: socket.socket) -> None:
    clock, machine = AnchoredClock(), Recorder()
    driver = Driver(plan, opened, machine, DriverSettings(gather_s=0.0), clock)

    def trickle() -> None:
        for local in (0, 1, 2):
            peer.sendto(b"x", address(plan, local))
            gevent.sleep(0.02)

    sending = gevent.spawn(trickle)
    driver.run(clock.now_ns() + 200_000_000)
    sending.get(timeout=5)
    assert machine.feeds == [{0}, {1}, {2}]


def test_a_flood_is_read_without_rest(plan: AddressPlan, opened: Sockets, peer: socket.socket) -> None:
    clock, machine = AnchoredClock(), Recorder()
    for i in range(400):
        peer.sendto(b"x", address(plan, 1 + i % 4))
    settings = DriverSettings(batch_rows=16, batches_per_wake=2, gather_s=60.0)
    Driver(plan, opened, machine, settings, clock).run(clock.now_ns() + 200_000_000)
    assert len(machine.rows) == 400
    assert len(machine.feeds) == 25


def test_kernel_drops_are_counted(plan: AddressPlan, peer: socket.socket) -> None:
    machine, clock = Recorder(), AnchoredClock()
    with open_sockets(plan, "shared", 1) as tiny:
        driver = Driver(plan, tiny, machine, DriverSettings(), clock)
        for _ in range(200):
            peer.sendto(b"x" * 400, address(plan, 1))
        driver.run(clock.now_ns() + 50_000_000)
    counts = driver.counters.counts
    assert counts["received"] == len(machine.rows)
    assert counts["received"] + counts["kernel_drops"] == 200
    assert counts["kernel_drops"] > 150


def test_limits_and_blocklist_stand_before_the_wire(plan: AddressPlan, opened: Sockets, peer: socket.socket) -> None:
    clock, machine = AnchoredClock(), Recorder()
    ip, port = name_of(peer)
    machine.first = [Datagram(1, ip, port, b"%d" % i) for i in range(5)]
    machine.first += [Datagram(1, ip_number("127.180.254.1"), 9, b"never")] * 3
    limits = LimitSettings(target=Rate(10, 2))
    settings = DriverSettings(limits=limits, blocklist=Blocklist.parse("127.180.254.0/24"))
    driver = Driver(plan, opened, machine, settings, clock)
    # two at once, one after 100 ms, one after 200 ms; the last would go after 300 ms
    driver.run(clock.now_ns() + 260_000_000)
    assert [peer.recv(9) for _ in range(4)] == [b"0", b"1", b"2", b"3"]
    assert driver.counters.counts == {"sent": 4, "blocklisted": 3, "outbox_discarded": 1}
    assert driver.waiting == 0


def test_the_crawlers_queries_that_never_left_are_told(plan: AddressPlan, opened: Sockets, peer: socket.socket) -> None:
    clock, machine = AnchoredClock(), Recorder()
    ip, port = name_of(peer)
    machine.first = [Datagram(local, ip, port, b"x") for local in (0, 0, 0, 1, 1)]
    machine.first.append(Datagram(0, ip_number("255.255.255.255"), 9, b"refused by the kernel"))
    limits = LimitSettings(total=Rate(math.inf, 1), target=Rate(0.1, 1), subnet=Rate(math.inf, 1))
    settings = DriverSettings(limits=limits, crawl_wait_s=0.02)
    driver = Driver(plan, opened, machine, settings, clock)
    driver.run(clock.now_ns() + 200_000_000)
    counts = driver.counters.counts
    assert counts["rate_limited_target"] == 2  # the crawler's; the monitors' wait on
    assert counts["outbox_discarded"] == 2
    assert counts["send_eacces"] == 1
    assert driver.crawl_unsent() == 3


def full_at_first(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    real, left = mmsg._sendmmsg, [times]

    def call(fd: int, table: int, n: int, flags: int) -> int:
        left[0] -= 1
        if left[0] >= 0:
            ctypes.set_errno(errno.EAGAIN)
            return -1
        return int(real(fd, table, n, flags))

    monkeypatch.setattr(mmsg, "_sendmmsg", call)


def test_a_full_send_buffer_delays_and_loses_nothing(
    plan: AddressPlan, opened: Sockets, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_at_first(monkeypatch, 5)
    clock, machine = AnchoredClock(), Recorder()
    machine.first = [Datagram(1, *name_of(peer), b"%d" % i) for i in range(4)]
    driver = Driver(plan, opened, machine, DriverSettings(), clock)
    driver.run(clock.now_ns() + 100_000_000)
    assert [peer.recv(9) for _ in range(4)] == [b"0", b"1", b"2", b"3"]
    assert driver.counters.counts == {"sent": 4}


def test_a_send_buffer_that_stays_full_is_given_up_by_name(
    plan: AddressPlan, opened: Sockets, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_at_first(monkeypatch, 1_000_000)
    monkeypatch.setattr(module, "_RESEND_FOR_NS", 20_000_000)
    clock, machine = AnchoredClock(), Recorder()
    machine.first = [Datagram(1, *name_of(peer), b"x")] * 4
    driver = Driver(plan, opened, machine, DriverSettings(), clock)
    driver.run(clock.now_ns() + 100_000_000)
    assert driver.counters.counts == {"send_eagain": 4}
    driver = Driver(plan, opened, machine, DriverSettings(), clock)
    driver.run(clock.now_ns() + 5_000_000)
    assert driver.counters.counts == {"outbox_discarded": 4}


def test_one_run_after_another_on_the_same_sockets(plan: AddressPlan, opened: Sockets, peer: socket.socket) -> None:
    clock = AnchoredClock()
    for _ in range(3):
        machine = Recorder()
        peer.sendto(b"x", address(plan, 3))
        Driver(plan, opened, machine, DriverSettings(), clock).run(clock.now_ns() + 20_000_000)
        assert [row[1:] for row in machine.rows] == [(3, b"x")]
    gc.collect()


def test_a_machine_that_has_something_to_do_all_at_once_can_be_woken(plan: AddressPlan, opened: Sockets) -> None:
    clock, machine, stop = AnchoredClock(), Recorder(), gevent.event.Event()
    driver = Driver(plan, opened, machine, DriverSettings(limits=FREE), clock)
    machine.next_ns = clock.now_ns()
    driver.wake()  # before it runs there is nobody to wake
    machine.next_ns = NEVER_NS
    running = gevent.spawn(driver.run, None, stop)
    gevent.sleep(0.05)
    assert machine.ticks == []
    machine.next_ns = woken_ns = clock.now_ns()
    driver.wake()
    gevent.sleep(0.05)
    assert len(machine.ticks) == 1
    assert machine.ticks[0] - woken_ns < SECOND
    stop.set()
    running.get(timeout=5)
    driver.wake()  # nor afterwards
    assert len(machine.ticks) == 1
