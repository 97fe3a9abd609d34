"""Attribution in several processes, each with a share of the requesters and keys.

All copies of one lookup have one source and one key, so captures are shared out by a hash of both and no lookup is
divided. Every worker reads the whole store and keeps its share of each block: decoding is less than a tenth of the work
(55 of 800 ns a capture), needs no disk beside the store, and no worker waits for another. Their lookups come by pipe
and are merged by time, so that the result does not depend on the number of workers. All together hold about what one
would hold alone, since each holds only its share of what is open.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zone_store.attribution.attribute import Rules, attribute_rows
from zone_store.attribution.groups import mixed
from zone_store.attribution.stream import concat, in_order
from zone_store.attribution.targets import Targets
from zone_store.captures import Captures, Lookups
from zone_store.run.folder import Manifest, RunError
from zone_store.run.reader import RunReader

WORTH_WORKERS = 1_000_000
"""Captures below which the workers' start takes longer than they save."""

LEAST_STEP = 1 << 16
"""Captures that a worker works on at once, at least."""

_TAIL = 8


class _Job(NamedTuple):
    """Which share of which run, and how."""

    folder: Path
    share: int
    shares: int
    rules: Rules


class _End(NamedTuple):
    """A worker's last word: copies left out by name, or why it failed ("" if it did not)."""

    dropped: dict[str, int]
    reason: str


def workers_for(manifest: Manifest) -> int:
    """Return how many workers a run is worth: one for each usable CPU, one if it is small or not sealed."""
    return len(os.sched_getaffinity(0)) if manifest.sealed and manifest.captures >= WORTH_WORKERS else 1


def attribute_by_workers(
    folder: Path, targets: Targets, rules: Rules, workers: int, dropped: dict[str, int]
) -> Generator[Lookups, None, None]:
    """Yield the lookups of a sealed run as `attribute_rows` does, made by so many processes.

    Raises RunError for what they raise, and when one dies. When this ends, by whatever cause, so do the workers.
    """
    step_rows = max(LEAST_STEP, rules.step_rows // workers)
    with ExitStack() as stack:
        streams = []
        for share in range(workers):
            job = _Job(folder, share, workers, rules._replace(step_rows=step_rows))
            streams.append(_tables(stack.enter_context(_worker(job, targets)), share, dropped))
        yield from _merged(streams)


def share_of(captures: Captures, shares: int) -> NDArray[np.uint64]:
    """Return each capture's share, uint64[n], by source address and the last bytes of the key."""
    tail = np.zeros((len(captures), _TAIL), np.uint8)
    used = captures.key[:, -_TAIL:]
    tail[:, : used.shape[1]] = used
    return (mixed([tail.view(np.uint64)[:, 0], captures.source_ip.astype(np.uint64)]) >> np.uint64(32)) % np.uint64(
        shares
    )


@contextmanager
def _worker(job: _Job, targets: Targets) -> Iterator[tuple[BaseProcess, Connection]]:
    """Start a worker; at the end it is ended."""
    # Not forked: an LMDB environment must not be carried over, and threads may run.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job, targets, theirs), daemon=True, name=f"attribution-{job.share}")
    # Blocked signals stay so in the new process: Ctrl-C is for the parent, which ends its workers. The helper that
    # multiprocessing starts first would undo the blocking, so it is started before.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    except OSError as error:
        raise RunError(f"cannot start a worker of attribution: {error.strerror or error}") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
    try:
        yield process, ours
    finally:
        ours.close()
        process.kill()
        process.join()
        process.close()


def _tables(worker: tuple[BaseProcess, Connection], share: int, dropped: dict[str, int]) -> Iterator[Lookups]:
    """Yield what a worker sends; raises RunError for its failure or death."""
    process, connection = worker
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            process.join()
            raise RunError(f"worker {share} of attribution died ({_death(process.exitcode)})") from None
        if isinstance(message, _End):
            if message.reason:
                raise RunError(message.reason)
            for name, count in message.dropped.items():
                dropped[name] = dropped.get(name, 0) + count
            return
        yield message


def _death(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"status {code}"


def _work(job: _Job, targets: Targets, connection: Connection) -> None:
    """Be a worker: send the tables of one share's lookups, then an _End."""
    dropped: dict[str, int] = {}
    reason = ""
    try:
        with RunReader(job.folder) as reader:
            captures = reader.captures(keep=lambda block: share_of(block, job.shares) == job.share)
            for table in attribute_rows(reader.manifest, captures, targets, job.rules, dropped):
                connection.send(table)
    except BrokenPipeError:
        return  # the parent is gone
    except RunError as error:
        reason = str(error)
    connection.send(_End(dropped, reason))


def _merged(streams: list[Iterator[Lookups]]) -> Iterator[Lookups]:
    """Merge streams of tables, each sorted throughout and with no time in two of its tables."""
    held = [next(stream, None) for stream in streams]
    while True:
        tables = [table for table in held if table is not None]
        if not tables:
            return
        # Nothing that a worker has still to send is as old as the last row of its table.
        until_ns = min(int(table.time_ns[-1]) for table in tables)
        due = []
        for i, table in enumerate(held):
            if table is None:
                continue
            count = int(np.searchsorted(table.time_ns, until_ns, "right"))
            due.append(table.between(0, count))
            held[i] = table.between(count, len(table)) if count < len(table) else next(streams[i], None)
        yield in_order(concat(due))
