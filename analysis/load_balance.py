"""How evenly lookups fall on the nodes: load of each destination, Lorenz curve and Gini coefficient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.load import NANOS, Run
from analysis.rates import Masks
from zone_store.captures import Lookups
from zone_store.keyspace.ids import common_prefix_lengths, pack, sort_order

LEAST_ATTACHED_SHARE = 0.1
"""A node attached for less of the window than this is left out: its rate would say little."""

_DRAWS = 20
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


def cell_shares(ids: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return for each of distinct sorted IDs uint8[n, L] the share of keys that are nearer to it than to any other.

    Keys are those of the zone that holds all of the IDs. In the binary trie of the IDs, keys that come to a fork where
    both sides hold IDs go half to either, so an ID has 2 to the minus number of forks above it.
    """
    n = len(ids)
    forks = np.zeros(n, np.int64)
    shared = common_prefix_lengths(ids[:-1], ids[1:])
    stack = [(0, n)]
    while stack:
        begin, end = stack.pop()
        if end - begin < 2:
            continue
        middle = begin + int(np.argmin(shared[begin : end - 1])) + 1
        forks[begin:end] += 1
        stack += [(begin, middle), (middle, end)]
    return np.asarray(0.5**forks, np.float64)


@dataclass(frozen=True, slots=True)
class Load:
    """Load of the monitored nodes.

    node: number of each node's first attachment (its name outside the store); attached_s, lookups, rate (a minute while
    attached): one for each node attached for at least a tenth of the window; left_out: nodes attached more briefly;
    expected: nodes and loads if the same number of lookups were for keys of their own, spread by hashing alone;
    expected_gini: mean over several draws of that.
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
    """Counts users' lookups by destination, table by table."""

    def __init__(self, run: Run) -> None:
        self._counts = np.zeros(max((a.number for a in run.attachments), default=0) + 1, np.int64)

    def add(self, table: Lookups, which: Masks) -> None:
        """Count a table."""
        self._counts += np.bincount(table.destination[which.lookups], minlength=len(self._counts))

    def result(self) -> NDArray[np.int64]:
        """Return the count at each attachment number."""
        return self._counts


def load_of(run: Run, by_attachment: NDArray[np.int64]) -> Load:
    """Return the load of each node; a node's attachments (one ID, several times) are added up."""
    names: dict[bytes, int] = {}
    seconds: dict[int, float] = {}
    lookups: dict[int, int] = {}
    for attachment in run.attachments:
        if attachment.accepted_ns:
            name = names.setdefault(attachment.target_id, attachment.number)
            lasted = max(0, run.until(attachment) - attachment.accepted_ns)
            seconds[name] = seconds.get(name, 0.0) + lasted / NANOS
            lookups[name] = lookups.get(name, 0) + int(by_attachment[attachment.number])
    node = np.array(sorted(seconds), np.int64)
    attached_s = np.array([seconds[n] for n in node.tolist()], np.float64)
    counts = np.array([lookups[n] for n in node.tolist()], np.int64)
    kept = (attached_s > 0) & (attached_s >= LEAST_ATTACHED_SHARE * run.running_seconds)
    expected, expected_gini = _by_hashing(_most_at_once(run), int(counts.sum()))
    return Load(
        node=node[kept],
        attached_s=attached_s[kept],
        lookups=counts[kept],
        rate=counts[kept] * 60 / attached_s[kept],
        left_out=int(np.count_nonzero(~kept)),
        expected=expected,
        expected_gini=expected_gini,
    )


def _most_at_once(run: Run) -> NDArray[np.uint8]:
    """Return the distinct IDs, sorted, of the targets attached at the time when most were."""
    there = [a for a in run.attachments if a.accepted_ns]
    if not there:
        return np.empty((0, run.manifest.id_bytes), np.uint8)
    begins = np.array([a.accepted_ns for a in there], np.int64)
    ends = np.array([run.until(a) for a in there], np.int64)
    times = np.sort(begins)
    at_once = np.arange(1, len(times) + 1) - np.searchsorted(np.sort(ends), times, side="right")
    moment = times[int(np.argmax(at_once))]
    ids = {a.target_id for a, begin, end in zip(there, begins, ends, strict=True) if begin <= moment < end}
    rows = pack(sorted(ids), run.manifest.id_bytes)
    return rows[sort_order(rows)]


def _by_hashing(ids: NDArray[np.uint8], lookups: int) -> tuple[NDArray[np.float64], float]:
    """Return loads if each lookup went to a key of its own, and their mean Gini coefficient over several draws."""
    if not len(ids) or not lookups:
        return np.empty(0), float("nan")
    shares = cell_shares(ids)
    draws = np.random.default_rng(0).multinomial(lookups, shares, size=_DRAWS)  # fixed seed: runs must repeat
    mean = np.sort(draws, axis=1).mean(axis=0)
    return mean, float(np.mean([gini(draw) for draw in draws.astype(np.float64)]))


def curve(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the Lorenz curve at no more points than a figure can show."""
    x, y = lorenz(values)
    if len(x) <= _CURVE_POINTS:
        return x, y
    at = np.unique(np.linspace(0, len(x) - 1, _CURVE_POINTS).round().astype(np.intp))
    return x[at], y[at]
