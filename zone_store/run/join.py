"""Joining the shards of a run whose monitors were divided over processes, into the run's own store.

    RUN/                     the run: manifest, configuration, status, log; its store has the crawls and a ledger
        shards/00-1/         a run folder for each worker: slot 0, the second one in its place
        joined/              the store of everything while it is made

The joined store takes the place of the run's own by two renames, and the shards are removed last, when the sealed run
has been verified. Cut off anywhere, joining can be begun again: it starts from the shards.
"""

from __future__ import annotations

import heapq
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from zone_store.captures import Captures, Loss
from zone_store.losses import NOT_RUNNING
from zone_store.run.blocks import BlockError, decode_captures
from zone_store.run.folder import CAPTURE_STORE, CONFIG, MANIFEST, Manifest, RunError, lock_folder, read_manifest
from zone_store.run.numbering import Numbering, write_attachments, write_contents
from zone_store.run.reader import RunReader
from zone_store.run.seal import seal_folder
from zone_store.run.verify import verify
from zone_store.run.writer import RunWriter

SHARDS = "shards"
_JOINED = "joined"
#: The run's own store while the joined one is in its place and not yet proven.
_FORMER = "crawls.lmdb"
#: Captures handed to the writer before it is waited for; it holds a million, and a block a quarter of that at most.
_PENDING = 1 << 18


def shard_folder(run: Path, slot: int, generation: int) -> Path:
    """Return the folder of a worker's shard; in order of names they are in order of slot and generation."""
    return run / SHARDS / f"{slot:03d}-{generation:04d}"


def slot_of(shard: Path) -> int:
    """Return whose a shard is."""
    return int(shard.name.partition("-")[0])


def predecessors(shard: Path) -> list[Path]:
    """Return the shards of the workers that had this shard's slot before, the last one first."""
    return [one for one in reversed(shards_of(shard.parents[1])) if slot_of(one) == slot_of(shard) and one < shard]


def shards_of(run: Path) -> list[Path]:
    """Return the shards of a run that have a store, in order of slot and generation; none if it has no shards."""
    return sorted(path.parent for path in (run / SHARDS).glob(f"*/{MANIFEST}"))


def recall(run: Path) -> None:
    """Undo a joining that was cut off, so that the run's own store is in its place again; raises RunError."""
    former, store = run / SHARDS / _FORMER, run / CAPTURE_STORE
    try:
        if former.exists():
            if store.exists():
                shutil.rmtree(store)
            former.rename(store)
        if (run / _JOINED).exists():
            shutil.rmtree(run / _JOINED)
    except OSError as error:
        raise RunError(f"cannot begin to join {run} again: {error}") from None


def join(
    run: Path, end_ns: int, exit_reason: str, counters: Mapping[str, int], losses: Sequence[Loss] = ()
) -> Manifest:
    """Join the sealed shards of an unsealed run into it, seal it, and return its manifest; raises RunError.

    Attachments are numbered anew, shard by shard. `losses` are put on the ledger, `counters` are added to the shards'.
    Nobody may have the run open. Whatever fails leaves the shards as they were. Memory: some blocks of each shard, and
    the attachments.
    """
    lock = lock_folder(run)
    try:
        recall(run)
        shards = shards_of(run)
        manifest = read_manifest(run)
        with ExitStack() as stack:
            readers = [stack.enter_context(RunReader(folder)) for folder in shards]
            for reader in readers:
                if not reader.manifest.sealed:
                    raise RunError(f"{reader.folder} is not sealed: seal it before joining")
            own = stack.enter_context(RunReader(run))
            counts = _write(run, own, readers, losses)
            for what in ("captures", "contents"):
                expected = sum(reader.totals().get(what, 0) for reader in readers)
                if counts[what] != expected:
                    raise RunError(f"{run} cannot be joined: {counts[what]} {what} of {expected} came through")
        _take_place(run)
        sealed = seal_folder(
            run,
            msgspec.structs.replace(
                manifest,
                end_ns=end_ns,
                exit=exit_reason,
                counters=_sum([counters, *(reader.manifest.counters for reader in readers)]),
                **counts,
            ),
        )
    finally:
        os.close(lock)
    prove(run)
    return sealed


def prove(run: Path) -> None:
    """Verify a joined and sealed run, then remove its shards; raises RunError, and then they are kept."""
    report = verify(run)
    if not report.ok:
        raise RunError(f"{run} is joined, but not whole ({'; '.join(report.problems)}); its shards are kept")
    shutil.rmtree(run / SHARDS, ignore_errors=True)


def _write(run: Path, own: RunReader, readers: Sequence[RunReader], losses: Sequence[Loss]) -> dict[str, int]:
    """Write the joined store beside the run's own; returns the rows in it."""
    folder = run / _JOINED
    try:
        folder.mkdir()
        config = (run / CONFIG).read_text("utf-8")
    except OSError as error:
        raise RunError(f"cannot join {run}: {error}") from None
    with RunWriter(folder, own.manifest, config) as writer:
        numbering: list[Numbering] = []
        attachments = 0
        crawls = own.crawls()
        for crawl in crawls:
            writer.crawl(crawl)
        for loss in [*own.losses(), *losses]:
            writer.loss(loss)
        for reader in readers:
            numbering.append(write_attachments(reader, writer, attachments))
            attachments += len(numbering[-1])
            for loss in reader.losses():
                if loss.name != NOT_RUNNING:  # of this worker; whether another took its place the run itself knows
                    writer.loss(loss)
            writer.drain()
        captures = 0
        for part in _blocks(readers, numbering):
            captures += len(part)
            writer.captures(part)
            if writer.pending >= _PENDING:
                writer.drain()  # the shards wait for the disk: nothing may overflow
        writer.drain()
        contents = write_contents(readers, numbering, writer)
    return {"captures": captures, "attachments": attachments, "crawls": len(crawls), "contents": contents}


def _blocks(readers: Sequence[RunReader], numbering: Sequence[Numbering]) -> Iterator[Captures]:
    """Yield the blocks of all shards by their first time: the reader of the joined store puts the rows in order."""

    def of(place: int) -> Iterator[tuple[int, int, int, bytes]]:
        for first_ns, sequence, data in readers[place].capture_blocks():
            yield first_ns, place, sequence, data

    for _, place, sequence, data in heapq.merge(*map(of, range(len(readers)))):
        try:
            block = decode_captures(data)
        except BlockError as error:
            raise RunError(f"capture block {sequence} of {readers[place].folder}: {error}") from None
        yield numbering[place].apply(block)


def _take_place(run: Path) -> None:
    """Put the joined store where the run's own was."""
    try:
        (run / CAPTURE_STORE).rename(run / SHARDS / _FORMER)
        (run / _JOINED / CAPTURE_STORE).rename(run / CAPTURE_STORE)
        (run / CAPTURE_STORE / "lock.mdb").unlink(missing_ok=True)
        shutil.rmtree(run / _JOINED)
    except OSError as error:
        raise RunError(f"cannot put the joined store of {run} in its place: {error}") from None


def _sum(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return dict(sorted(total.items()))
