"""Reading a run: its manifest, its captures in time order, its targets, crawls and ledger, its lookups.

Captures are stored in blocks under the time of their first row. Blocks may overlap in time (datagrams of one instant
reach the writer by several calls), so the reader merges: it holds back the rows that a later block could still precede.
Held are thus the rows of blocks that overlap the next block's beginning: a few blocks, however long the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import lmdb
import msgspec
import numpy as np
from numpy.typing import NDArray

from zone_store.captures import Attachment, Captures, CrawlRow, Lookups, Loss
from zone_store.contents import Content
from zone_store.run import environment, records
from zone_store.run.blocks import BlockError, decode_captures, decode_lookups
from zone_store.run.content_blocks import decode_contents
from zone_store.run.folder import CAPTURE_STORE, LOOKUP_STORE, LookupsMade, RunError, read_manifest

_Record = TypeVar("_Record")
Keep = Callable[[Captures], NDArray[np.bool_]]


class RunReader:
    """One run folder, sealed or not, opened for reading; raises RunError when it is none or of another schema.

    Reading a run under way shows what was committed when each method was called. A process can have a run open once:
    neither two readers nor a reader beside the writer. Every method raises RunError on damage it meets; for a file of
    doubtful origin run `verify` first, which does not trust its structure.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        if self.manifest.store_format != environment.STORE_FORMAT:
            raise RunError(
                f"{folder} stores {self.manifest.store_format!r}, this version reads {environment.STORE_FORMAT!r}"
            )
        self._env = environment.open_readonly(folder / CAPTURE_STORE, live=not self.manifest.sealed)
        try:
            self._databases = environment.open_databases(self._env, environment.CAPTURE_DATABASES)
            self._databases |= environment.open_later_databases(self._env, [environment.CONTENTS])
        except RunError:
            self._env.close()
            raise
        self._lookups: lmdb.Environment | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the stores; iterators in use end with an error."""
        self._env.close()
        if self._lookups is not None:
            self._lookups.close()

    def captures(self, batch_rows: int = 65536, keep: Keep | None = None) -> Iterator[Captures]:
        """Yield all captures in order of time, ties in order of storing, in batches of `batch_rows` (the last shorter).

        keep: of each block only the rows for which it returns true, bool[n]; what is left out costs no more than its
        decoding. The same store always gives the same batches.
        """
        id_bytes = self.manifest.id_bytes
        ready: list[Captures] = []
        count = 0
        for part in self._in_time_order(keep):
            ready.append(part)
            count += len(part)
            if count < batch_rows:
                continue
            joined = Captures.concat(ready, id_bytes) if len(ready) > 1 else part
            whole = count - count % batch_rows
            for start in range(0, whole, batch_rows):
                yield joined.between(start, start + batch_rows)
            ready, count = [joined.between(whole, count)], count - whole
        if count:
            yield Captures.concat(ready, id_bytes)

    def capture_blocks(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (first time, sequence, bytes) of every capture block, in key order."""
        for key, value in self._items(environment.CAPTURES):
            yield *environment.parse_time_key(key), value

    def attachments(self) -> list[Attachment]:
        """Return all attachments by number."""
        return list(self.each_attachment())

    def each_attachment(self) -> Iterator[Attachment]:
        """Yield all attachments by number; for who need not hold them all at once."""
        for _, value in self._items(environment.TARGETS):
            yield records.decode_attachment(value)

    def crawls(self) -> list[CrawlRow]:
        """Return all crawls by number."""
        return self._records(environment.CRAWLS, records.decode_crawl)

    def losses(self) -> list[Loss]:
        """Return the ledger by beginning."""
        return self._records(environment.LEDGER, records.decode_loss)

    def contents(self) -> Iterator[Content]:
        """Yield what was said of content IDs, in order of time but for a few seconds; nothing in older stores."""
        if environment.CONTENTS in self._databases:
            for _, value in self._items(environment.CONTENTS):
                yield from decode_contents(value)

    def totals(self) -> dict[str, int]:
        """Return the store's own running totals, by the names of `zone_store.run.store.Totals`."""
        items = self._items(environment.META)
        return {key.decode("ascii", "replace"): environment.parse_number(value) for key, value in items}

    def lookups(self) -> Iterator[Lookups]:
        """Yield the attributed lookups in stored order, a block at a time; raises RunError when there are none yet."""
        env = self._open_lookups()
        database = environment.open_databases(env, [environment.LOOKUPS])[environment.LOOKUPS]
        for key, value in environment.items(env, database):
            try:
                yield decode_lookups(value)
            except BlockError as error:
                raise RunError(f"lookup block {environment.parse_number(key)} of {self.folder}: {error}") from None

    def lookups_made(self) -> LookupsMade:
        """Return how the lookups were made; raises RunError when there are none yet, or when they do not tell."""
        env = self._open_lookups()
        database = environment.open_databases(env, [environment.META])[environment.META]
        found = dict(environment.items(env, database)).get(environment.MADE, b"")
        try:
            return msgspec.json.decode(found, type=LookupsMade)
        except (ValueError, RecursionError) as error:
            raise RunError(f"{LOOKUP_STORE} of {self.folder} does not tell how it was made: {error}") from None

    def newest_ns(self) -> int:
        """Return the newest time that the store tells of anything: what is known of the end of an unsealed run."""
        times = [self.manifest.start_ns, self.totals().get("last_ns", 0)]
        times += [crawl.end_ns for crawl in self.crawls()]
        times += [loss.end_ns for loss in self.losses()]
        for one in self.attachments():
            times += [one.found_ns, one.introduced_ns, one.accepted_ns, one.lost_ns]
            times += [time for interval in one.visible for time in interval]
        return max(times)

    def _in_time_order(self, keep: Keep | None) -> Iterator[Captures]:
        """Yield captures in time order, in parts of any length."""
        id_bytes = self.manifest.id_bytes
        held = Captures.empty(id_bytes)
        for first_ns, sequence, value in self.capture_blocks():
            # Blocks come by first time, so nothing still to come is older than this block's.
            final = int(np.searchsorted(held.time_ns, first_ns, side="right"))
            if final:
                yield held.between(0, final)
            try:
                block = decode_captures(value)
            except BlockError as error:
                raise RunError(f"capture block {sequence} of {self.folder}: {error}") from None
            if block.key.shape[1] != id_bytes:
                raise RunError(f"capture block {sequence} of {self.folder}: IDs of {block.key.shape[1]} bytes")
            if keep is not None:
                block = block.take(keep(block))
            held = _merged(held.between(final, len(held)), block, id_bytes)
        if len(held):
            yield held

    def _open_lookups(self) -> lmdb.Environment:
        if self._lookups is None:
            if not (self.folder / LOOKUP_STORE).is_dir():
                raise RunError(f"{self.folder} has no lookups yet: analyze it first")
            self._lookups = environment.open_readonly(self.folder / LOOKUP_STORE, live=False)
        return self._lookups

    def _records(self, database: bytes, decode: Callable[[bytes], _Record]) -> list[_Record]:
        return [decode(value) for _, value in self._items(database)]

    def _items(self, database: bytes) -> Iterator[tuple[bytes, bytes]]:
        return environment.items(self._env, self._databases[database])


def _merged(held: Captures, block: Captures, id_bytes: int) -> Captures:
    """Return the rows of both in order of time; of equal times those held come first. Only what overlaps is sorted."""
    sorted_block = bool((block.time_ns[1:] >= block.time_ns[:-1]).all())
    if sorted_block and not len(held):
        return block
    last_ns = held.time_ns[-1:]
    overlap = int(np.searchsorted(block.time_ns, last_ns)[0]) if sorted_block else len(block)
    both = Captures.concat([held, block.between(0, overlap)], id_bytes)
    both = both.take(np.argsort(both.time_ns, kind="stable"))
    return Captures.concat([both, block.between(overlap, len(block))], id_bytes)
