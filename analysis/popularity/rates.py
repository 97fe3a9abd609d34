"""The power law of the keys' rates, seen through counts: a count is a draw by chance of what its key's rate expects.

Rates of a power law, density ~ r^-alpha, give counts n with a probability ~ Gamma(n + 1 - alpha) / Gamma(n + 1), a
mixture of Poisson distributions (Johnson, Kemp and Kotz 2005, section 8.3): steeper than n^-alpha at counts of a few
and the same at large ones. Lookups missed at random leave Poisson counts of rates that are all smaller by one factor,
so the exponent stays. Where one requester's lookups come in clumps of c, n / c stands in the place of n.

Rates end below, with the key of least interest: counts near its own are fewer than by the law. So the tail begins where
the distance is least, as that of counts does (`tail.tail_of`). They end above too, with the first of a finite number of
keys, which is no more of a bound than the greatest of so many draws is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import gammaln

from analysis.popularity.counts import Counts
from analysis.popularity.families import Floats
from analysis.popularity.fit import HALF_DROP
from analysis.popularity.goodness import RESAMPLED, chance_of, drawn_again
from analysis.popularity.support import support
from analysis.popularity.tail import SURE, Tail, places_of, starts

_LOGS = np.linspace(math.log(0.1), math.log(6.0), 120)
_GRID = 1 + np.exp(_LOGS)[:, None]
"""Exponents whose likelihood is worked out; what lies between is told by a parabola."""
_NEVER, _FINE = -1e6, 8192
_LEAST_TOLD, _LARGE = 20, 1e4


@dataclass(frozen=True, slots=True)
class Rates:
    """The power law nearest to the keys' rates.

    tail: counts from which it is and its exponent; low, high: 95 % interval of that; goodness: p, see
    `goodness.tail_goodness`.
    """

    tail: Tail
    low: float
    high: float
    goodness: float

    @property
    def rank_exponent(self) -> tuple[float, float, float]:
        """The exponent s of rank and rate, rate ~ rank^-s, and its bounds."""
        return 1 / (self.tail.alpha - 1), 1 / (self.high - 1), 1 / (self.low - 1) if self.low > 1 else math.inf


def rates_of(counts: Counts, clump: float = 1.0) -> Rates | None:
    """Return the power law of rates; None where there are too few keys for one.

    clump: lookups of one requester for one key, see `pairs.clumping_of`. The interval is the wider of two: of the
    likelihood, which takes the tail's beginning as given, and of keys drawn with return, its beginning sought anew.
    The same counts give the same result.
    """
    laws = _Laws(counts.values, starts(counts), max(1.0, clump))
    tail = laws.nearest(counts.keys)
    if tail is None:
        return None
    rng = np.random.default_rng(0)
    shares = counts.keys / counts.total
    tried = [laws.nearest(rng.multinomial(counts.total, shares)) for _ in range(RESAMPLED)]
    alphas = [one.alpha for one in tried if one is not None]
    if len(alphas) < _LEAST_TOLD:
        return None
    apart = SURE * float(np.std(alphas))
    low, high = laws.interval(counts.keys, tail)
    bounds = min(low, tail.alpha - apart), max(high, tail.alpha + apart)
    return Rates(tail, *bounds, _goodness(counts, tail, laws.clump, rng))


class _Laws:
    """Counts by power laws of rates, for all exponents of the grid and all beginnings of a tail.

    values int64[d]: counts that keys may have; begins int64[b]: of them, where the tail may begin.
    """

    def __init__(self, values: NDArray[np.int64], begins: NDArray[np.int64], clump: float) -> None:
        self.clump = clump
        self._values, self._begins = values, begins
        self._first = np.searchsorted(values, begins)
        self._places = places_of(len(values))
        self._logs = _log_weight(values, _GRID, clump)
        self._total = _log_beyond(begins, _GRID, clump)
        # Above some exponent there is no such law for the least counts: its likelihood is less than any.
        self._none = ~np.isfinite(self._total)

    def nearest(self, keys: NDArray[np.int64]) -> Tail | None:
        """Return the tail to whose counts a law is nearest, None where there is none; keys int64[d] have each value."""
        rank = np.append(np.cumsum(keys[::-1])[::-1], 0)
        n = rank[self._first]
        alpha, inside = self._exponents(self._likelihoods(keys))
        usable = np.flatnonzero(inside & (n > 0))
        if not len(usable):
            return None
        alpha, n, begins = alpha[usable, None], n[usable, None], self._begins[usable, None]
        at, total = self._places, _log_beyond(begins, alpha, self.clump)
        values = np.maximum(self._values[at], begins)
        here, after = (np.exp(_log_beyond(values + by, alpha, self.clump) - total) for by in (0, 1))
        apart = np.maximum(abs(here - rank[at] / n), abs(after - rank[at + 1] / n))
        distance = np.where(self._values[at] >= begins, apart, 0.0).max(axis=1)
        best = int(np.argmin(distance))
        return Tail(int(begins[best, 0]), int(n[best, 0]), float(alpha[best, 0]), float(distance[best]))

    def interval(self, keys: NDArray[np.int64], tail: Tail) -> tuple[float, float]:
        """Return the exponents between which ln likelihood falls by `HALF_DROP` at most."""
        likelihood = self._likelihoods(keys)[:, int(np.searchsorted(self._begins, tail.least))]
        there = likelihood > _NEVER
        fine = np.linspace(_LOGS[0], _LOGS[there][-1], _FINE)
        # That of one key is smooth from one exponent of the grid to the next, however sharp that of all keys is.
        smooth = CubicSpline(_LOGS[there], likelihood[there])(fine)
        near = np.flatnonzero(smooth > smooth.max() - HALF_DROP / tail.keys)
        low, high = fine[max(0, near[0] - 1)], fine[min(_FINE - 1, near[-1] + 1)]
        return 1 + math.exp(low), 1 + math.exp(high)

    def _likelihoods(self, keys: NDArray[np.int64]) -> Floats:
        """Return ln likelihood of the counts from each beginning, for one key: float64[grid, begins]."""
        sums = np.cumsum((keys * self._logs)[:, ::-1], axis=1)[:, ::-1][:, self._first]
        n = np.maximum(1, np.cumsum(keys[::-1])[::-1][self._first])
        return np.where(self._none, _NEVER, sums / n - np.where(self._none, 0.0, self._total))

    def _exponents(self, likelihoods: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the exponent of greatest likelihood for each beginning, and whether the grid has it inside."""
        columns = np.arange(likelihoods.shape[1])
        top = likelihoods.argmax(axis=0)
        middle = np.clip(top, 1, len(_LOGS) - 2)
        left, here, right = (likelihoods[middle + by, columns] for by in (-1, 0, 1))
        inside = (top == middle) & (right > _NEVER)
        bend = np.where(inside, left - 2 * here + right, -1.0)
        shift = np.where(inside, 0.5 * (left - right) / bend, 0.0)
        return 1 + np.exp(_LOGS[middle] + shift * (_LOGS[1] - _LOGS[0])), inside


