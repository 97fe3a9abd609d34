"""Joining sealed runs of one overlay into one: shards of a zone, parts of a larger zone, windows one after another."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zone_store.captures import Captures, Loss
from zone_store.keyspace.zone import Zone, ZoneError
from zone_store.losses import NOT_RUNNING, PARTLY_RUNNING
from zone_store.run.canaries import merge_canaries
from zone_store.run.folder import CONFIG, Manifest, RunError, create_run
from zone_store.run.intervals import complement, union
from zone_store.run.numbering import Numbering, write_attachments, write_contents
from zone_store.run.reader import RunReader
from zone_store.run.writer import RunWriter

#: Captures the writer may hold: no bound, since it is waited for after each batch.
_UNBOUNDED = 1 << 62


def merge(folders: Sequence[Path], out_parent: Path) -> Path:
    """Join sealed runs into a new sealed one under `out_parent`, and return its folder; raises RunError.

    All of one overlay; their zones are one zone, or zones that together make one larger zone exactly. Attachments and
    crawls are numbered anew, in order of (zone, start, folder name) of their runs; captures come in time order. The
    same sources always give the same captures in the same order. Time in which no run ran is put on the ledger as
    "not_running", time in which a part of the zone was left alone or a run was down while others ran as
    "partly_running". Sources stay untouched; a merge that fails leaves nothing behind. Memory: a batch of each source,
    and the attachments.
    """
    if not folders:
        raise RunError("nothing to merge")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise RunError("a run cannot be merged with itself")
    with ExitStack() as stack:
        readers = [stack.enter_context(RunReader(folder)) for folder in folders]
        readers.sort(key=lambda r: (r.manifest.zone, r.manifest.start_ns, r.folder.resolve().name))
        manifest = _joint_manifest(readers)
        zone = Zone.parse(manifest.zone, manifest.id_bits)
        target = create_run(out_parent, manifest.start_ns, manifest.overlay, zone)
        try:
            _write(readers, target, manifest)
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
    return target


def _write(readers: Sequence[RunReader], target: Path, manifest: Manifest) -> None:
    with RunWriter(target, manifest, _joint_config(readers), max_pending=_UNBOUNDED) as writer:
        renumber = _write_records(readers, writer, manifest)
        for captures in _in_time_order(readers, renumber):
            writer.captures(captures)
            writer.drain()  # the sources wait for the disk: nothing may overflow
        write_contents(readers, renumber, writer)
        merge_canaries([reader.folder for reader in readers], target)
        writer.seal(manifest.end_ns, "merged")


def _joint_manifest(readers: Sequence[RunReader]) -> Manifest:
    """Return the manifest of the merged run, with its end already in it."""
    manifests = [reader.manifest for reader in readers]
    first = manifests[0]
    for reader in readers:
        other = reader.manifest
        if not other.sealed:
            raise RunError(f"{reader.folder} is not sealed: seal it before merging")
        if (other.overlay, other.id_bits, other.family) != (first.overlay, first.id_bits, first.family):
            raise RunError(f"{reader.folder} is of another overlay or address family than {readers[0].folder}")
    zone = _joint_zone([Zone.parse(m.zone, m.id_bits) for m in manifests])
    counters: dict[str, int] = {}
    for one in manifests:
        for name, count in one.counters.items():
            counters[name] = counters.get(name, 0) + count
    counters.pop(NOT_RUNNING, None)  # a gap of one source need not be one of the whole
    start_ns, end_ns = min(m.start_ns for m in manifests), max(m.end_ns for m in manifests)
    for outage in _outages(readers, start_ns, end_ns):
        counters[outage.name] = counters.get(outage.name, 0) + outage.count
    return Manifest(
        montra_version=first.montra_version,
        overlay=first.overlay,
        zone=str(zone),
        id_bits=first.id_bits,
        family=first.family,
        start_ns=start_ns,
        end_ns=end_ns,
        parameters={"merged": [_source(reader) for reader in readers]},
        versions=first.versions,
        host=first.host,
        git=first.git,
        counters=counters,
    )


def _source(reader: RunReader) -> dict[str, Any]:
    """Return what the merged manifest keeps of one source."""
    manifest = reader.manifest
    return {
        "run": reader.folder.resolve().name,
        "zone": manifest.zone,
        "start_ns": manifest.start_ns,
        "end_ns": manifest.end_ns,
        "exit": manifest.exit,
        "montra_version": manifest.montra_version,
        "git": manifest.git,
        "host": manifest.host,
        "parameters": manifest.parameters,
    }


def _joint_zone(zones: Sequence[Zone]) -> Zone:
    """Return the one zone that the zones are or make together; raises RunError."""
    parts = sorted(set(zones), key=lambda zone: (zone.low(), zone.length))
    for left, right in itertools.pairwise(parts):
        if left.overlaps(right):
            raise RunError(f"zones {left} and {right} overlap without being the same: their counts cannot be added")
    try:
        cover = Zone.cover(parts)
    except ZoneError as error:
        raise RunError(str(error)) from None
    free = [cover.id_bits - part.length for part in parts]
    if sum(1 << bits for bits in free) != 1 << (cover.id_bits - cover.length):
        names = ", ".join(map(str, parts))
        raise RunError(f"zones {names} leave parts of {cover}, the smallest zone around them, unmonitored")
    return cover


def _joint_config(readers: Sequence[RunReader]) -> str:
    """Return the configuration of all sources: theirs if it is one, else each as a comment."""
    texts: dict[str, str] = {}
    for reader in readers:
        try:
            texts[reader.folder.resolve().name] = (reader.folder / CONFIG).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"cannot read {reader.folder / CONFIG}: {error}") from None
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    lines = ["# Merged from runs of different configurations."]
    for name, text in texts.items():
        lines += ["#", f"# {name}:", *(f"#     {line}" for line in text.splitlines())]
    return "\n".join(lines) + "\n"


def _write_records(readers: Sequence[RunReader], writer: RunWriter, manifest: Manifest) -> list[Numbering]:
    """Write attachments, crawls and ledgers; return how each source's attachments are numbered now."""
    numbering: list[Numbering] = []
    attachments = crawls = 0
    for reader in readers:
        numbering.append(write_attachments(reader, writer, attachments))
        attachments += len(numbering[-1])
        for crawl in reader.crawls():
            crawls += 1
            writer.crawl(replace(crawl, number=crawls))
        for loss in reader.losses():
            if loss.name != NOT_RUNNING:
                writer.loss(loss)
        writer.drain()
    for outage in _outages(readers, manifest.start_ns, manifest.end_ns):
        writer.loss(outage)
    writer.drain()
    return numbering


