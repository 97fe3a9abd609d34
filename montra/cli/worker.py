"""A worker: holds the monitors of one sector, in a process of its own (`python -m montra.cli.worker FD`).

It is told of nodes through the pipe at descriptor FD, stores what it captures in a shard of its own, and says each
second how it stands. It ends with its shard sealed: when told to, or when the pipe is closed, because then the parent
is no more. Signals of the terminal are the parent's business.
"""

from __future__ import annotations

import signal
import socket
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import gevent
import gevent.event

from montra.cli.session import FLUSH_EVERY, LOOK_S, driver_settings, gather, new_manifest, store_limits
from montra.endpoint.clock import AnchoredClock
from montra.endpoint.driver import Driver
from montra.endpoint.errors import EndpointError
from montra.endpoint.pipe import Pipe
from montra.endpoint.plan import PlanError
from montra.endpoint.sockets import open_sockets
from montra.processes.build import build_worker
from montra.processes.heir import answered_before, places_left
from montra.processes.messages import (
    Begin,
    Decoder,
    Failed,
    MessageError,
    Order,
    Probes,
    Ready,
    Report,
    Seal,
    Sealing,
    Status,
    Tell,
    encode,
    orders,
)
from montra.window.config import Config, ConfigError, parse, to_toml
from montra.window.units import parse_size
from montra.window.window import Window
from zone_store.losses import is_loss
from zone_store.run.folder import RunError
from zone_store.run.writer import RunWriter

#: The first order comes at once, or never.
_BEGIN_S = 30.0
#: How long a last word may take that the parent does not read.
_LAST_S = 5.0
_PROBES = 1000


class Worker:
    """The run of one worker, from its first order to its sealed shard."""

    def __init__(self, begin: Begin, config: Config, end: socket.socket, decoder: Decoder[Order]) -> None:
        self._begin, self._config, self._end, self._decoder = begin, config, end, decoder
        self._stop = gevent.event.Event()
        self._exit = "partial"  # unless the parent says otherwise
        self._reports: dict[type[Report], Report] = {}
        folder, again = Path(begin.folder), begin.generation > 0
        places = places_left(folder) if again else {}
        answered = answered_before(folder) if again else {}
        self._parts = build_worker(config, begin.seed, begin.slot, begin.generation, places, answered)
        self._clock = AnchoredClock.of(begin.epoch_ns)
        self._durable_ns = begin.begin_ns

    def run(self, held: list[Order]) -> None:
        """Hold the sector until told to end, then seal the shard; what ended it early is raised after that.

        held: orders that came with the first one.
        """
        parts, addresses = self._parts, self._config.addresses
        failures: list[Exception] = []
        with ExitStack() as stack:
            buffer = parse_size(addresses.receive_buffer)
            ring = addresses.receive_ring
            sockets = stack.enter_context(
                open_sockets(parts.share.plan, addresses.bind, buffer, monitors_only=True, ring=ring)
            )
            writer = stack.enter_context(self._writer())
            window = Window(
                parts.overlay, parts.crawler, parts.fleet, writer, losses=is_loss, zone=parts.zone, wire=parts.wire
            )
            settings = driver_settings(self._config, parts.share.limits)
            driver = Driver(parts.share.plan, sockets, window, settings, self._clock)
            window.outside.append(lambda: dict(driver.counters.counts))
            pipe = Pipe(self._end, lambda data: self._received(driver, data), self._more, lambda _: self._stop.set())
            stack.callback(pipe.release)
            parts.crawler.wanted = pipe.wake
            self._obey(driver, held)
            self._say(pipe, Ready())
            look = _Look(self._clock, window, driver, writer, self._durable_ns)
            watcher = gevent.spawn(gather, failures, lambda: self._watch(pipe, look), finally_=self._stop.set)
            gather(failures, lambda: driver.run(None, self._stop))
            watcher.kill()
            now_ns = self._clock.now_ns()
            _say_last(self._end, Sealing(look.status()), pipe.release())
            gather(failures, lambda: window.seal(now_ns))
            gather(failures, writer.drain)
            writer.seal(now_ns, "partial" if failures else self._exit, window.totals.counters)
        if failures:
            raise failures[0]

    def _writer(self) -> RunWriter:
        config, parts = self._config, self._parts
        manifest = new_manifest(config, parts.overlay, parts.zone, self._clock.now_ns())
        folder = Path(self._begin.folder)
        pending = max(1, config.storage.max_pending // config.worker_count)
        return RunWriter(folder, manifest, to_toml(config), store_limits(config), pending)

    def _watch(self, pipe: Pipe, look: _Look) -> None:
        """Once a second: commit, say how it stands."""
        looks = 0
        while not self._stop.wait(LOOK_S):
            looks += 1
            if looks % FLUSH_EVERY == 0:
                look.writer.flush()
            self._say(pipe, look.status())

    def _received(self, driver: Driver, data: bytes) -> None:
        self._obey(driver, self._decoder.feed(data))

    def _obey(self, driver: Driver, told: list[Order]) -> None:
        for order in told:
            if isinstance(order, Tell):
                self._parts.crawler.told(order.news)
            elif isinstance(order, Seal):
                self._exit = order.exit
                self._stop.set()
        driver.wake()

    def _say(self, pipe: Pipe, report: Report) -> None:
        self._reports[type(report)] = report  # of each kind the newest: nothing piles up if the parent does not read
        pipe.wake()

    def _more(self) -> bytes:
        """Return the next frame to send."""
        for kind in (Ready, Status):
            report = self._reports.pop(kind, None)
            if report is not None:
                return encode(report)
        wanted = self._parts.crawler.take_probes(_PROBES)
        return encode(Probes(wanted)) if wanted else b""


@dataclass(slots=True)
class _Look:
    """How a worker stands. durable_ns: everything captured before is on disk."""

    clock: AnchoredClock
    window: Window
    driver: Driver
    writer: RunWriter
    durable_ns: int
    stored: dict[str, int] = field(default_factory=dict)

    def status(self) -> Status:
        newest_ns = self.writer.last_ns if self.writer.pending else self.clock.now_ns()
        self.durable_ns = max(self.durable_ns, newest_ns)
        for loss in self.writer.losses():
            self.stored[loss.name] = self.stored.get(loss.name, 0) + loss.count
        totals = self.window.totals
        counters = {**totals.counters, **self.driver.counters.counts, **self.stored}
        return Status(self.durable_ns, self.window.fleet.states(), totals.captures, counters)


def main(fd: int) -> int:
    """Run a worker; returns its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=fd) as end:
        try:
            decoder = orders()
            begin, *held = _first_orders(end, decoder)
            if not isinstance(begin, Begin):
                raise MessageError("the first order is to begin")
            Worker(begin, parse(begin.config), end, decoder).run(held)
        except (ConfigError, PlanError, EndpointError, RunError) as error:
            _say_last(end, Failed(str(error)))
            return 1
    return 0


def _first_orders(end: socket.socket, decoder: Decoder[Order]) -> list[Order]:
    """Wait for the first order; raises MessageError if none comes."""
    end.settimeout(_BEGIN_S)
    found: list[Order] = []
    while not found:
        try:
            data = end.recv(1 << 16)
        except OSError as error:
            raise MessageError(f"no first order: {error}") from None
        if not data:
            raise MessageError("no first order: the parent is no more")
        found = decoder.feed(data)
    return found


def _say_last(end: socket.socket, report: Report, rest: bytes = b"") -> None:
    """Say something, after the rest of what was being said, to a parent that may be no more."""
    end.settimeout(_LAST_S)
    with suppress(OSError):
        end.sendall(rest + encode(report))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