def _goodness(counts: Counts, tail: Tail, clump: float, rng: np.random.Generator) -> float:
    """Return the share of draws that are farther from their own power law of rates than the counts."""
    below = counts.values < tail.least
    body = Counts(counts.values[below], counts.keys[below])
    on = support(tail.least)
    weights = _log_weight(tail.least * np.exp(on.y), np.array(tail.alpha), clump)
    shares = on.log_sum(weights)[1]

    def farther() -> bool:
        inside = int(rng.binomial(counts.total, tail.keys / counts.total))
        values, keys = on.draw(shares, inside, rng)
        rest = drawn_again(body, counts.total - inside, rng)
        drawn = Counts(np.concatenate([rest.values, values]), np.concatenate([rest.keys, keys]))
        found = _Laws(drawn.values, starts(drawn), clump).nearest(drawn.keys)
        return found is not None and found.distance >= tail.distance

    return chance_of(farther)


def _log_weight(values: NDArray[np.int64] | Floats, alpha: Floats, clump: float) -> Floats:
    """Return ln of the probability of counts but for a factor; that of laws that do not have them is of no use."""
    return _log_ratio(np.asarray(values, np.float64) / clump + 1, alpha)


def _log_beyond(values: NDArray[np.int64], alpha: Floats, clump: float) -> Floats:
    """Return ln of the sum of these from each value up, inf where it has none: exact for a clump of one.

    For others the sum is an integral, from half a count below.
    """
    at = (np.asarray(values, np.float64) - 0.5) / clump + 0.5
    found = _log_ratio(at, alpha - 1) - np.log(alpha - 1) + math.log(clump)
    return np.where(at > alpha - 1, found, np.inf)


def _log_ratio(x: Floats, less: Floats) -> Floats:
    """Return ln(Gamma(x - less) / Gamma(x)); for large x, where logarithms cancel, as Tricomi and Erdelyi 1951."""
    small = gammaln(np.maximum(1e-3, x - less)) - gammaln(x)
    return np.where(x > _LARGE, -less * np.log(np.maximum(1.0, x - (less + 1) / 2)), small)
