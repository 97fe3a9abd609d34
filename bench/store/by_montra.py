"""The store benchmark's rows in a run of montra: handed over as a receiver does, committed beside, sealed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.store.rows import RECEIVED
from bench.store.window import START_NS, ZONE
from zone_store.captures import Captures
from zone_store.run.folder import Manifest, create_run
from zone_store.run.reader import RunReader
from zone_store.run.writer import RunWriter

#: The order in which the rows come back.
ORDER = "time"
_PENDING = 500_000


def write(folder: Path, batches: Iterable[Captures]) -> dict[str, float]:
    """Store all rows; returns the longest time one hand-over took."""
    run = create_run(folder, START_NS, "mainline", ZONE)
    manifest = Manifest(montra_version="bench", overlay="mainline", zone=str(ZONE), start_ns=START_NS)
    longest = 0.0
    with RunWriter(run, manifest, "") as writer:
        for batch in batches:
            for part in _received(batch):
                begin = time.perf_counter()
                writer.captures(part)
                longest = max(longest, time.perf_counter() - begin)
            if writer.pending > _PENDING:
                writer.drain()  # the file is read faster than any network: nothing may overflow
        writer.seal(START_NS + 1, "complete")
    return {"longest hand-over (ms)": longest * 1e3}


def read(folder: Path) -> Iterator[Captures]:
    """Yield all rows."""
    with RunReader(next(folder.iterdir())) as reader:
        yield from reader.captures()


def _received(batch: Captures) -> Iterator[Captures]:
    for start in range(0, len(batch), RECEIVED):
        yield batch.between(start, start + RECEIVED)
