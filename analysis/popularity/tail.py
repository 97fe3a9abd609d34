"""Where a power-law tail begins: the least count from which a power law is nearest to the counts.

Source: Clauset, Shalizi and Newman 2009, section 3.3: the power law is fitted to the counts from each value up, and the
one taken whose greatest distance from the counts (Kolmogorov-Smirnov) is least.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import zeta
from scipy.stats import binom

from analysis.popularity.counts import Counts

LEAST_KEYS = 50
"""Keys that a tail must hold: below, everything looks like a power law (the source, section 4.2)."""

LEAST_VALUES = 5
"""Different counts that a tail must hold."""

SURE = 2.25
"""Standard errors to a bound: 95 % and something for 40 draws that tell them, and a tail is seldom normal."""

_SINGLY, _FURTHER = 16, 16
_PLACES = 64
_STEEPEST = 30.0
_LARGE, _BENT = 64, 192


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the tail begins, how many keys are in it, the exponent there and the distance between counts and fit."""

    least: int
    keys: int
    alpha: float
    distance: float


def starts(counts: Counts, least_keys: int = LEAST_KEYS) -> NDArray[np.int64]:
    """Return where a tail may begin: all small counts, and large ones as far apart as their size."""
    enough = (counts.rank() >= least_keys) & (np.arange(len(counts.values), 0, -1) >= LEAST_VALUES)
    values = counts.values[enough]
    if len(values) <= _SINGLY + _FURTHER:
        return values
    further = np.geomspace(values[_SINGLY], values[-1], _FURTHER)
    return np.unique(np.append(values[:_SINGLY], values[np.searchsorted(values, further.astype(np.int64))]))


def tail_of(counts: Counts, begins: NDArray[np.int64] | None = None) -> Tail | None:
    """Return the tail; None where there are too few keys for one. begins: where it may begin, `starts` if None."""
    if begins is None:
        begins = starts(counts)
    if not len(begins):
        return None
    first = np.searchsorted(counts.values, begins)
    keys = counts.rank()[first]
    logs = np.cumsum((counts.keys * np.log(counts.values))[::-1])[::-1][first]
    alpha = exponents(begins, logs / keys)
    # Distances at a few places are least for the same beginnings as at all, and so are those of draws from the fit.
    place = places_of(len(counts.values))
    values, rank = counts.values[place], np.append(counts.rank(), 0)
    inside = values >= begins[:, None]
    at_begin = zeta(alpha, begins)[:, None]
    here = zeta(alpha[:, None], values) / at_begin
    after = here - np.power(values.astype(np.float64), -alpha[:, None]) / at_begin
    apart = np.maximum(abs(here - rank[place] / keys[:, None]), abs(after - rank[place + 1] / keys[:, None]))
    distance = np.where(inside, apart, 0.0).max(axis=1)
    best = int(np.argmin(distance))
    return Tail(int(begins[best]), int(keys[best]), float(alpha[best]), float(distance[best]))


def bend(tail: Tail, captured: float) -> float:
    """Return by how much misses make the exponent too great, where a power law lost lookups at random.

    captured: the share of lookups that were not missed. Large counts shrink all alike; of small ones, those of one or
    two, more fall below the tail than come down into it from above.
    """
    if captured >= 1 or tail.least > _LARGE:
        return 0.0
    alpha, beyond = tail.alpha, tail.least + _BENT
    counted = np.arange(tail.least, beyond)[:, None]
    true = np.arange(tail.least, int(beyond / captured * 1.5))
    weight = binom.pmf(counted, true, captured) @ true.astype(np.float64) ** -alpha
    step = 1e-5
    rest = captured ** (alpha - 1) * zeta(alpha, beyond)
    rest_logs = -(captured ** (alpha - 1)) * (zeta(alpha + step, beyond) - zeta(alpha - step, beyond)) / (2 * step)
    mean_log = (weight @ np.log(counted[:, 0]) + rest_logs) / (weight.sum() + rest)
    return float(exponents(np.array([tail.least]), np.array([mean_log]))[0] - alpha)


def exponents(begins: NDArray[np.int64], mean_logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power-law exponents of greatest likelihood of tails, float64[k].

    begins int64[k]: their least counts; mean_logs float64[k]: the mean of ln count in each.
    """
    alpha: NDArray[np.float64] = 1 + 1 / np.maximum(0.02, mean_logs - np.log(begins - 0.5))
    low, high = np.full(len(alpha), 1.0001), np.full(len(alpha), _STEEPEST)
    step = 1e-4
    for _ in range(60):
        # ln zeta is convex: the slope of the likelihood falls, so each value tells on which side the greatest lies.
        alpha = np.clip(alpha, low + 1e-9, high)
        before, here, after = (np.log(zeta(alpha + by, begins)) for by in (-step, 0.0, step))
        slope = -mean_logs - (after - before) / (2 * step)
        bend = (after - 2 * here + before) / step**2
        low, high = np.where(slope > 0, alpha, low), np.where(slope > 0, high, alpha)
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = alpha + slope / bend
        there = np.where((moved > low) & (moved < high), moved, (low + high) / 2)
        done = np.abs(there - alpha) < 1e-7
        alpha = there
        if done.all():
            break
    return alpha


def places_of(values: int) -> NDArray[np.intp]:
    """Return at which of so many values distances are taken: all of few; of many all small ones and some others."""
    if values <= _PLACES:
        return np.arange(values)
    half = _PLACES // 2
    further = values - 1 - (np.geomspace(1, values - half, half) - 1).astype(np.intp)
    spread = np.linspace(half, values - 1, half).astype(np.intp)
    return np.unique(np.concatenate([np.arange(half), further, spread]))
