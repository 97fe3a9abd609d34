"""How much the lists of the keys asked for most have in common in two windows, and what chance alone would leave.

Sources: Webber, Moffat and Zobel 2010 (rank-biased overlap); Kendall 1945 (tau-b).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.popularity.pairs import Pair

LENGTHS = (100, 50, 20, 10)
"""Lengths of the lists: the longest of which the last key was asked for often enough."""

LEAST_COUNT = 10
"""Lookups of the last key of a list; below, chance alone decides which key is the last."""

PERSISTENCE = 0.98
"""p of rank-biased overlap: how much each further rank weighs."""

MEASURES = ("overlap", "rank-biased overlap", "Kendall's tau")

_DRAWS, _REACH = 200, 5000


@dataclass(frozen=True, slots=True)
class Stability:
    """Two lists compared. keys: their length, 0 if they are too short.

    found: value of each of `MEASURES`; chance: its mean, and the 1.5 and 98.5 % quantiles, if no key's popularity had
    changed: the counts of both windows together, dealt out again by chance.
    """

    keys: int
    found: tuple[float, ...]
    chance: tuple[tuple[float, float, float], ...]


def stability_of(pair: Pair) -> Stability:
    """Return how stable the list is from the first window to the second."""
    least = {one: min(_count_at(pair.first, one), _count_at(pair.second, one)) for one in LENGTHS}
    length = next((one for one in LENGTHS if least[one] >= LEAST_COUNT), 0)
    if not length:
        return Stability(0, (), ())
    # What was asked for half as often in both windows together as the last of a list in one is never dealt into it.
    near = np.flatnonzero(pair.first + pair.second >= least[length] / 2)[:_REACH]
    first, second = pair.first[near], pair.second[near]
    found = _measures(first, second, length)
    rng = np.random.default_rng(0)
    sure = np.maximum(1.0, pair.first_sure[near] + pair.second_sure[near])
    deal = _Dealer(first + second, (first + second) / sure, pair.share, rng)
    drawn = [_measures(*deal(), length) for _ in range(_DRAWS)]
    columns = np.array(drawn)
    low, high = np.quantile(columns, (0.015, 0.985), axis=0)
    chance = zip(columns.mean(axis=0).tolist(), low.tolist(), high.tolist(), strict=True)
    return Stability(length, found, tuple(chance))


def rank_biased_overlap(first: NDArray[np.intp], second: NDArray[np.intp], persistence: float = PERSISTENCE) -> float:
    """Return the extrapolated rank-biased overlap of two lists of the same length without ties, best first."""
    place = {key: rank for rank, key in enumerate(first.tolist())}
    deeper = [max(place[key], rank) for rank, key in enumerate(second.tolist()) if key in place]
    common = np.cumsum(np.bincount(np.array(deeper, np.intp), minlength=len(first)))
    depth = np.arange(1, len(first) + 1)
    weight = persistence**depth
    rest = common[-1] / len(first) * persistence ** len(first)
    return float(rest + (1 - persistence) / persistence * (common / depth) @ weight)


def tau_b(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Return Kendall's tau-b of two counts int64[n]; NaN where one is the same for all."""
    one, other = (np.sign(counts[:, None] - counts).astype(np.float64) for counts in (first, second))
    spread = np.sqrt((one * one).sum() * (other * other).sum())
    return float((one * other).sum() / spread) if spread else float("nan")


class _Dealer:
    """Deals keys' lookups out to two windows by chance, so that a key's popularity is the same in both.

    Clumps make the parts of a key differ by more than single lookups would: by a share drawn anew for each key (the
    beta-binomial distribution), with as much variance as clumps have.
    """

    def __init__(self, totals: NDArray[np.int64], clumps: NDArray[np.float64], share: float, rng: np.random.Generator):
        self._totals, self._share, self._rng = totals, share, rng
        self._clumped = clumps > 1 + 1e-9
        # n trials of clump c have the variance of n (1 + (n - 1) r) single ones, with r the correlation of two of them.
        correlation = np.minimum(0.999, (clumps[self._clumped] - 1) / np.maximum(1, totals[self._clumped] - 1))
        self._sharp = 1 / correlation - 1

    def __call__(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        share = np.full(len(self._totals), self._share)
        share[self._clumped] = self._rng.beta(self._share * self._sharp, (1 - self._share) * self._sharp)
        dealt = self._rng.binomial(self._totals, share)
        return dealt, self._totals - dealt


def _measures(first: NDArray[np.int64], second: NDArray[np.int64], length: int) -> tuple[float, ...]:
    lists = [np.argsort(-counts, kind="stable")[:length] for counts in (first, second)]
    either = np.union1d(*lists)
    common = 2 * length - len(either)
    return common / length, rank_biased_overlap(lists[0], lists[1]), tau_b(first[either], second[either])


def _count_at(counts: NDArray[np.int64], length: int) -> int:
    """Return how often the last key of a list of this length was asked for."""
    return int(np.partition(counts, -length)[-length]) if len(counts) >= length else 0
