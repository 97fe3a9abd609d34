"""The workers of a window, seen by their parent: started, told, watched, replaced, told to seal, joined.

What is decided is decided in `montra.processes`; here are the processes and pipes themselves.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import gevent
import msgspec

from montra.datagrams import Counters
from montra.endpoint.clock import AnchoredClock
from montra.endpoint.pipe import Pipe
from montra.processes.messages import (
    MAX_NEWS,
    Begin,
    Failed,
    Probes,
    Ready,
    Report,
    Seal,
    Sealing,
    Status,
    Tell,
    encode,
    reports,
)
from montra.processes.relay import Relay
from montra.processes.supervisor import Kill, Phase, Start, Supervisor
from montra.window.config import Config
from montra.window.recover import seal_shard
from montra.window.window import Window
from zone_store.run.folder import Manifest, RunError, read_manifest
from zone_store.run.join import join, shard_folder, shards_of
from zone_store.run.seal import STORE_FILE
from zone_store.run.writer import RunWriter

#: How often the parent looks at its workers.
_LOOK_S = 0.2
#: Time for a worker to answer to the order to seal; then to write what it has, and to sum up its whole store.
_ANSWER_S = 10.0
_WRITE_S = 60.0
_SUM_BYTES_S = 50e6
#: Time for a worker that is killed to be gone.
_GONE_S = 10.0
#: Where a worker's standard error goes, and how much of its end goes into the log.
_ERRORS = "stderr.txt"
_SAID = 4000


@dataclass(slots=True)
class _Worker:
    slot: int
    process: subprocess.Popen[bytes]
    pipe: Pipe
    first: bytes
    folder: Path
    last: bytes = b""  # the order to seal, until it is sent
    reason: str = ""
    until_ns: int = 0  # when it must be gone, once it has been told to seal


class Crew:
    """All workers of one window.

    window: the parent's, whose fleet is `relay`; wake: called when the machine has something to do; stop: called when
    the window cannot go on. failure: why it did not, or why a part of it did not; None if all went well.
    """

    def __init__(
        self,
        config: Config,
        relay: Relay,
        window: Window,
        run: Path,
        clock: AnchoredClock,
        begin_ns: int,
        wake: Callable[[], None],
        stop: Callable[[], None],
        log: Callable[..., None],
    ) -> None:
        self.failure: RunError | None = None
        self._config, self._relay, self._window, self._run = config, relay, window, run
        self._clock, self._begin_ns = clock, begin_ns
        self._wake, self._stop, self._log = wake, stop, log
        self._supervisor = Supervisor(config.worker_count, begin_ns)
        self._workers: dict[int, _Worker] = {}
        self._told: dict[Path, dict[str, int]] = {}  # what workers that died had counted, by shard
        self._sealing = False
        relay.news = self.tell

    def watch(self) -> None:
        """Keep the workers alive, until killed (as a greenlet) or `seal`."""
        while not self._sealing:
            self._look()
            gevent.sleep(_LOOK_S)

    def tell(self, slot: int) -> None:
        """There is news for a worker."""
        worker = self._workers.get(slot)
        if worker is not None:
            worker.pipe.wake()

    def trouble(self) -> str:
        """Return what a status line says of the workers, "" if all is well."""
        alone, workers = self._supervisor.alone, self._config.worker_count
        return f"{alone} of {workers} workers down: that part of the zone is not monitored" if alone else ""

    def seal(self, word: str) -> None:
        """Have all workers seal their shards, and wait until they are gone; kills who takes too long."""
        self._sealing = True
        now_ns = self._clock.now_ns()
        for worker in self._workers.values():
            worker.last = encode(Seal(word))
            worker.until_ns = now_ns + int(_ANSWER_S * 1e9)
            worker.pipe.wake()
        while self._workers:
            gevent.sleep(_LOOK_S / 4)
            now_ns = self._clock.now_ns()
            self._bury()
            for worker in self._workers.values():
                if now_ns >= worker.until_ns:
                    worker.reason = "did not seal in time"
                    worker.process.kill()
            if any(now_ns >= worker.until_ns + _GONE_S * 1e9 for worker in self._workers.values()):
                break  # not even dead: what it has stored is sealed without it, if its lock is gone
        self.close()
        self._supervisor.end(self._clock.now_ns())
        self._note()

    def join(self, writer: RunWriter, end_ns: int, word: str, counters: dict[str, int]) -> Manifest:
        """Join all shards into the run, whose writer is closed by that, and seal it; raises RunError."""
        try:
            writer.close()
            total = Counters(dict(counters))
            for shard in shards_of(self._run):
                if not read_manifest(shard).sealed:
                    total.merge(self._told.get(shard, {}).items())
                seal_shard(shard)
            return join(self._run, end_ns, word, total.counts)
        except RunError as error:
            raise RunError(
                f"{error}. The shards of {self._run} are kept; when what is in the way is gone, join and seal them "
                f"with: montra store seal {self._run}"
            ) from error

    def close(self) -> None:
        """Let go of who is still there, so that it seals by itself, and kill who does not; harmless when nobody is."""
        for worker in self._workers.values():
            worker.pipe.close()
        for worker in self._workers.values():
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(_GONE_S)
            worker.process.kill()
        self._workers.clear()

    def _look(self) -> None:
        now_ns = self._clock.now_ns()
        self._bury()
        for action in self._supervisor.tick(now_ns):
            if isinstance(action, Start):
                self._start(action)
            else:
                self._kill(action)
        self._note()
        if self._supervisor.hopeless:
            self._stop()

    def _note(self) -> None:
        for loss in self._supervisor.take_losses():
            self._window.recorder.loss(loss)
            self._log("sector was alone", seconds=round((loss.end_ns - loss.begin_ns) / 1e9, 3))

    def _start(self, start: Start) -> None:
        folder = shard_folder(self._run, start.slot, start.generation)
        try:
            folder.mkdir(parents=True)
            process, ours = _spawn(folder / _ERRORS)
        except OSError as error:  # no memory, no descriptors: another try may fare better
            self._died(start.slot, f"could not be started: {error}", "")
            return
        begin = Begin(
            msgspec.to_builtins(self._config),
            start.slot,
            start.generation,
            self._config.seed,
            str(folder.resolve()),
            self._clock.epoch_ns,
            self._begin_ns,
        )
        decoder = reports()

        def received(data: bytes) -> None:
            for report in decoder.feed(data):
                self._heard(start.slot, report)

        def ended(error: Exception | None) -> None:
            if error is not None:  # what it says makes no sense: its death is noticed at the next look
                worker.reason = str(error)
                process.kill()

        pipe = Pipe(ours, received, lambda: self._more(worker), ended)
        worker = self._workers[start.slot] = _Worker(start.slot, process, pipe, encode(begin), folder)
        self._relay.begin(start.slot)
        pipe.wake()
        self._log("worker started", slot=start.slot, generation=start.generation, pid=process.pid)

    def _kill(self, action: Kill) -> None:
        worker = self._workers.get(action.slot)
        if worker is not None:
            worker.reason = action.reason
            worker.process.kill()

    def _bury(self) -> None:
        """Take note of workers that are no more."""
        for worker in list(self._workers.values()):
            code = worker.process.poll()
            if code is None:
                continue
            worker.pipe.finish()
            del self._workers[worker.slot]
            if self._sealing and code == 0:
                continue
            self._told[worker.folder] = self._relay.lost(worker.slot)
            said = _said(worker.folder / _ERRORS)
            self._died(worker.slot, worker.reason or _how(code, said), said)

    def _died(self, slot: int, reason: str, said: str) -> None:
        self._supervisor.died(self._clock.now_ns(), slot)
        self._log("worker died", slot=slot, reason=reason, said=said)
        if self._supervisor.phase(slot) is Phase.GIVEN_UP and self.failure is None:
            self.failure = RunError(f"worker {slot} died again and again, and was given up: {reason}")

    def _more(self, worker: _Worker) -> bytes:
        """Return the next frame for a worker."""
        if worker.first:
            first, worker.first = worker.first, b""
            return first
        if worker.last:
            last, worker.last = worker.last, b""
            return last
        news = self._relay.take(worker.slot, MAX_NEWS)
        return encode(Tell(news)) if news else b""

    def _heard(self, slot: int, report: Report) -> None:
        now_ns = self._clock.now_ns()
        if isinstance(report, Status):
            self._supervisor.heard(now_ns, slot, report.durable_ns)
            self._stands(slot, report)
        elif isinstance(report, Sealing):
            self._stands(slot, report.last)
            worker = self._workers[slot]
            worker.until_ns = now_ns + int((_WRITE_S + _size(worker.folder) / _SUM_BYTES_S) * 1e9)
        elif isinstance(report, Probes):
            self._relay.probes(report.wanted)
            self._wake()
        elif isinstance(report, Ready):
            self._supervisor.ready(now_ns, slot)
            self._log("worker ready", slot=slot)
        elif isinstance(report, Failed):
            self._fail(report.reason)

    def _stands(self, slot: int, status: Status) -> None:
        self._relay.status(slot, status)
        self._window.totals.captures = self._relay.captures

    def _fail(self, reason: str) -> None:
        """End the window: another worker would fare no better."""
        if self.failure is None and not self._sealing:
            self.failure = RunError(reason)
            self._stop()


def _size(shard: Path) -> int:
    """Return the bytes of a shard's store, 0 if it has none."""
    try:
        return (shard / STORE_FILE).stat().st_size
    except OSError:
        return 0


def _spawn(errors: Path) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a worker; returns it and our end of the pipe. Raises OSError."""
    ours, theirs = socket.socketpair()
    # montra may be run from a checkout that is no installed package
    roots = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    with theirs, errors.open("wb") as file:
        try:
            # never a fork of this process, which has sockets, threads and an event loop; and a session of its own:
            # what a terminal sends is for the parent, which then ends the workers in order
            process = subprocess.Popen(  # noqa: S603 (our own module, no shell)
                [sys.executable, "-m", "montra.cli.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, roots))},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
    return process, ours


def _said(errors: Path) -> str:
    """Return the end of what a worker wrote when something went wrong that nobody thought of."""
    try:
        return errors.read_text("utf-8", "replace")[-_SAID:].strip()
    except OSError:
        return ""


def _how(code: int, said: str) -> str:
    """Return how a process ended: the signal, or its code and the last line it wrote."""
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"ended with code {code}" + (f": {said.splitlines()[-1]}" if said else "")
