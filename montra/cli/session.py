"""One window on real sockets, from a checked configuration to a sealed run folder.

Shared by `monitor` and `demo`. Everything that can be refused is refused before the run folder exists; from then on the
folder is sealed whatever happens, short of the process being killed.
"""

from __future__ import annotations

import dataclasses
import secrets
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import msgspec
import structlog

from montra import __version__
from montra.cli.canaries import Canaries, open_canary_sockets
from montra.cli.crew import Crew
from montra.endpoint.blocklist import Blocklist, BlocklistError
from montra.endpoint.clock import AnchoredClock
from montra.endpoint.driver import Driver
from montra.endpoint.driving import DriverSettings
from montra.endpoint.limits import LimitSettings
from montra.endpoint.sockets import Sockets, open_sockets
from montra.overlays.base import Overlay
from montra.processes.build import build_parent
from montra.processes.relay import Relay
from montra.processes.share import divide_limits
from montra.window import provenance
from montra.window.build import Parts, build
from montra.window.config import Config, ConfigError, Processes, to_toml
from montra.window.status import Status, StatusFile, StatusMaker
from montra.window.units import parse_size
from montra.window.window import Window
from zone_store.keyspace.zone import Zone
from zone_store.losses import is_loss
from zone_store.run.folder import LOG, STATUS, Manifest, RunError, create_run
from zone_store.run.store import StoreLimits
from zone_store.run.writer import RunWriter

#: Seconds between two looks at a running window. Of these looks, every so many commit what is pending, add a row to the
#: status file, and are worth a line where no terminal is.
LOOK_S = 1.0
FLUSH_EVERY = 5
ROW_EVERY = 10
LINE_EVERY = 60

