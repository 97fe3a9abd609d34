"""How many lookups and announces a minute: over time, and for each key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.counting import RowCounter
from analysis.load import NANOS, Run
from zone_store.captures import Flag, Kind, Lookups, Maintenance

KEY_KINDS = (Kind.LOOKUP, Kind.SEARCH, Kind.PUBLISH)
"""Kinds that ask for a key: what is counted as a lookup. NODE_LOOKUP (find_node) stands apart, being mostly upkeep."""

_WIDTHS_S = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 21600, 86400)
_MOST_BINS = 400
_LEAST_SHARE = 0.1


class Masks(NamedTuple):
    """Which rows of a table are users' lookups, node lookups and announces, and which are no user's: bool[n] each.

    searches, publishes: of the lookups, those that tell what they are for.
    """

    lookups: NDArray[np.bool_]
    node_lookups: NDArray[np.bool_]
    announces: NDArray[np.bool_]
    maintenance: NDArray[np.bool_]
    searches: NDArray[np.bool_]
    publishes: NDArray[np.bool_]


def masks(table: Lookups) -> Masks:
    """Tell the rows of a table apart."""
    user = table.maintenance == Maintenance.NONE
    return Masks(
        user & np.isin(table.kind, KEY_KINDS),
        user & (table.kind == Kind.NODE_LOOKUP),
        user & (table.kind == Kind.ANNOUNCE),
        ~user,
        user & (table.kind == Kind.SEARCH),
        user & (table.kind == Kind.PUBLISH),
    )


def bin_seconds(seconds: float) -> int:
    """Return the width of time bins for a window: the finest of a few round ones that gives at most 400 bins."""
    for width in _WIDTHS_S:
        if seconds <= width * _MOST_BINS:
            return width
    return _WIDTHS_S[-1] * -(-int(seconds) // (_WIDTHS_S[-1] * _MOST_BINS))


@dataclass(frozen=True, slots=True)
class Series:
    """Counts over time. Bin i begins at begin_ns[i]; running_s: how long the run was at work in it.

    counts int64[n, 6]: columns as in `Masks`.
    """

    width_s: int
    begin_ns: NDArray[np.int64]
    running_s: NDArray[np.float64]
    counts: NDArray[np.int64]

    def coarser(self, most: int) -> Series:
        """Return the same in bins a whole number of times as wide, so many at most."""
        factor = -(-len(self.begin_ns) // most)
        first = np.arange(0, len(self.begin_ns), factor)
        return Series(
            self.width_s * factor,
            self.begin_ns[first],
            np.add.reduceat(self.running_s, first),
            np.add.reduceat(self.counts, first, axis=0),
        )

    def column(self, name: str) -> NDArray[np.int64]:
        """Return a column by its name in `Masks`."""
        return self.counts[:, Masks._fields.index(name)]

    def a_minute(self, name: str) -> NDArray[np.float64]:
        """Return a column as a rate a minute, NaN for bins in which the run was (nearly) not at work."""
        rate = np.full(len(self.running_s), np.nan)
        there = self.running_s >= _LEAST_SHARE * self.width_s
        rate[there] = self.column(name)[there] * 60 / self.running_s[there]
        return rate


class SeriesCounter:
    """Sums up a `Series` table by table."""

    def __init__(self, run: Run) -> None:
        self._width_s = bin_seconds(run.seconds)
        bins = max(1, -(-(run.end_ns - run.start_ns) // (self._width_s * NANOS)))
        edges = run.start_ns + np.arange(bins + 1, dtype=np.int64) * (self._width_s * NANOS)
        self._begin_ns = edges[:-1]
        self._running_s = run.running_ns(edges) / NANOS
        self._counts = np.zeros((bins, len(Masks._fields)), np.int64)

    def add(self, table: Lookups, which: Masks) -> None:
        """Count a table; what lies outside the window (a clock that stepped) goes to its first or last bin."""
        bins = len(self._counts)
        at = np.clip((table.time_ns - self._begin_ns[0]) // (self._width_s * NANOS), 0, bins - 1)
        for column, mask in enumerate(which):
            self._counts[:, column] += np.bincount(at[mask], minlength=bins)

    def result(self) -> Series:
        """Return the series."""
        return Series(self._width_s, self._begin_ns, self._running_s, self._counts)


@dataclass(frozen=True, slots=True)
class KeyCounts:
    """All keys seen, in order: keys uint8[m, L]; the others int64[m].

    searches, publishes, no_seed: of the lookups, those that tell which they are, and those of seeds (BEP 33).
    """

    keys: NDArray[np.uint8]
    lookups: NDArray[np.int64]
    node_lookups: NDArray[np.int64]
    announces: NDArray[np.int64]
    searches: NDArray[np.int64]
    publishes: NDArray[np.int64]
    no_seed: NDArray[np.int64]


class KeyCounter:
    """Sums up `KeyCounts` table by table; only users' rows count."""

    def __init__(self, id_bytes: int) -> None:
        self._rows = RowCounter(id_bytes, 6)

    def add(self, table: Lookups, which: Masks) -> None:
        """Count a table."""
        user = ~which.maintenance
        no_seed = which.lookups & (table.flags & Flag.NO_SEED != 0)
        kinds = (which.lookups, which.node_lookups, which.announces, which.searches, which.publishes, no_seed)
        counts = np.stack(kinds, axis=1).astype(np.int64)
        self._rows.add(table.key[user], counts[user])

    def result(self) -> KeyCounts:
        """Return the sums."""
        keys, counts = self._rows.result()
        return KeyCounts(keys, *counts.T)


def ccdf(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distinct values, rising, and for each the share of all values that are at least as large."""
    distinct, counts = np.unique(values, return_counts=True)
    at_least = np.cumsum(counts[::-1])[::-1]
    return distinct, at_least / max(1, len(values))


def key_rates(counts: NDArray[np.int64], running_seconds: float) -> NDArray[np.float64]:
    """Return the rates a minute of the keys that were asked for at all, float64, rising."""
    if running_seconds <= 0:
        return np.empty(0)
    return np.asarray(np.sort(counts[counts > 0]) * (60 / running_seconds), np.float64)


def envelope(
    curves: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return (x, least, greatest) of one or more CCDFs at every x of any of them (paper, section V and figure 5)."""
    x = np.unique(np.concatenate([xs for xs, _ in curves]))
    at = np.array([np.append(shares, 0.0)[np.searchsorted(xs, x)] for xs, shares in curves])
    return x, at.min(axis=0), at.max(axis=0)
