"""The write side of capture.lmdb: batches in, each one transaction, all of it or nothing.

    captures  (first time u64, sequence u64) -> block     targets  number u64 -> attachment
    crawls    number u64 -> crawl                          ledger   (begin u64, sequence u64) -> loss
    contents  (first time u64, sequence u64) -> block
    meta      captures, blocks, losses, last_ns, contents, content_blocks -> u64
    Keys are big-endian; sequences count blocks, and ledger rows.

Capture keys are not written in append mode: a block's key is its true first time even when an earlier block began
later, which is what lets the reader put rows in exact order. Blocks are few (a billion captures: some 7,000), so the
tree stays small and the search for the place costs nothing beside the sync.

Large blocks make small files: copies of a lookup that share a block share its IDs. But what is not committed is lost by
a crash, so commits must not wait for a block to fill. Rows that fill none are written as a smaller block, and later
commits replace blocks by their union: as soon as it is a full one, until then only those no larger than what is added
to them, so that a row is written a few times and not at each commit.
"""

from __future__ import annotations

import errno
import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import lmdb
import numpy as np

from zone_store.captures import Attachment, Captures, CrawlRow, Loss
from zone_store.contents import Content
from zone_store.run import environment
from zone_store.run.blocks import MAX_ROWS, encode_captures
from zone_store.run.content_blocks import encode_contents
from zone_store.run.folder import CAPTURE_STORE, RunError
from zone_store.run.records import decode_loss, encode_record

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """How large a store may grow and how it is cut.

    block_rows: captures in a block (blocks hold up to twice as many, and the last one of a run any number); map_size:
    address space reserved at first, doubled as needed up to max_map_size (neither takes disk); min_free_bytes: free
    disk below which nothing more is written, so that there is room left to seal.
    """

    block_rows: int = 1 << 17
    map_size: int = 16 << 30
    max_map_size: int = 4 << 40
    min_free_bytes: int = 256 << 20

    def __post_init__(self) -> None:
        if not 0 < self.block_rows <= MAX_ROWS // 2:
            raise ValueError(f"block_rows must be between 1 and {MAX_ROWS // 2}")
        if not 0 < self.map_size <= self.max_map_size:
            raise ValueError("map_size must be positive and at most max_map_size")


@dataclass(slots=True)
class Batch:
    """What one commit writes."""

    captures: list[Captures] = field(default_factory=list)
    attachments: dict[int, Attachment] = field(default_factory=dict)
    crawls: list[CrawlRow] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    contents: list[Content] = field(default_factory=list)
    rows: int = 0

    @property
    def records(self) -> int:
        """Attachments, crawls, losses and contents."""
        return len(self.attachments) + len(self.crawls) + len(self.losses) + len(self.contents)

    def followed_by(self, later: Batch) -> Batch:
        """Return one batch of both."""
        return Batch(
            self.captures + later.captures,
            self.attachments | later.attachments,
            self.crawls + later.crawls,
            self.losses + later.losses,
            self.contents + later.contents,
            self.rows + later.rows,
        )


class Block(NamedTuple):
    """A block of captures and the times of its first and last row."""

    first_ns: int
    last_ns: int
    data: bytes


class OpenBlock(NamedTuple):
    """A stored block that is not full: its key and its rows."""

    key: bytes
    rows: Captures


@dataclass(slots=True)
class Totals:
    """The store's running totals, kept in `meta` by the same transaction as the rows they count."""

    captures: int = 0
    blocks: int = 0
    losses: int = 0
    last_ns: int = 0
    contents: int = 0
    content_blocks: int = 0


