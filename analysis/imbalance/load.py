"""How evenly lookups fall on the nodes: load of each destination, Lorenz curve and Gini coefficient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.load import NANOS, Run, is_bare
from analysis.traffic.rates import Masks, Series
from zone_store.attribution.targets import Targets
from zone_store.captures import Lookups
from zone_store.keyspace.zone import Zone

LEAST_ATTACHED_SHARE = 0.1
"""A node attached for less of the window than this is left out: its rate would say little."""

_DRAWS = 20
_MOST_DRAWN = 1_000_000
"""Lookups drawn in all; of a run with more this many stand for them."""
_CURVE_POINTS = 200


def gini(values: NDArray[np.float64]) -> float:
    """Return the Gini coefficient of values >= 0: 0 = all equal, towards 1 = one has all; NaN if all are 0."""
    total = float(values.sum())
    if total <= 0:
        return float("nan")
    n = len(values)
    place = np.arange(1, n + 1)
    return float(2 * (place * np.sort(values)).sum() / (n * total) - (n + 1) / n)


def lorenz(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (share of nodes, their share of the load), least loaded first, both from 0 to 1; empty if no load."""
    total = float(values.sum())
    if total <= 0:
        return np.empty(0), np.empty(0)
    return np.linspace(0, 1, len(values) + 1), np.append(0.0, np.cumsum(np.sort(values))) / total


def top_share(values: NDArray[np.float64], share: float) -> float:
    """Return what part of the load the most loaded `share` of nodes has (at least one node); NaN without load."""
    total = float(values.sum())
    if total <= 0:
        return float("nan")
    most = max(1, round(share * len(values)))
    return float(np.sort(values)[-most:].sum() / total)


@dataclass(frozen=True, slots=True)
class Load:
    """Load of the monitored nodes, and of the bare ones of a thin fleet, by inferred destinations.

    node: number of each node's first attachment (its name outside the store); attached_s, lookups, rate (a minute while
    attached): one for each node attached for at least a tenth of the window; left_out: nodes attached more briefly;
    expected: rates, rising, if the same lookups had been for keys of their own, spread over the same nodes, while they
    were attached, by hashing and chance alone: mean over several draws; expected_gini: mean Gini coefficient of those.
    """

    node: NDArray[np.int64]
    attached_s: NDArray[np.float64]
    lookups: NDArray[np.int64]
    rate: NDArray[np.float64]
    left_out: int
    expected: NDArray[np.float64]
    expected_gini: float

    @property
    def gini(self) -> float:
        """Gini coefficient of the rates."""
        return gini(self.rate)


class DestinationCounter:
    """Counts users' lookups by inferred destination, table by table.

    Each lookup counts whole for its most probable destination: sharing it out among all candidates would make the load
    of neighbours alike. Where nothing hides monitors, observed and inferred destinations are the same.
    """

    def __init__(self, run: Run) -> None:
        self._counts = np.zeros(max((a.number for a in run.attachments), default=0) + 1, np.int64)

    def add(self, table: Lookups, which: Masks) -> None:
        """Count a table."""
        self._counts += np.bincount(table.inferred[which.lookups], minlength=len(self._counts))

    def result(self) -> NDArray[np.int64]:
        """Return the count at each attachment number."""
        return self._counts


def load_of(run: Run, by_attachment: NDArray[np.int64], series: Series) -> Load:
    """Return the load of each node; a node's attachments (one ID, several times) are added up.

    by_attachment: users' lookups that ended at each attachment number; series: users' lookups over time.
    """
    names: dict[bytes, int] = {}
    seconds: dict[int, float] = {}
    name_of = np.zeros(len(by_attachment), np.int64)
    for attachment in run.attachments:
        begin_ns = attachment.found_ns if is_bare(attachment) else attachment.accepted_ns
        if begin_ns:
            name = names.setdefault(attachment.target_id, attachment.number)
            lasted = max(0, run.until(attachment) - begin_ns)
            seconds[name] = seconds.get(name, 0.0) + lasted / NANOS
            name_of[attachment.number] = name
    node = np.array(sorted(seconds), np.int64)
    attached_s = np.array([seconds[n] for n in node.tolist()], np.float64)
    kept = (attached_s > 0) & (attached_s >= LEAST_ATTACHED_SHARE * run.running_seconds)

    def of_nodes(at_attachments: NDArray[np.int64]) -> NDArray[np.int64]:
        sums = np.zeros(len(by_attachment), np.int64)
        np.add.at(sums, name_of, at_attachments)
        return sums[node[kept]]

    counts = of_nodes(by_attachment)
    drawn_for = max(1.0, int(series.column("lookups").sum()) / _MOST_DRAWN)
    draws = [
        of_nodes(drawn) * (60 * drawn_for) / attached_s[kept] for drawn in _by_hashing(run, len(by_attachment), series)
    ]
    return Load(
        node=node[kept],
        attached_s=attached_s[kept],
        lookups=counts,
        rate=counts * 60 / attached_s[kept],
        left_out=int(np.count_nonzero(~kept)),
        expected=np.mean([np.sort(rate) for rate in draws], axis=0) if draws else np.empty(0),
        expected_gini=float(np.mean([gini(rate) for rate in draws])) if draws else float("nan"),
    )


def _by_hashing(run: Run, numbers: int, series: Series) -> Iterator[NDArray[np.int64]]:
    """Yield draws of lookups by attachment number, int64[numbers], if each lookup were for a random key of the zone.

    Each is for a key of its own, at the times at which lookups were captured, and ends at the nearest target attached
    then. So nodes that were there for a time only, and times of more traffic, are in the draws as in what was measured.
    """
    lookups = min(int(series.column("lookups").sum()), _MOST_DRAWN)
    if not lookups or not any(a.accepted_ns for a in run.attachments):
        return
    targets = Targets(run.attachments, run.manifest.id_bytes)
    zone = Zone.parse(run.manifest.zone, run.manifest.id_bits)
    low, high = (np.frombuffer(end, np.uint8) for end in (zone.low(), zone.high()))
    share = series.column("lookups") / series.column("lookups").sum()
    rng = np.random.default_rng(0)  # fixed seed: the same run must give the same numbers
    for _ in range(max(1, min(_DRAWS, _MOST_DRAWN // lookups))):
        begins = np.repeat(series.begin_ns, rng.multinomial(lookups, share))
        times = np.sort(begins + rng.integers(0, series.width_s * NANOS, lookups))
        keys = low | (rng.integers(0, 256, (lookups, len(low)), np.uint8) & (low ^ high))
        closest, _ = targets.place(times, keys, keys)
        drawn = np.bincount(closest, minlength=numbers)
        drawn[0] = 0  # at that time nobody was attached
        yield drawn


def curve(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the Lorenz curve at no more points than a figure can show."""
    x, y = lorenz(values)
    if len(x) <= _CURVE_POINTS:
        return x, y
    at = np.unique(np.linspace(0, len(x) - 1, _CURVE_POINTS).round().astype(np.intp))
    return x[at], y[at]
