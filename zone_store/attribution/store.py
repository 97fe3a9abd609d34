"""Writing lookups.lmdb into a run folder: anew each time, so that it is the old one or the new one, never a mixture."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from zone_store.attribution.stream import concat
from zone_store.captures import Kind, Lookups, Maintenance
from zone_store.run import environment
from zone_store.run.blocks import encode_lookups
from zone_store.run.folder import LOOKUP_STORE, RunError

BLOCK_ROWS = 4096
COMMIT_BLOCKS = 64
MAP_SIZE = 1 << 40
"""Address space for the store, not disk: 1 TiB, some 15 billion lookups."""


@dataclass(slots=True)
class LookupSummary:
    """What was written.

    rows: all of them; packets: copies they stand for; by: rows for each (kind name, maintenance name), lower case.
    """

    rows: int = 0
    packets: int = 0
    by: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def lookups(self) -> int:
        """Users' lookups of keys: lookups, searches and publishes, nothing of maintenance."""
        return sum(self.by[kind, "none"] for kind in ("lookup", "search", "publish"))

    @property
    def node_lookups(self) -> int:
        """Node lookups (find_node) not known to be maintenance, though most of them are."""
        return self.by["node_lookup", "none"]

    @property
    def announces(self) -> int:
        """Users' announces."""
        return self.by["announce", "none"]

    @property
    def maintenance(self) -> int:
        """Rows of any kind that are no user's."""
        return sum(n for (_, why), n in self.by.items() if why != "none")

    def add(self, lookups: Lookups) -> None:
        """Count a table."""
        self.rows += len(lookups)
        self.packets += int(lookups.packets.sum(dtype=np.int64))
        pairs, counts = np.unique(np.stack([lookups.kind, lookups.maintenance]), axis=1, return_counts=True)
        for kind, why, count in zip(*pairs.tolist(), counts.tolist(), strict=True):
            self.by[Kind(kind).name.lower(), Maintenance(why).name.lower()] += count


def write_lookups(folder: Path, lookups: Iterable[Lookups]) -> LookupSummary:
    """Write the lookups of a run, in the order given, as its lookups.lmdb; nothing else in the folder is touched.

    The same lookups give the same bytes, however they are divided into tables. Raises RunError when the disk does not
    take them, and passes on what the iterable raises; then an older lookups.lmdb is still there.
    """
    final, fresh, old = (folder / f"{prefix}{LOOKUP_STORE}" for prefix in ("", ".new-", ".old-"))
    summary = LookupSummary()
    try:
        for leftover in (fresh, old):
            if leftover.exists():
                shutil.rmtree(leftover)
        _fill(fresh, lookups, summary)
        if final.exists():
            final.rename(old)
        fresh.rename(final)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise RunError(f"cannot write {final}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return summary


def _fill(path: Path, lookups: Iterable[Lookups], summary: LookupSummary) -> None:
    env = environment.open_writable(path, MAP_SIZE)
    try:
        with environment.lmdb_errors(f"cannot write {LOOKUP_STORE}"):
            database = env.open_db(environment.LOOKUPS)
            number = 0
            for blocks in _commits(lookups, summary):
                with env.begin(write=True) as transaction:
                    for block in blocks:
                        transaction.put(environment.number_key(number), block, db=database, append=True)
                        number += 1
    finally:
        env.close()
    (path / "lock.mdb").unlink(missing_ok=True)


def _commits(lookups: Iterable[Lookups], summary: LookupSummary) -> Iterator[list[bytes]]:
    """Yield the encoded blocks of one commit after the other."""
    blocks: list[bytes] = []
    for table in _blocks(lookups):
        summary.add(table)
        blocks.append(encode_lookups(table))
        if len(blocks) == COMMIT_BLOCKS:
            yield blocks
            blocks = []
    if blocks:
        yield blocks


def _blocks(lookups: Iterable[Lookups]) -> Iterator[Lookups]:
    """Yield the same rows in tables of BLOCK_ROWS, the last one shorter."""
    parts: list[Lookups] = []
    rows = 0
    for table in lookups:
        parts.append(table)
        rows += len(table)
        if rows < BLOCK_ROWS:
            continue
        joined = concat(parts)
        whole = rows - rows % BLOCK_ROWS
        for start in range(0, whole, BLOCK_ROWS):
            yield joined.take(np.arange(start, start + BLOCK_ROWS))
        parts, rows = [joined.take(np.arange(whole, rows))], rows - whole
    if rows:
        yield concat(parts)