class CaptureStore:
    """capture.lmdb of one run folder, open for its one writer; raises RunError.

    After construction `commit` may run on another thread, one call at a time: each begins and ends its transaction
    within the call, as LMDB demands of write transactions.
    """

    def __init__(self, folder: Path, id_bytes: int, limits: StoreLimits) -> None:
        self._path = folder / CAPTURE_STORE
        self._id_bytes = id_bytes
        self._limits = limits
        self._map_size = limits.map_size
        if not (self._path / "lock.mdb").exists():
            self._check_free()  # mapping a new lock file on a full disk would end the process by SIGBUS
        self._env = environment.open_writable(self._path, limits.map_size)
        try:
            with environment.lmdb_errors(f"cannot create {self._path}"), self._env.begin(write=True) as transaction:
                self._databases = {
                    name: self._env.open_db(name, txn=transaction)
                    for name in (*environment.CAPTURE_DATABASES, environment.CONTENTS)
                }
            self.totals = self._read_totals()
            self._open: list[OpenBlock] = []  # the last blocks stored, larger ones first
        except RunError:
            self._env.close()
            raise

    def commit(self, batch: Batch) -> None:
        """Write a batch and sync it to disk; raises RunError, and then nothing of it is stored."""
        self._check_free()
        replaced = self._to_replace(batch.rows)
        rows = self._in_time_order([*(block.rows for block in replaced), *batch.captures])
        blocks = [
            Block(int(part.time_ns[0]), int(part.time_ns[-1]), encode_captures(part)) for part in self._parts(rows)
        ]
        while True:
            try:
                totals, keys = self._write(batch, blocks, replaced)
            except lmdb.MapFullError:
                self._grow()
            except lmdb.Error as error:
                raise RunError(self._reason(error, blocks)) from error
            else:
                break
        self.totals = totals
        del self._open[len(self._open) - len(replaced) :]
        if len(rows) < self._limits.block_rows:
            self._open += [OpenBlock(key, rows) for key in keys]

    def close(self) -> None:
        """Close the environment; harmless when closed."""
        self._env.close()

    def _write(self, batch: Batch, blocks: list[Block], replaced: list[OpenBlock]) -> tuple[Totals, list[bytes]]:
        """Write a batch as these blocks, which stand for the replaced ones, too; return new totals and their keys."""
        databases = self._databases
        kept = self.totals.blocks - len(replaced)  # open blocks are always the last ones
        keys = [environment.time_key(block.first_ns, sequence) for sequence, block in enumerate(blocks, kept)]
        contents = sorted(batch.contents, key=lambda content: content.time_ns)
        totals = Totals(
            self.totals.captures + batch.rows,
            kept + len(blocks),
            self.totals.losses + len(batch.losses),
            max(self.totals.last_ns, *(block.last_ns for block in blocks), 0),
            self.totals.contents + len(batch.contents),
            self.totals.content_blocks + bool(batch.contents),
        )
        with self._env.begin(write=True) as transaction:
            for old in replaced:
                if not transaction.delete(old.key, db=databases[environment.CAPTURES]):
                    raise RunError(f"a capture block is no longer stored in {self._path}")
            for key, block in zip(keys, blocks, strict=True):
                if not transaction.put(key, block.data, overwrite=False, db=databases[environment.CAPTURES]):
                    raise RunError(f"a capture block is already stored in {self._path}")
            for sequence, loss in enumerate(batch.losses, self.totals.losses):
                begin = environment.time_key(loss.begin_ns, sequence)
                if not transaction.put(begin, encode_record(loss), overwrite=False, db=databases[environment.LEDGER]):
                    raise RunError(f"ledger row {sequence} is already stored in {self._path}")
            if contents:
                place = environment.time_key(contents[0].time_ns, self.totals.content_blocks)
                transaction.put(place, encode_contents(contents), db=databases[environment.CONTENTS])
            for number, attachment in batch.attachments.items():
                place = environment.number_key(number)
                transaction.put(place, encode_record(attachment), db=databases[environment.TARGETS])
            for crawl in batch.crawls:
                place = environment.number_key(crawl.number)
                transaction.put(place, encode_record(crawl), db=databases[environment.CRAWLS])
            for name in Totals.__dataclass_fields__:
                value = environment.number_key(getattr(totals, name))
                transaction.put(name.encode(), value, db=databases[environment.META])
        return totals, keys

    def _to_replace(self, rows: int) -> list[OpenBlock]:
        """Return the open blocks that so many new rows are to be written together with: the last few of them."""
        if rows + sum(len(block.rows) for block in self._open) >= self._limits.block_rows:
            return list(self._open)
        count = 0
        while rows and count < len(self._open) and len(self._open[-1 - count].rows) <= rows:
            count += 1
            rows += len(self._open[-count].rows)
        return self._open[len(self._open) - count :]

    def _in_time_order(self, parts: list[Captures]) -> Captures:
        captures = Captures.concat(parts, self._id_bytes)
        return captures.take(np.argsort(captures.time_ns, kind="stable"))

    def _parts(self, rows: Captures) -> list[Captures]:
        """Return the rows of each block."""
        count = len(rows) // self._limits.block_rows
        if count < 2:
            return [rows] if len(rows) else []
        edges = [i * len(rows) // count for i in range(count + 1)]
        return [rows.between(start, stop) for start, stop in itertools.pairwise(edges)]

    def _read_totals(self) -> Totals:
        stored = dict(environment.items(self._env, self._databases[environment.META]))
        numbers = {name: stored.get(name.encode()) for name in Totals.__dataclass_fields__}
        return Totals(**{name: environment.parse_number(value) for name, value in numbers.items() if value is not None})

    def _check_free(self) -> None:
        free = self._free()
        if free < self._limits.min_free_bytes:
            raise RunError(
                f"disk full: {free / _MIB:.1f} MiB free for {self._path}, "
                f"{self._limits.min_free_bytes / _MIB:.1f} MiB are kept to seal the run"
            )

    def _grow(self) -> None:
        if self._map_size >= self._limits.max_map_size:
            raise RunError(f"store full: {self._path} has reached its limit of {self._limits.max_map_size} bytes")
        self._map_size = min(2 * self._map_size, self._limits.max_map_size)
        with environment.lmdb_errors(f"cannot grow {self._path} to {self._map_size} bytes"):
            self._env.set_mapsize(self._map_size)

    def _free(self) -> int:
        try:
            disk = os.statvfs(self._path.parent)
        except OSError as error:
            raise RunError(f"cannot read free space of {self._path}: {error.strerror}") from None
        return disk.f_bavail * disk.f_frsize

    def _reason(self, error: lmdb.Error, blocks: list[Block]) -> str:
        text = os.strerror(error.code) if error.code > 0 else str(error)
        # A write cut short is EIO to LMDB, be the disk full or failing.
        wanted = _MIB + sum(len(block.data) for block in blocks)
        if error.code in _DISK_FULL or (error.code == errno.EIO and self._free() < wanted):
            return f"disk full: cannot write {self._path} ({text})"
        return f"cannot write {self._path} ({text})"


@dataclass(frozen=True, slots=True)
class Records:
    """How many attachments and crawls are stored, and the ledger's counts by name."""

    attachments: int
    crawls: int
    losses: dict[str, int]


def count_records(folder: Path) -> Records:
    """Count the records of a store that no one writes; raises RunError."""
    env = environment.open_readonly(folder / CAPTURE_STORE, live=False)
    try:
        databases = environment.open_databases(env, environment.CAPTURE_DATABASES)
        losses: dict[str, int] = {}
        for _, value in environment.items(env, databases[environment.LEDGER]):
            loss = decode_loss(value)
            losses[loss.name] = losses.get(loss.name, 0) + loss.count
        with environment.begin_read(env) as transaction:
            attachments = transaction.stat(databases[environment.TARGETS])["entries"]
            crawls = transaction.stat(databases[environment.CRAWLS])["entries"]
    finally:
        env.close()
    return Records(attachments, crawls, losses)
