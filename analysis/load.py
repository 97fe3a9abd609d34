"""What of a run is small enough to be held: its facts, targets, crawls, losses, and the times it was at work."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.attachments import Attachments
from zone_store.captures import CrawlRow, Loss
from zone_store.losses import NOT_RUNNING
from zone_store.run.folder import MANIFEST, Manifest, file_digest
from zone_store.run.intervals import union
from zone_store.run.reader import RunReader

NANOS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """A run but for its captures and lookups.

    name: of its folder; start_ns, end_ns: of the window (for an unsealed run the newest time its store tells);
    gaps: times (begin, end) within it in which nothing ran, apart and in order; captures: copies in the store;
    attachments: its targets, none of them in an `Analysis`, which is passed about; thin: whether targets were left
    without a monitor by choice, so that lookups are not observed at all; digest: SHA-256 of manifest.json in hex.
    """

    name: str
    manifest: Manifest
    start_ns: int
    end_ns: int
    gaps: tuple[tuple[int, int], ...]
    captures: int
    attachments: Attachments
    crawls: tuple[CrawlRow, ...]
    losses: tuple[Loss, ...]
    thin: bool = False
    digest: str = ""

    @property
    def seconds(self) -> float:
        """Duration of the window."""
        return (self.end_ns - self.start_ns) / NANOS

    @property
    def running_seconds(self) -> float:
        """Duration without the gaps."""
        return self.seconds - sum(end - begin for begin, end in self.gaps) / NANOS

    def light(self) -> Run:
        """Return the same without its targets."""
        return replace(self, attachments=Attachments.none(self.manifest.id_bytes))

    def running_ns(self, edges: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how long the run was at work between each edge int64[n+1] and the next, int64[n] nanoseconds."""
        work = np.clip(edges, self.start_ns, self.end_ns)
        for begin, end in self.gaps:
            work -= np.clip(edges - begin, 0, end - begin)
        return np.diff(work)


def load(reader: RunReader) -> Run:
    """Return what is not captures or lookups; raises RunError for damage."""
    manifest = reader.manifest
    crawls, losses = reader.crawls(), reader.losses()
    start_ns, end_ns = manifest.start_ns, manifest.end_ns or reader.newest_ns()
    attachments = Attachments.of(reader.each_attachment(), manifest.id_bytes, end_ns)
    gaps = [(loss.begin_ns, loss.end_ns) for loss in losses if loss.name == NOT_RUNNING]
    return Run(
        name=reader.folder.resolve().name,
        manifest=manifest,
        start_ns=start_ns,
        end_ns=end_ns,
        gaps=union(gaps, start_ns, end_ns),
        captures=reader.totals().get("captures", 0),
        attachments=attachments,
        crawls=tuple(crawls),
        losses=tuple(losses),
        thin=bool(attachments.bare.any()),
        digest=file_digest(reader.folder / MANIFEST),
    )