Log = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a window ended. exit: "complete", "interrupted" or "partial"; reason: what ended it early."""

    run: Path
    exit: str
    reason: str
    manifest: Manifest


class Observer:
    """What watches a running window; each method may be left as it is."""

    def begun(self, run: Path, window: Window) -> None:
        """The run folder exists and the sockets are open."""

    def status(self, status: Status, minute: bool) -> None:
        """Called every second; `minute` once a minute, and at the end."""


def run_window(config: Config, observer: Observer, stop: gevent.event.Event) -> Ended:
    """Run one window until its time is over, `stop` is set or a signal comes; returns with the run sealed.

    Raises ConfigError, EndpointError or RunError before anything is written. A disk that fails later ends the window:
    what is stored is sealed, and the window is partial.
    """
    config = dataclasses.replace(config, seed=config.seed or secrets.randbits(31) + 1)
    config = dataclasses.replace(config, processes=Processes(workers=config.worker_count))
    # spelled out, so that the run's files tell what was said to whom whatever the default is later
    config = dataclasses.replace(config, replies=dataclasses.replace(config.replies, families=config.reply_table()))
    parts, relay, limits = _machines(config)
    settings = driver_settings(config, limits)
    clock = AnchoredClock()
    with ExitStack() as stack:
        # first: from the moment the folder exists it will be sealed
        signals = stack.enter_context(end_on_signals(stop))
        sockets = stack.enter_context(_sockets(config, parts, crawler_only=relay is not None))
        canary_sockets = open_canary_sockets(config, stack)
        begin_ns = clock.now_ns()
        end_ns = begin_ns + int(config.duration_s * 1e9)
        folder = create_run(Path(config.storage.runs), begin_ns, config.overlay, parts.zone)
        manifest = new_manifest(config, parts.overlay, parts.zone, begin_ns)
        writer = stack.enter_context(
            RunWriter(folder, manifest, to_toml(config), store_limits(config), config.storage.max_pending)
        )
        log = _open_log(folder, stack)
        window = Window(
            parts.overlay, parts.crawler, parts.fleet, writer, losses=is_loss, zone=parts.zone, wire=parts.wire
        )
        driver = Driver(parts.plan, sockets, window, settings, clock)
        canaries = Canaries(config, parts, folder, canary_sockets, settings, clock, driver, stack)
        window.outside += [lambda: dict(driver.counters.counts), canaries.counters]
        parts.crawler.unsent = driver.crawl_unsent
        crew = None
        if relay is not None:
            crew = Crew(config, relay, window, folder, clock, begin_ns, driver.wake, stop.set, log)
            stack.callback(crew.close)
        trouble = crew.trouble if crew is not None else str
        maker = StatusMaker(window, begin_ns, end_ns, _traffic(driver, writer, relay), trouble)
        rows = StatusFile(folder / STATUS)
        watched = _Guarded(observer, log)
        failures: list[Exception] = []
        gather(failures, lambda: log("begun", seed=config.seed, zone=str(parts.zone), sockets=len(sockets)))
        if parts.notes:
            gather(failures, lambda: log("rates lowered", notes=parts.notes))
        watched.begun(folder, window)
        watches = [lambda: _watch(stop, clock, maker, rows, writer, watched)]
        watches += [crew.watch] if crew is not None else []
        watchers = [gevent.spawn(gather, failures, watch, finally_=stop.set) for watch in watches]
        canaries.start(partial(gather, failures))
        gather(failures, lambda: driver.run(end_ns, stop))
        gevent.killall(watchers)
        gather(failures, canaries.finish)
        now_ns = clock.now_ns()
        if crew is not None:
            failures += [crew.failure] if crew.failure is not None else []
            gather(failures, partial(crew.seal, _word(failures, signals)))
        status = maker.make(now_ns)
        gather(failures, lambda: window.seal(now_ns))
        gather(failures, writer.drain)
        gather(failures, lambda: rows.append(status))
        word = _word(failures, signals)
        reason = str(failures[0]) if failures else " ".join(signals)
        gather(failures, lambda: log("ended", exit=word, reason=reason, clock_offset_ns=clock.offset_ns()))
        counters = window.totals.counters
        manifest = writer.seal(now_ns, word, counters) if crew is None else crew.join(writer, now_ns, word, counters)
        watched.status(status, minute=True)
    for failure in failures:
        if not isinstance(failure, RunError | OSError):
            raise failure  # a mistake of ours, with its trace; the run is sealed all the same
    return Ended(folder, word, reason, manifest)


def _machines(config: Config) -> tuple[Parts, Relay | None, LimitSettings]:
    """Return the machines of this process and its limits; with several workers the fleet is the relay to them."""
    if config.worker_count == 1:
        return build(config, config.seed), None, config.limits
    parts, relay = build_parent(config, config.seed)
    return parts, relay, divide_limits(config.limits, config.worker_count)[0]


def _word(failures: list[Exception], signals: list[str]) -> str:
    """Return how a window ended."""
    return "partial" if failures else "interrupted" if signals else "complete"


def _sockets(config: Config, parts: Parts, *, crawler_only: bool) -> Sockets:
    """Open the sockets of this process; raises EndpointError."""
    bind, buffer = config.addresses.bind, parse_size(config.addresses.receive_buffer)
    ring = config.addresses.receive_ring
    if crawler_only:
        # what the workers will open must be there to be had: they could refuse only after the run has begun
        open_sockets(parts.plan, bind, buffer, ring=ring).close()
        return open_sockets(parts.plan, bind, buffer, crawler_only=True)  # a crawl alone has no use for a ring
    return open_sockets(parts.plan, bind, buffer, ring=ring)


class _Guarded(Observer):
    """An observer whose failure does not touch the run: a terminal that is gone, a pipe that is closed."""

    def __init__(self, observer: Observer, log: Log) -> None:
        self._observer: Observer | None = observer
        self._log = log

    def begun(self, run: Path, window: Window) -> None:
        """Pass on."""
        self._call(lambda observer: observer.begun(run, window))

    def status(self, status: Status, minute: bool) -> None:
        """Pass on."""
        self._call(lambda observer: observer.status(status, minute))

    def _call(self, call: Callable[[Observer], None]) -> None:
        if self._observer is None:
            return
        try:
            call(self._observer)
        except OSError as error:
            self._observer = None
            self._log("view lost", error=str(error))


def _traffic(driver: Driver, writer: RunWriter, relay: Relay | None) -> Callable[[], dict[str, int]]:
    """Return a function that reads the counters of the endpoint and of the store together, of all processes."""
    stored: Counter[str] = Counter()

    def read() -> dict[str, int]:
        stored.update({loss.name: loss.count for loss in writer.losses()})
        total = Counter({**driver.counters.counts, **stored})
        if relay is not None:
            total.update(relay.worker_counters())
        return dict(total)

    return read


def driver_settings(config: Config, limits: LimitSettings) -> DriverSettings:
    """Return how to drive what a configuration asks for; raises ConfigError for a blocklist that cannot be read.

    limits: those of this process.
    """
    try:
        blocklist = Blocklist.load(Path(config.responsible.blocklist)) if config.responsible.blocklist else Blocklist()
    except BlocklistError as error:
        raise ConfigError([str(error)]) from error
    # a query must be known as not sent before its time-out, which runs meanwhile
    return DriverSettings(limits, blocklist, crawl_wait_s=min(1.0, config.crawl.timeout_s / 2))


def new_manifest(config: Config, overlay: Overlay, zone: Zone, begin_ns: int) -> Manifest:
    """Return the manifest of a run or shard that begins."""
    return Manifest(
        montra_version=__version__,
        overlay=config.overlay,
        zone=str(zone),
        id_bits=overlay.id_bytes * 8,
        start_ns=begin_ns,
        parameters=msgspec.to_builtins(config),
        versions=provenance.versions(),
        host=provenance.host(),
        git=provenance.git_describe(),
    )


def store_limits(config: Config) -> StoreLimits:
    """Return how a store is cut, and how much disk it leaves."""
    return StoreLimits(min_free_bytes=parse_size(config.storage.min_free))


def _open_log(folder: Path, stack: ExitStack) -> Log:
    """Return a function that adds one line to the run's log."""
    file = stack.enter_context((folder / LOG).open("x", encoding="utf-8"))
    logger = structlog.wrap_logger(
        structlog.WriteLogger(file),
        processors=[structlog.processors.TimeStamper("iso", utc=True), structlog.processors.JSONRenderer()],
    )

    def write(event: str, **values: Any) -> None:
        logger.msg(event, **values)
        file.flush()

    return write


