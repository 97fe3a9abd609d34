"""Keys that became more or less popular from one window to the next, beside what chance does.

Each key's share of its lookups in the second window is compared with that of an unchanged key, by the exact binomial
test and Jeffreys' interval of a share; false discoveries are held to one in twenty of those told (Benjamini and
Hochberg 1995).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv

from analysis.popularity.pairs import Pair

FALSE = 0.05
"""Share of false ones among the changes told."""

_OUTSIDE = 0.03
"""Chance that bounds may miss: less than is promised, as clumps are known on average only."""

LEAST_CHANGE = 1.5
"""Factor below which a change is none worth telling, however sure."""

NEW, RISING, DYING, GONE, STEADY = "new", "rising", "dying", "gone", ""
CHANGES = (NEW, RISING, DYING, GONE)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of each key of a pair, in its order.

    ratio, low, high float64[n]: clumps in the second window to those in the first, against an unchanged key, with its
    95 % interval (somewhat wider, as clumps are known on average only, and wider for changes told, which were chosen;
    high is infinite for a key that was not there before); q: least share of false discoveries at which the change is
    told; kind: NEW, RISING, DYING, GONE or STEADY, which is that no change is told.
    """

    ratio: Floats
    low: Floats
    high: Floats
    q: Floats
    kind: list[str]

    def counts(self) -> dict[str, int]:
        """Return how many keys became what, for each kind of change."""
        return {kind: self.kind.count(kind) for kind in CHANGES}

    def surest(self, most: int) -> list[int]:
        """Return the places of the surest changes, surest first, equals in order of lookups."""
        told = [place for place, kind in enumerate(self.kind) if kind != STEADY]
        return sorted(told, key=lambda place: float(self.q[place]))[:most]

    def take(self, places: list[int]) -> Changes:
        """Return those at these places."""
        columns = (self.ratio[places], self.low[places], self.high[places], self.q[places])
        return Changes(*columns, [self.kind[place] for place in places])


def changes_of(pair: Pair) -> Changes:
    """Return what became of the keys of a pair; counts are taken in clumps, see `Pair`."""
    before = pair.share / (1 - pair.share)
    a, b = pair.second_sure + 0.5, pair.first_sure + 0.5
    q = false_discovery(_chance(pair.second_sure, pair.first_sure, 1 - pair.share))
    ratio = a / b * before
    told = (q <= FALSE) & (np.maximum(ratio, 1 / ratio) >= LEAST_CHANGE)
    # Keys told were chosen for being extreme: their intervals are wider by how few of all they are (Benjamini and
    # Yekutieli 2005, false coverage rate).
    outside = _OUTSIDE * np.where(told, told.sum() / max(len(told), 1), 1.0)
    low, high = (_odds(betaincinv(a, b, at)) * before for at in (outside / 2, 1 - outside / 2))
    up, down = told & (ratio > 1), told & (ratio < 1)
    kind = np.full(len(ratio), STEADY, object)
    kind[up], kind[down] = RISING, DYING
    kind[up & (pair.first == 0)], kind[down & (pair.second == 0)] = NEW, GONE
    low, high = np.where(pair.second == 0, 0.0, low), np.where(pair.first == 0, np.inf, high)
    return Changes(ratio, low, high, q, kind.tolist())


def false_discovery(p: Floats) -> Floats:
    """Return for each p the least share of false discoveries at which it is one (Benjamini and Hochberg)."""
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return np.minimum(q, 1.0)


def _chance(inside: Floats, outside: Floats, share: float) -> Floats:
    """Return the chance of a share at least so far from `share`, by exact binomial tails, float64[n]."""
    # The beta distribution has no parameter of zero: with nothing inside, "at least none" is certain.
    at_least = np.where(inside > 0, betainc(np.maximum(inside, 1e-9), outside + 1, share), 1.0)
    at_most = np.where(outside > 0, betainc(np.maximum(outside, 1e-9), inside + 1, 1 - share), 1.0)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(at_least, at_most)))


def _odds(share: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(share / (1 - share))
