"""The event loop of a run: sockets and one timer under gevent's hub, all protocol in the machine it drives.

All sockets, or the packet ring (see `intake`), hang on one epoll object, and the hub watches that: what waits at many
sockets is fed to the machine as one batch, because a batch costs as much as a hundred datagrams in it. For the same
reason a read that brought little is followed by a short rest. There is no greenlet for a socket and no monkey patching.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Protocol

import gevent
import gevent.event

from montra.datagrams import Counters, Datagram
from montra.endpoint.clock import AnchoredClock
from montra.endpoint.driving import DriverSettings, Machine
from montra.endpoint.intake import open_intake
from montra.endpoint.limits import Limits
from montra.endpoint.outbox import NEVER_NS
from montra.endpoint.outlet import Outlet
from montra.endpoint.plan import AddressPlan
from montra.endpoint.sockets import Sockets

_READ = 1
#: A full send buffer is tried again so often, and given up after so long without a datagram gone.
_RESEND_NS = 1_000_000
_RESEND_FOR_NS = 1_000_000_000


class StopSignal(Protocol):
    """What ends a run when set: a gevent.event.Event or its like."""

    def rawlink(self, callback: Callable[[object], object], /) -> object:
        """Call back once set, soon if it is set already."""
        ...

    def unlink(self, callback: Callable[[object], object], /) -> object:
        """Take the callback back."""
        ...


class Driver:
    """Drives one machine on the sockets of a plan, for one run.

    beside: another driver of this process, whose limits (not those of the settings) and counters are this one's too.
    counters: all drops and refusals of the endpoint by name, and what was received and sent.
    """

    def __init__(
        self,
        plan: AddressPlan,
        sockets: Sockets,
        machine: Machine,
        settings: DriverSettings,
        clock: AnchoredClock,
        beside: Driver | None = None,
    ) -> None:
        self.counters: Counters = Counters() if beside is None else beside.counters
        self._limits: Limits = Limits(settings.limits) if beside is None else beside._limits
        self._machine = machine
        self._rows = settings.batch_rows
        self._batches = settings.batches_per_wake
        self._min_tick_ns = int(settings.min_tick_s * 1e9)
        self._clock = clock
        self._intake = open_intake(plan, sockets, settings.batch_rows, self.counters)
        self._rest_below = self._intake.rest_below if settings.gather_s > 0 else 0
        self._sending = Counters()  # of this driver alone, until `_send` adds them to all
        self._refused = 0
        self._outlet = Outlet(plan, sockets, settings.batch_rows, self._sending)
        self._outbox = settings.outbox(self._limits, self.counters)
        self._unsent: list[Datagram] = []  # let out by the outbox, but the send buffer was full
        self._progress_ns = 0
        self._ticked_ns = 0
        self._loop = gevent.get_hub().loop
        self._epoll = select.epoll()
        self._watcher = self._loop.io(self._epoll.fileno(), _READ)
        self._rest = self._loop.timer(settings.gather_s, settings.gather_s)
        self._timer = self._loop.timer(0.0)
        self._armed_ns = NEVER_NS
        self._begun = False
        self._over = gevent.event.Event()
        self._failure: BaseException | None = None

    @property
    def waiting(self) -> int:
        """Datagrams that wait to be sent."""
        return len(self._outbox) + len(self._unsent)

    def crawl_unsent(self) -> int:
        """Return how many of the crawler's queries never left so far (fits `ZoneCrawler.unsent`).

        Exact for what the limits refused. What the kernel refused (send_*) counts whatever this driver sent: that is
        either rare or the state of the link, which concerns the crawler too.
        """
        return self._outbox.crawl_unsent + self._refused

    def wake(self) -> None:
        """Ask the machine again when it is due: something else than time or a datagram may have changed that."""
        if self._begun:
            self._guard(lambda: None)

    def run(self, until_ns: int | None = None, stop: StopSignal | None = None) -> None:
        """Run until a time of the run's clock or until `stop` is set, whichever is first; None is never.

        Blocks the calling greenlet. Runs once; the sockets stay open, they are the caller's. Whatever the machine
        raises ends the run and is raised here, the counters being complete by then.
        """
        # not gevent.wait(): it may not be woken from another thread, this may (as Event.wait)
        if stop is not None:
            stop.rawlink(self._stopped)
        try:
            self._begin()
            for fd in self._intake.descriptors():
                self._epoll.register(fd, select.EPOLLIN)
            self._wait(rest=False)
            while not self._over.is_set():
                left = None if until_ns is None else (until_ns - self._clock.now_ns()) / 1e9
                if left is not None and left <= 0:
                    break
                self._over.wait(left)
        finally:
            self._over.set()
            if stop is not None:
                stop.unlink(self._stopped)
            for watcher in (self._timer, self._watcher, self._rest):
                watcher.stop()
                watcher.close()
            self._epoll.close()
            self._intake.settle_drops()
            self._outbox.discard()
            self._give_up_unsent("outbox_discarded")
        if self._failure is not None:
            raise self._failure

    def _begin(self) -> None:
        now_ns = self._clock.now_ns()
        self._outbox.offer(now_ns, self._machine.start(now_ns))
        self._send(now_ns)
        self._arm()
        self._begun = True

    def _stopped(self, _: object) -> None:
        self._over.set()

    def _guard(self, callback: Callable[[], None]) -> None:
        """Run a callback of the hub. What it raises would only be printed there: keep it for `run` and stop."""
        if self._over.is_set():
            return
        try:
            callback()
            self._arm()
        except BaseException as error:
            self._failure = error
            self._over.set()

    def _read(self) -> None:
        intake = self._intake
        intake.wake(fd for fd, _ in self._epoll.poll(0, self._rows))
        rows = 0
        for _ in range(self._batches):
            now_ns = self._clock.now_ns()
            for batch in intake.receive(now_ns, self._clock.offset_ns()):
                rows += len(batch)
                self._outbox.offer(now_ns, self._machine.feed(now_ns, batch), answers=True)
            if not intake.more:
                break
        self._send(self._clock.now_ns())
        self._wait(rest=0 < rows < self._rest_below and not intake.more)

    def _wait(self, rest: bool) -> None:
        """Read again when something arrives, or, to rest, after a while whether it does or not."""
        if rest:
            self._watcher.stop()
            self._rest.again(self._guard, self._read)
        else:
            self._rest.stop()
            self._watcher.start(self._guard, self._read)

    def _tick(self) -> None:
        self._armed_ns = NEVER_NS
        now_ns = self._clock.now_ns()
        if self._machine.due(now_ns) <= now_ns and now_ns - self._ticked_ns >= self._min_tick_ns:
            self._ticked_ns = now_ns
            self._outbox.offer(now_ns, self._machine.tick(now_ns))
        self._send(now_ns)

    def _send(self, now_ns: int) -> None:
        # as long as some are left nothing follows them: the outbox is where datagrams wait and age
        fresh = not self._unsent
        sending = self._outbox.ready(now_ns) if fresh else self._unsent
        self._unsent = self._outlet.send(sending)
        sent = self._sending.take()
        self._refused += sum(count for name, count in sent.items() if name.startswith("send_"))
        self.counters.merge(sent.items())
        if fresh or len(self._unsent) < len(sending):
            self._progress_ns = now_ns
        elif now_ns - self._progress_ns >= _RESEND_FOR_NS:
            self._give_up_unsent("send_eagain")

    def _give_up_unsent(self, name: str) -> None:
        self.counters.add(name, len(self._unsent))
        self._refused += len(self._unsent)
        self._unsent = []

    def _arm(self) -> None:
        """Set the timer to what is due first, unless it is set so already."""
        now_ns = self._clock.now_ns()
        due_ns = max(self._machine.due(now_ns), self._ticked_ns + self._min_tick_ns)
        due_ns = min(due_ns, now_ns + _RESEND_NS if self._unsent else self._outbox.due())
        if due_ns == self._armed_ns:
            return
        self._timer.stop()
        self._timer.close()
        self._armed_ns = due_ns
        if due_ns < NEVER_NS:
            self._timer = self._loop.timer(max(0.0, (due_ns - now_ns) / 1e9))
            self._timer.start(self._guard, self._tick, update=True)