@contextmanager
def end_on_signals(stop: gevent.event.Event) -> Iterator[list[str]]:
    """SIGINT, SIGTERM and SIGHUP end the window, and their names are in the list; the second one kills the process."""
    came: list[str] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers: list[Any] = []

    def let_go(final: signal.Handlers) -> None:
        while handlers:
            handlers.pop().cancel()
        for number in numbers:
            signal.signal(number, final)

    def end(number: signal.Signals) -> None:
        came.append(number.name)
        let_go(signal.SIG_DFL)
        stop.set()

    handlers += [gevent.signal_handler(number, end, number) for number in numbers]
    try:
        yield came
    finally:
        let_go(signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _watch(
    stop: gevent.event.Event,
    clock: AnchoredClock,
    maker: StatusMaker,
    rows: StatusFile,
    writer: RunWriter,
    observer: Observer,
) -> None:
    """Once a second: commit, show, write down."""
    looks = 0
    while not stop.wait(LOOK_S):
        looks += 1
        if looks % FLUSH_EVERY == 0:
            writer.flush()
        row = looks % ROW_EVERY == 0
        status = maker.make(clock.now_ns(), mark=row)
        if row:
            rows.append(status)
        observer.status(status, looks % LINE_EVERY == 0)


def gather(
    failures: list[Exception], step: Callable[[], object], finally_: Callable[[], object] = lambda: None
) -> None:
    """Do one step; what it raises must not keep the run from being sealed."""
    try:
        step()
    except Exception as error:
        failures.append(error)
    finally:
        finally_()
