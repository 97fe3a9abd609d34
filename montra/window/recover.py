"""Seal a run that was cut off: the process was killed, the machine went down."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

from montra.window.units import parse_duration
from zone_store.captures import Loss
from zone_store.losses import NOT_RUNNING, PARTLY_RUNNING
from zone_store.run.folder import Manifest, lock_folder, read_manifest
from zone_store.run.join import SHARDS, join, prove, recall, shards_of, slot_of
from zone_store.run.reader import RunReader
from zone_store.run.writer import RunWriter

CUT_OFF = "cut_off"
"""Why attachments of such a run ended."""


#: A worker that ended so much before the last of a run's processes left its part of the zone alone.
_ALONE_NS = 2_000_000_000


def seal_cut_off(run: Path) -> Manifest:
    """Seal the run of a process that died, as partial; returns the manifest.

    Open target intervals end with the newest time that the store tells of anything, and the rest of the window as it
    was configured is a gap on the ledger. A run of several processes is joined from its shards. Raises RunError for a
    sealed run, for one that a living process still writes, and for a damaged one.
    """
    if (run / SHARDS).exists():
        if not read_manifest(run).sealed:
            return _join_cut_off(run)
        prove(run)  # cut off when all was done but to remove the shards
        return read_manifest(run)
    manifest, end_ns = _newest(run)
    planned_ns = _planned_ns(manifest)
    gap = [Loss(NOT_RUNNING, end_ns, planned_ns, 1)] if planned_ns > end_ns else []
    return _seal(run, end_ns, max(end_ns, planned_ns), gap, {NOT_RUNNING: len(gap)})


def seal_shard(shard: Path) -> int:
    """Seal the shard of a worker that died, if it is not sealed; returns when it ended. Raises as `seal_cut_off`."""
    manifest = read_manifest(shard)
    if manifest.sealed:
        return manifest.end_ns
    _, end_ns = _newest(shard)
    _seal(shard, end_ns, end_ns, [], {})
    return end_ns


def _join_cut_off(run: Path) -> Manifest:
    """Seal a run of several processes whose parent died; the workers ended by themselves, or died, too."""
    os.close(lock_folder(run))  # refuses a run that is being written
    recall(run)
    ended: dict[int, int] = {}
    for shard in shards_of(run):
        ended[slot_of(shard)] = max(seal_shard(shard), ended.get(slot_of(shard), 0))
    manifest, own_ns = _newest(run)
    end_ns, planned_ns = max([own_ns, *ended.values()]), _planned_ns(manifest)
    losses = [Loss(PARTLY_RUNNING, at_ns, end_ns, 1) for at_ns in ended.values() if at_ns < end_ns - _ALONE_NS]
    if planned_ns > end_ns:
        losses.append(Loss(NOT_RUNNING, end_ns, planned_ns, 1))
    return join(run, max(end_ns, planned_ns), "partial", Counter(loss.name for loss in losses), losses)


def _newest(run: Path) -> tuple[Manifest, int]:
    """Return the manifest of an unsealed run that nobody writes, and the newest time it tells of anything."""
    RunWriter.resume(run).close()  # refuses a run that is sealed or being written
    with RunReader(run) as reader:
        return reader.manifest, reader.newest_ns()


def _planned_ns(manifest: Manifest) -> int:
    return manifest.start_ns + int(parse_duration(str(manifest.parameters.get("duration", "1s"))) * 1e9)


def _seal(run: Path, cut_ns: int, end_ns: int, losses: list[Loss], counters: dict[str, int]) -> Manifest:
    """Seal a run whose open intervals end at `cut_ns`."""
    with RunReader(run) as reader:
        attachments = reader.attachments()
    with RunWriter.resume(run) as writer:
        for attachment in attachments:
            if not attachment.lost_ns:
                visible = tuple((min(begin, end or cut_ns), end or cut_ns) for begin, end in attachment.visible)
                writer.attachment(replace(attachment, visible=visible, lost_ns=cut_ns, reason=CUT_OFF))
        for loss in losses:
            writer.loss(loss)
        return writer.seal(end_ns, "partial", counters)
