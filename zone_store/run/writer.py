"""Writing a run: buffer on the caller's thread, commit on one thread beside it, never wait for the disk.

The caller's calls only append to a batch. When the batch is large enough, or at `flush`, it goes to the pool's one
thread; while that thread works the next batch fills. So at most two batches exist, and both together hold at most
`max_pending` captures, of 27 bytes and two IDs each: beyond that captures are dropped, counted and put on the ledger. A
commit that fails loses nothing: its batch goes back to the front and is tried again with the next one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import numpy as np

from zone_store.captures import Attachment, Captures, CrawlRow, Loss
from zone_store.contents import Content
from zone_store.run.blocks import CODEC
from zone_store.run.environment import STORE_FORMAT
from zone_store.run.folder import (
    CAPTURE_STORE,
    CONFIG,
    Manifest,
    RunError,
    lock_folder,
    read_manifest,
    write_atomic,
    write_manifest,
)
from zone_store.run.seal import seal_folder
from zone_store.run.store import Batch, CaptureStore, StoreLimits, count_records

#: Names of the writer's own losses: rows refused because the disk was too slow, rows that could not be written at the
#: end, and records (attachments, crawls, ledger rows, contents) that could not; contents refused as rows are.
OVERFLOW = "store_overflow"
FAILED = "store_failed"
FAILED_RECORDS = "store_failed_records"
CONTENTS_OVERFLOW = "store_contents_overflow"

# Small tables are joined, for so many of them cost far more memory than one. Large ones are left to the pool's thread.
_MAX_PARTS = 256
_SMALL_ROWS = 64
_MAX_LOSSES = 4096
_MAX_ATTACHMENTS = 50_000
_MAX_CONTENTS = 1 << 14  # each of a few hundred bytes, some thousand at most; so many are committed, and twice held
_DEFAULT_LIMITS = StoreLimits()


class RunWriter:
    """The one writer of a run folder; raises RunError.

    Starts the store of a new folder (see `create_run`); `RunWriter.resume` goes on after a crash. Handed arrays are
    kept, not copied: the caller must not change them. An error of the pool's thread is raised by the next call, which
    has nevertheless taken what it was given; the writer stays usable and can be sealed. Not for several threads.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        config_toml: str,
        limits: StoreLimits = _DEFAULT_LIMITS,
        max_pending: int = 1_000_000,
    ) -> None:
        if (folder / CAPTURE_STORE).exists():
            raise RunError(f"{folder} already has a store")
        written = {"store_format": STORE_FORMAT, "versions": {**manifest.versions, "zstd": CODEC}}
        self._open(folder, msgspec.structs.replace(manifest, **written), limits, max_pending)
        try:
            write_atomic(folder / CONFIG, config_toml.encode())
            write_manifest(folder, self.manifest)  # last: a folder with a manifest has a whole store
        except RunError:
            self.close()
            raise

    @classmethod
    def resume(cls, folder: Path, limits: StoreLimits = _DEFAULT_LIMITS, max_pending: int = 1_000_000) -> Self:
        """Open the unsealed store of a run that ended without sealing, to go on or to seal it.

        `last_ns` then tells the newest capture stored; the ledger row for the time since is the caller's to add.
        Raises RunError for a sealed run, for one still being written, and for a damaged one.
        """
        writer = cls.__new__(cls)
        writer._open(folder, None, limits, max_pending)
        return writer

    def _open(self, folder: Path, manifest: Manifest | None, limits: StoreLimits, max_pending: int) -> None:
        """Take the folder and open its store, a new one under `manifest` or, with None, the one that is there."""
        self.folder = folder
        self._limits = limits
        self._max_pending = max_pending
        self._lock = lock_folder(folder)
        try:
            self.manifest = _resumable(folder) if manifest is None else manifest
            self._store = CaptureStore(folder, self.manifest.id_bytes, limits)
        except RunError:
            os.close(self._lock)
            raise
        self._pool = ThreadPoolExecutor(1, "store")
        self._stopped = False
        self._batch = Batch()
        self._parts: list[Captures] = []
        self._in_flight: tuple[Batch, Future[None]] | None = None
        self._error: RunError | None = None
        self._overflow: list[Loss] = []
        self._own_losses: list[Loss] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pending(self) -> int:
        """Captures taken and not yet on disk."""
        return self._batch.rows + (self._in_flight[0].rows if self._in_flight else 0)

    @property
    def last_ns(self) -> int:
        """Time of the newest capture on disk, 0 for none."""
        return self._store.totals.last_ns

    def captures(self, captures: Captures) -> None:
        """Take captures, in any order of time; what does not fit `max_pending` is dropped and counted."""
        if len(captures) and captures.key.shape[1] != self.manifest.id_bytes:
            raise ValueError(f"captures with IDs of {captures.key.shape[1]} bytes in a run of {self.manifest.id_bytes}")
        room = max(0, self._max_pending - self.pending)
        if len(captures) > room:
            dropped = captures.time_ns[room:]
            self._overflowed(Loss(OVERFLOW, int(dropped.min()), int(dropped.max()), len(dropped)))
            captures = captures.take(np.arange(room))
        if len(captures):
            self._parts.append(captures)
            self._batch.rows += len(captures)
            if len(self._parts) >= _MAX_PARTS:
                self._join_parts()
        self._go_on()

    def attachment(self, attachment: Attachment) -> None:
        """Take an attachment; a later one of the same number replaces it.

        The one call that waits for the disk, when very many are pending, lest they fill the memory: only the sealing of
        a large fleet brings so many.
        """
        self._batch.attachments[attachment.number] = attachment
        self._go_on()
        if len(self._batch.attachments) >= _MAX_ATTACHMENTS:
            self.drain()

    def crawl(self, crawl: CrawlRow) -> None:
        """Take a crawl; a later one of the same number replaces it."""
        self._batch.crawls.append(crawl)
        self._go_on()

    def loss(self, loss: Loss) -> None:
        """Take a ledger row."""
        self._batch.losses.append(loss)
        if len(self._batch.losses) > _MAX_LOSSES:
            self._batch.losses = _joined(self._batch.losses)
        self._go_on()

    def content(self, content: Content) -> None:
        """Take what was said of a content ID; dropped and counted when the disk is far behind."""
        held = len(self._batch.contents) + (len(self._in_flight[0].contents) if self._in_flight else 0)
        if held < 2 * _MAX_CONTENTS:
            self._batch.contents.append(content)
        else:
            self._overflowed(Loss(CONTENTS_OVERFLOW, content.time_ns, content.time_ns, 1))
        self._go_on(at_once=len(self._batch.contents) >= _MAX_CONTENTS)

    def flush(self) -> None:
        """Start to commit all that is pending and return at once; if a commit is under way it goes with the next."""
        self._go_on(at_once=True)

    def losses(self) -> list[Loss]:
        """Return the writer's own losses since the last call, one row a name. They are already on its ledger."""
        taken, self._own_losses = self._own_losses, []
        return taken

    def drain(self) -> None:
        """Wait until all that is pending is on disk; raises RunError if it cannot be (it then stays pending)."""
        self._require_open()
        self._settle(wait=True)
        self._error = None  # what failed before is tried again now, and only this time counts
        self._start()
        self._settle(wait=True)
        self._raise_error()

    def seal(self, end_ns: int, exit_reason: str, counters: Mapping[str, int] | None = None) -> Manifest:
        """Drain, write counts, end and reason into the manifest, write SHA256SUMS; returns the sealed manifest.

        status.csv and log.jsonl must be complete by now. Works after an error, too: what cannot be written any more is
        given up and counted in the manifest as "store_failed" (captures) and "store_failed_records". Raises RunError
        when not even the manifest can be written; seal can then be called again.
        """
        if self.manifest.sealed:
            raise RunError(f"{self.folder} is sealed already")
        if self._lock < 0:
            raise RunError(f"{self.folder} is closed: resume it to seal it")
        self._stop()
        self._error = None  # told by the counts below
        stored = count_records(self.folder)
        totals = self._store.totals
        counts = {**self.manifest.counters, **(counters or {})}
        unwritten: Counter[str] = Counter()
        for loss in self._batch.losses:
            unwritten[loss.name] += loss.count
        own = {
            **{name: stored.losses.get(name, 0) + unwritten[name] for name in (OVERFLOW, CONTENTS_OVERFLOW)},
            FAILED: self.pending,
            FAILED_RECORDS: self._batch.records,
        }
        counts.update({name: count for name, count in own.items() if count})
        self.manifest = seal_folder(
            self.folder,
            msgspec.structs.replace(
                self.manifest,
                end_ns=end_ns,
                exit=exit_reason,
                counters=counts,
                captures=totals.captures,
                attachments=stored.attachments,
                crawls=stored.crawls,
                contents=totals.contents,
            ),
        )
        (self.folder / CAPTURE_STORE / "lock.mdb").unlink(missing_ok=True)
        self._unlock()
        return self.manifest

    def close(self) -> None:
        """Write what is pending and close without sealing; harmless when closed. Raises RunError if it cannot be."""
        self._stop()
        self._unlock()
        self._raise_error()

    def _go_on(self, at_once: bool = False) -> None:
        """Take up the result of a finished commit, start the next if it is time, raise what went wrong."""
        self._require_open()
        self._settle(wait=False)
        if at_once or self._batch.rows >= self._limits.block_rows:
            self._start()
        self._raise_error()

    def _start(self) -> None:
        """Hand the batch to the pool, unless it is empty or another is under way."""
        if self._in_flight is not None:
            return
        self._batch.losses += self._overflow
        self._overflow = []
        self._join_parts()
        if self._batch.rows or self._batch.records:
            self._in_flight = self._batch, self._pool.submit(self._store.commit, self._batch)
            self._batch = Batch()

    def _settle(self, wait: bool) -> None:
        """Take up the result of the commit under way; after a failure its batch is pending again."""
        if self._in_flight is None or not (wait or self._in_flight[1].done()):
            return
        batch, future = self._in_flight
        self._in_flight = None
        error = future.exception()
        if error is None:
            return
        self._join_parts()
        self._batch = batch.followed_by(self._batch)
        # Anything but a RunError is a mistake of ours; a run must still go on, and seal.
        self._error = error if isinstance(error, RunError) else RunError(f"cannot write {self.folder}: {error!r}")

    def _stop(self) -> None:
        """Drain as far as possible and close the store; a failure stays in `_error`."""
        if self._stopped:
            return
        try:
            self.drain()
        except RunError as error:
            self._error = error
        self._stopped = True
        self._pool.shutdown()
        self._store.close()

    def _join_parts(self) -> None:
        """Hand the tables taken on to the batch, as one if they are small."""
        parts, self._parts = self._parts, []
        if sum(map(len, parts)) < len(parts) * _SMALL_ROWS:
            parts = [Captures.concat(parts, self.manifest.id_bytes)]
        self._batch.captures += parts

    def _overflowed(self, loss: Loss) -> None:
        """Count what was dropped, for the ledger and for `losses`."""
        self._overflow = _joined([*self._overflow, loss])
        self._own_losses = _joined([*self._own_losses, loss])

    def _require_open(self) -> None:
        if self._stopped:
            raise RunError(f"{self.folder} is closed for writing")

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _unlock(self) -> None:
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)


def _resumable(folder: Path) -> Manifest:
    """Return the manifest of a folder whose store can be written on; raises RunError."""
    manifest = read_manifest(folder)
    if manifest.sealed:
        raise RunError(f"{folder} is sealed and cannot be written to")
    if manifest.store_format != STORE_FORMAT:
        raise RunError(f"{folder} stores {manifest.store_format!r}, this version writes {STORE_FORMAT!r}")
    if not (folder / CAPTURE_STORE / "data.mdb").is_file():
        raise RunError(f"{folder} has lost its store: {CAPTURE_STORE}/data.mdb is missing")
    return manifest


def _joined(losses: list[Loss]) -> list[Loss]:
    """Return one row for each name, over the time of all its rows."""
    rows: dict[str, Loss] = {}
    for loss in losses:
        row = rows.get(loss.name)
        rows[loss.name] = (
            loss
            if row is None
            else Loss(loss.name, min(row.begin_ns, loss.begin_ns), max(row.end_ns, loss.end_ns), row.count + loss.count)
        )
    return list(rows.values())
