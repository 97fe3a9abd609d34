"""How much of the zone was known and monitored, over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.load import NANOS, Run, is_bare

SEALED = "sealed"
"""Reason of attachments that sealing the run ended, not the target."""


@dataclass(frozen=True, slots=True)
class TargetSeries:
    """Targets at each time_ns int64[n]: found and not lost, of them attached (accepted), of them visible; int64[n]."""

    time_ns: NDArray[np.int64]
    found: NDArray[np.int64]
    accepted: NDArray[np.int64]
    visible: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What share of the zone's nodes was monitored for what share of the time.

    completeness: of crawls by capture-recapture, weighted by their duration, and the least of them (NaN = no estimate):
    upper bounds, being the share found of established nodes that others list (see `crawler.completeness`);
    found_s, accepted_s, visible_s: target-seconds known, attached, and known to hand the monitor out, without bare_s:
    those that a thin fleet left without a monitor; targets: distinct node IDs found; monitored: of them, ever attached;
    bare: of them, always without a monitor by choice; attach_s: median seconds from finding to attaching (NaN = none);
    reasons: monitors ended, by reason.
    """

    completeness: float
    least_completeness: float
    found_s: float
    accepted_s: float
    visible_s: float
    targets: int
    monitored: int
    attach_s: float
    reasons: dict[str, int]
    bare: int = 0
    bare_s: float = 0.0

    @property
    def unmonitored_s(self) -> float:
        """Target-seconds found but not visible: in them lookups that ended there could be missed."""
        return self.found_s - self.visible_s


def target_series(run: Run, times: NDArray[np.int64]) -> TargetSeries:
    """Return the numbers of targets at these times; at times after sealing, those just before it."""
    sealed = max((a.lost_ns for a in run.attachments if a.reason == SEALED), default=run.end_ns)
    times = np.minimum(times, sealed - 1)
    found = [(a.found_ns, run.until(a)) for a in run.attachments]
    accepted = [(a.accepted_ns, run.until(a)) for a in run.attachments if a.accepted_ns]
    return TargetSeries(times, *(_at_once(intervals, times) for intervals in (found, accepted, _visible(run))))


def coverage(run: Run) -> Coverage:
    """Return how much was monitored."""
    estimated = [crawl for crawl in run.crawls if crawl.estimate > 0]
    share = np.array([crawl.completeness for crawl in estimated])
    weight = np.array([max(crawl.seconds, 1e-9) for crawl in estimated])
    waited = [(a.accepted_ns - a.found_ns) / NANOS for a in run.attachments if a.accepted_ns]
    reasons: dict[str, int] = {}
    own = [a for a in run.attachments if not is_bare(a)]
    bare = [a for a in run.attachments if is_bare(a)]
    for attachment in own:
        if attachment.reason:
            reasons[attachment.reason] = reasons.get(attachment.reason, 0) + 1
    return Coverage(
        completeness=float((share * weight).sum() / weight.sum()) if estimated else float("nan"),
        least_completeness=float(share.min()) if estimated else float("nan"),
        found_s=sum(max(0, run.until(a) - a.found_ns) for a in own) / NANOS,
        accepted_s=sum(max(0, run.until(a) - a.accepted_ns) for a in run.attachments if a.accepted_ns) / NANOS,
        visible_s=sum(max(0, end - begin) for begin, end in _visible(run)) / NANOS,
        targets=len({a.target_id for a in run.attachments}),
        monitored=len({a.target_id for a in run.attachments if a.accepted_ns}),
        attach_s=float(np.median(waited)) if waited else float("nan"),
        reasons=dict(sorted(reasons.items())),
        bare=len({a.target_id for a in bare} - {a.target_id for a in own}),
        bare_s=sum(max(0, run.until(a) - a.found_ns) for a in bare) / NANOS,
    )


def _visible(run: Run) -> list[tuple[int, int]]:
    """Return the visible intervals of all attachments, the open ones ended with their attachment."""
    return [
        (begin, min(end or run.until(attachment), run.until(attachment)))
        for attachment in run.attachments
        for begin, end in attachment.visible
    ]


def _at_once(intervals: list[tuple[int, int]], times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many intervals [begin, end) hold each time."""
    whole = [(begin, end) for begin, end in intervals if begin < end]
    begins = np.sort(np.array([begin for begin, _ in whole], np.int64))
    ends = np.sort(np.array([end for _, end in whole], np.int64))
    return np.searchsorted(begins, times, side="right") - np.searchsorted(ends, times, side="right")
