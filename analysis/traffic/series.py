"""What was asked over time: counts in bins, and how much of the zone was monitored in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.attachments import Attachments
from analysis.engine.database import Database
from analysis.load import NANOS, Run

NAMES = ("lookups", "node_lookups", "announces", "maintenance", "searches", "publishes")
"""What is counted. Lookups ask for a key; searches and publishes are those of them that tell which they are. Node
lookups (find_node) stand apart, being mostly upkeep; maintenance is what no user asked for, of any kind."""

_WIDTHS_S = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 21600, 86400)
_MOST_BINS = 400
LEAST_SHARE = 0.1
"""Of a bin in which the run was at work for less, no rate is told."""

WHICH = {
    "lookups": "what IN ('lookup', 'search', 'publish')",
    "node_lookups": "what = 'node_lookup'",
    "announces": "what = 'announce'",
    "searches": "what = 'search'",
    "publishes": "what = 'publish'",
}
"""Which of users' rows are counted, in SQL."""


def bin_seconds(seconds: float) -> int:
    """Return the width of time bins for a window: the finest of a few round ones that gives at most 400 bins."""
    for width in _WIDTHS_S:
        if seconds <= width * _MOST_BINS:
            return width
    return _WIDTHS_S[-1] * -(-int(seconds) // (_WIDTHS_S[-1] * _MOST_BINS))


@dataclass(frozen=True, slots=True)
class Series:
    """Counts over time. Bin i begins at begin_ns[i]; running_s: how long the run was at work in it.

    counts int64[n, 6]: columns as in `NAMES`; found_s, visible_s float64[n]: node-seconds known, and of them with a
    visible monitor, while the run was at work; nodes that a thin fleet leaves without a monitor are in neither.
    """

    width_s: int
    begin_ns: NDArray[np.int64]
    running_s: NDArray[np.float64]
    counts: NDArray[np.int64]
    found_s: NDArray[np.float64]
    visible_s: NDArray[np.float64]

    def coarser(self, most: int) -> Series:
        """Return the same in bins a whole number of times as wide, so many at most."""
        factor = -(-len(self.begin_ns) // most)
        first = np.arange(0, len(self.begin_ns), factor)
        sums = (np.add.reduceat(a, first, axis=0) for a in (self.running_s, self.counts, self.found_s, self.visible_s))
        return Series(self.width_s * factor, self.begin_ns[first], *sums)

    def column(self, name: str) -> NDArray[np.int64]:
        """Return a column by its name in `NAMES`."""
        return self.counts[:, NAMES.index(name)]

    def a_minute(self, name: str) -> NDArray[np.float64]:
        """Return a column as a rate a minute, NaN for bins in which the run was (nearly) not at work."""
        return np.where(self.told, self.column(name) * 60 / np.where(self.told, self.running_s, 1.0), np.nan)

    @property
    def told(self) -> NDArray[np.bool_]:
        """Tell of which bins a rate is told."""
        return self.running_s >= LEAST_SHARE * self.width_s

    @property
    def monitored(self) -> NDArray[np.float64]:
        """Share of node time in each bin with a visible monitor, NaN where no node was known."""
        known = self.found_s > 0
        return np.where(known, self.visible_s / np.where(known, self.found_s, 1.0), np.nan)

    @property
    def monitored_share(self) -> float:
        """Share of all node time with a visible monitor, NaN where no node was known."""
        found = float(self.found_s.sum())
        return float(self.visible_s.sum()) / found if found > 0 else float("nan")


def series_of(db: Database, run: Run, attachments: Attachments) -> Series:
    """Return the series; what lies outside the window (a clock that stepped) is in its first or last bin."""
    width_s = bin_seconds(run.seconds)
    bins = max(1, -(-(run.end_ns - run.start_ns) // (width_s * NANOS)))
    edges = run.start_ns + np.arange(bins + 1, dtype=np.int64) * (width_s * NANOS)
    counts = np.zeros((bins, len(NAMES)), np.int64)
    for bin_, *row in db.rows(_counts(), bins - 1, run.start_ns, width_s * NANOS):
        counts[bin_] = row
    own = ~attachments.bare
    found = _while_running(run, edges, attachments.known_ns[own], attachments.until_ns[own])
    visible = _while_running(run, edges, attachments.visible_begin_ns, attachments.visible_end_ns)
    return Series(width_s, edges[:-1], run.running_ns(edges) / NANOS, counts, found, visible)


def _counts() -> str:
    which = {name: f"maintenance = 0 AND {rows}" for name, rows in WHICH.items()} | {"maintenance": "maintenance <> 0"}
    return (
        "SELECT CAST(greatest(0, least(?, (time_ns - ?) // ?)) AS BIGINT) AS bin, "
        + ", ".join(f"count(*) FILTER ({which[name]})" for name in NAMES)
        + " FROM lookups GROUP BY bin"
    )


def _while_running(
    run: Run, edges: NDArray[np.int64], begin_ns: NDArray[np.int64], end_ns: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return how long intervals [begin, end) lasted in all between each edge and the next, gaps of the run left out."""
    inner = np.array([at for gap in run.gaps for at in gap], np.int64)
    ends = np.array([run.start_ns, run.end_ns], np.int64)
    fine = np.unique(np.concatenate([edges, np.clip(np.concatenate([inner, ends]), edges[0], edges[-1])]))
    at_work = run.running_ns(fine) > 0
    whole = begin_ns < end_ns
    lasted = np.diff(_up_to(end_ns[whole], begin_ns[whole], fine)) * at_work
    sums = np.bincount(np.searchsorted(edges, fine[:-1], side="right") - 1, lasted, minlength=len(edges) - 1)
    return sums.astype(np.float64)


def _up_to(end_ns: NDArray[np.int64], begin_ns: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the seconds that intervals lasted in all before each time: a sum over begins less one over ends."""
    origin = int(times[0])

    def since(moments: NDArray[np.int64]) -> NDArray[np.float64]:
        seconds = np.sort(moments - origin) / NANOS
        sums = np.append(0.0, np.cumsum(seconds))
        at = (times - origin) / NANOS
        passed = np.searchsorted(seconds, at, side="right")
        return np.asarray(passed * at - sums[passed], np.float64)

    return since(begin_ns) - since(end_ns)
