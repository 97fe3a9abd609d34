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
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import msgspec
import structlog

from montra import __version__
from montra.endpoint.blocklist import Blocklist, BlocklistError
from montra.endpoint.clock import AnchoredClock
from montra.endpoint.driver import Driver, DriverSettings
from montra.endpoint.sockets import open_sockets
from montra.window import provenance
from montra.window.build import Parts, build
from montra.window.config import Config, ConfigError, to_toml
from montra.window.status import Status, StatusFile, StatusMaker
from montra.window.units import parse_size
from montra.window.window import Window
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
    parts = build(config, config.seed)
    settings = driver_settings(config)
    clock = AnchoredClock()
    with ExitStack() as stack:
        # first: from the moment the folder exists it will be sealed
        signals = stack.enter_context(end_on_signals(stop))
        sockets = stack.enter_context(
            open_sockets(parts.plan, config.addresses.bind, parse_size(config.addresses.receive_buffer))
        )
        begin_ns = clock.now_ns()
        end_ns = begin_ns + int(config.duration_s * 1e9)
        folder = create_run(Path(config.storage.runs), begin_ns, config.overlay, parts.zone)
        writer = stack.enter_context(_writer(config, parts, folder, begin_ns))
        log = _open_log(folder, stack)
        window = Window(parts.overlay, parts.crawler, parts.fleet, writer, losses=is_loss)
        driver = Driver(parts.plan, sockets, window, settings, clock)
        window.outside.append(lambda: dict(driver.counters.counts))
        parts.crawler.unsent = driver.crawl_unsent
        maker = StatusMaker(window, begin_ns, end_ns, _traffic(driver, writer))
        rows = StatusFile(folder / STATUS)
        watched = _Guarded(observer, log)
        failures: list[Exception] = []
        _gather(failures, lambda: log("begun", seed=config.seed, zone=str(parts.zone), sockets=len(sockets)))
        if parts.notes:
            _gather(failures, lambda: log("rates lowered", notes=parts.notes))
        watched.begun(folder, window)
        watcher = gevent.spawn(
            _gather, failures, lambda: _watch(stop, clock, maker, rows, writer, watched), finally_=stop.set
        )
        _gather(failures, lambda: driver.run(end_ns, stop))
        watcher.kill()
        now_ns = clock.now_ns()
        status = maker.make(now_ns)
        _gather(failures, lambda: window.seal(now_ns))
        _gather(failures, writer.drain)
        _gather(failures, lambda: rows.append(status))
        word = "partial" if failures else "interrupted" if signals else "complete"
        reason = str(failures[0]) if failures else " ".join(signals)
        _gather(failures, lambda: log("ended", exit=word, reason=reason, clock_offset_ns=clock.offset_ns()))
        manifest = writer.seal(now_ns, word, window.totals.counters)
        watched.status(status, minute=True)
    for failure in failures:
        if not isinstance(failure, RunError | OSError):
            raise failure  # a mistake of ours, with its trace; the run is sealed all the same
    return Ended(folder, word, reason, manifest)


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


def _traffic(driver: Driver, writer: RunWriter) -> Callable[[], dict[str, int]]:
    """Return a function that reads the counters of the endpoint and of the store together."""
    stored: Counter[str] = Counter()

    def read() -> dict[str, int]:
        stored.update({loss.name: loss.count for loss in writer.losses()})
        return {**driver.counters.counts, **stored}

    return read


def driver_settings(config: Config) -> DriverSettings:
    """Return how to drive what a configuration asks for; raises ConfigError for a blocklist that cannot be read."""
    try:
        blocklist = Blocklist.load(Path(config.responsible.blocklist)) if config.responsible.blocklist else Blocklist()
    except BlocklistError as error:
        raise ConfigError([str(error)]) from error
    # a query must be known as not sent before its time-out, which runs meanwhile
    return DriverSettings(config.limits, blocklist, crawl_wait_s=min(1.0, config.crawl.timeout_s / 2))


def _writer(config: Config, parts: Parts, folder: Path, begin_ns: int) -> RunWriter:
    manifest = Manifest(
        montra_version=__version__,
        overlay=config.overlay,
        zone=str(parts.zone),
        id_bits=parts.overlay.id_bytes * 8,
        start_ns=begin_ns,
        parameters=msgspec.to_builtins(config),
        versions=provenance.versions(),
        host=provenance.host(),
        git=provenance.git_describe(),
    )
    limits = StoreLimits(min_free_bytes=parse_size(config.storage.min_free))
    return RunWriter(folder, manifest, to_toml(config), limits, config.storage.max_pending)


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


def _gather(
    failures: list[Exception], step: Callable[[], object], finally_: Callable[[], object] = lambda: None
) -> None:
    """Do one step; what it raises must not keep the run from being sealed."""
    try:
        step()
    except Exception as error:
        failures.append(error)
    finally:
        finally_()