def _outages(readers: Sequence[RunReader], start_ns: int, end_ns: int) -> list[Loss]:
    """Return the ledger rows of times in which nothing ran, and of those in which not all did that should have.

    Runs of one zone one after the other are no outage: the zone was monitored all the time.
    """
    ran: dict[str, list[tuple[int, int]]] = {}
    down: list[tuple[int, int]] = []
    for reader in readers:
        own = reader.manifest
        crashes = [(loss.begin_ns, loss.end_ns) for loss in reader.losses() if loss.name == NOT_RUNNING]
        down += union(crashes, own.start_ns, own.end_ns)
        ran.setdefault(own.zone, []).extend(complement(crashes, own.start_ns, own.end_ns))
    gaps = complement(itertools.chain.from_iterable(ran.values()), start_ns, end_ns)
    for zone_ran in ran.values():
        down += complement(zone_ran, start_ns, end_ns)
    partly = complement([*complement(down, start_ns, end_ns), *gaps], start_ns, end_ns)
    return [Loss(name, *one, 1) for name, times in ((NOT_RUNNING, gaps), (PARTLY_RUNNING, partly)) for one in times]


def _in_time_order(readers: Sequence[RunReader], numbering: Sequence[Numbering]) -> Iterator[Captures]:
    """Yield the captures of all sources in time order, with their new attachment numbers."""
    sources = [map(new.apply, reader.captures()) for reader, new in zip(readers, numbering, strict=True)]
    heads = [next(source, None) for source in sources]
    while open_heads := [head for head in heads if head is not None]:
        # Every source has been read up to its head's last row: up to the earliest of these the order is final.
        horizon = min(int(head.time_ns[-1]) for head in open_heads)
        parts = []
        for i, head in enumerate(heads):
            if head is None:
                continue
            final = int(np.searchsorted(head.time_ns, horizon, side="right"))
            parts.append(head.take(np.arange(final)))
            rest = head.take(np.arange(final, len(head)))
            heads[i] = rest if len(rest) else next(sources[i], None)
        merged = Captures.concat(parts, readers[0].manifest.id_bytes)
        yield merged.take(np.argsort(merged.time_ns, kind="stable"))
