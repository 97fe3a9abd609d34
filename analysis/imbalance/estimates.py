"""How uneven the load was, and how uneven the rates behind it are, with 95 % intervals.

Two things are asked, and each says which (`realised`, `rates`):

- The realised load: the lookups that were made in the window, captured or not. Chance belongs to it. Only what was not
  captured is unknown: it is drawn again and again, from what the captured counts say of each rate and from what is
  known of the capture rate (multiple imputation, Rubin 1987). All captured: no interval, it is what it is.
- The rates: what the same nodes would have in a window without end. Chance makes counts more uneven than rates.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.imbalance.doubt import Doubt
from analysis.imbalance.measures import gini, top_share, variation
from analysis.imbalance.mixture import Cells, Spread, spread
from analysis.trust.capture import CaptureRate

Z = 1.96
TOP_SHARES = {"top_1_percent": 0.01, "top_10_percent": 0.1}
LEAST_NODES = 10
"""Of fewer nodes or keys no interval is stated: the spread of so few rates cannot be told."""

WIDE = 2.4
"""Standard deviations on either side, for an interval that is to hold the truth in 95 of 100 cases.

More than 1.96, since what is fitted to the counts varies too little: with 1.96, intervals held a known truth 91 to 95
times in 100 trials.
"""

UNLIKE = 9.0
"""Nodes are missed unlike often, by a third of what is missed (standard deviation), as the shape of a gamma law.

Assumed: a canary is one lookup, and tells nothing of a node.
"""

_SEED = 0
_DRAWS, _FEWEST_DRAWS, _DRAWN_VALUES = 100, 30, 1_500_000
_FOLDS = 10
_EXPOSURE_STEP = 0.05
_SHIFTS = 2.0
"""Twice: what wrong destinations did to the load first is more than what drawing them again does to it after."""


class Estimate(NamedTuple):
    """A value and its 95 % interval, NaN where none is stated."""

    value: float
    low: float = math.nan
    high: float = math.nan


class Uneven(NamedTuple):
    """Measures of one load: Gini coefficient, share of the top 1 % and 10 %, coefficient of variation."""

    gini: Estimate
    top_1_percent: Estimate
    top_10_percent: Estimate
    variation: Estimate

    @classmethod
    def of(cls, rows: NDArray[np.float64]) -> Uneven:
        """Return the means of rows float64[draws, 4] as values, with their interval."""
        return cls(*map(drawn_estimate, rows.T))


def drawn_estimate(draws: NDArray[np.float64], wider: float = 1.0) -> Estimate:
    """Return the mean of draws of one number, float64[draws], with its interval, made so many times as wide."""
    value, half = float(draws.mean()), wider * WIDE * float(draws.std(ddof=1))
    return Estimate(value, value - half, value + half)


UNKNOWN = Uneven(*[Estimate(math.nan)] * 4)
"""Of no load."""


def measured(values: NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Return the four measures of values as float64[4]."""
    tops = [top_share(values, share, weights) for share in TOP_SHARES.values()]
    return np.array([gini(values, weights), *tops, variation(values, weights)])


def exactly(values: NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> Uneven:
    """Return the measures of values that are known."""
    return Uneven(*map(Estimate, measured(values, weights).tolist()))


def realised(
    counts: NDArray[np.int64], exposure: NDArray[np.float64], capture: CaptureRate | None, doubt: Doubt
) -> Uneven:
    """Return how uneven the load per exposure was in the window, missed lookups included.

    counts int64[n]: lookups captured at each node; exposure float64[n]: seconds. Without a capture rate it is that of
    the captured load, without an interval. Drawn are what was missed, with a capture rate of its own for each node,
    which nobody measured (`UNLIKE`), and destinations, as their confidences say. What drawing destinations again
    shifts is not taken for a better value, since wrong ones may even loads out as well as heap them up: it widens the
    interval on both sides.
    """
    if not counts.sum():
        return UNKNOWN
    if capture is None or len(counts) < LEAST_NODES:
        return exactly(counts / exposure)
    rng = np.random.default_rng(_SEED)
    draws = _draws(len(counts))
    cells, cell = cells_of(counts, exposure)
    fitted = spread(cells, draws, rng)
    shares = captured(capture, draws, rng)
    as_inferred, otherwise = np.empty((draws, 4)), np.empty((draws, 4))
    for draw in range(draws):
        each = _captured_of_each(shares[draw], len(counts), rng)
        missed = rng.poisson(drawn_rates(fitted, draw, cell, rng) * exposure * (1 - each) / each)
        as_inferred[draw] = measured((counts + missed) / exposure)
        otherwise[draw] = measured((doubt.drawn(rng) + missed) / exposure) if doubt.any else as_inferred[draw]
    shift = np.abs(otherwise.mean(axis=0) - as_inferred.mean(axis=0))
    half = WIDE * np.maximum(as_inferred.std(axis=0, ddof=1), otherwise.std(axis=0, ddof=1)) + _SHIFTS * shift
    return _about(as_inferred.mean(axis=0), half, half)


def rates(
    counts: NDArray[np.int64],
    exposure: NDArray[np.float64],
    capture: CaptureRate | None,
    doubt: Doubt,
    repeats: float = 1.0,
) -> Uneven:
    """Return how uneven the rates of these nodes are, chance taken out.

    What was missed makes all rates smaller, but not quite alike (`UNLIKE`), which widens the interval; without a
    capture rate nothing is known of that. Assumed: counts are Poisson, but that their variance is `repeats` times as
    large, as requesters ask again (see `asked.Asked`). The variation is by factorial moments, without bias. Gini
    coefficient and top shares lie between two things that can be measured: those of the counts, to which chance adds,
    and those of new counts of nodes that were put in order by other counts, which falls short of the true order
    (cross-validation over tenths of the lookups). The interval is from the lower bound of the one to the upper bound of
    the other, the value the mean of what the mixture of rates says. Destinations are doubted as in `realised`.
    """
    if len(counts) < LEAST_NODES or not counts.sum():
        return UNKNOWN
    rng = np.random.default_rng(_SEED)
    draws = _draws(len(counts))
    asked = counts / max(1.0, repeats)  # about independent: the unit in which chance is that of Poisson
    cells, cell = cells_of(asked, exposure)
    fitted = spread(cells, draws, rng)
    drawn = [drawn_rates(fitted, draw, cell, rng) for draw in range(draws)]
    of_drawn = np.array([measured(one) for one in drawn])
    again = [rng.poisson(one * exposure) for one in drawn]
    whole = np.floor(asked + rng.random(len(asked))).astype(np.int64)
    by_others, by_counts = _in_order_of_others(whole, exposure, rng), measured(counts / exposure)
    error_low = np.std([_in_order_of_others(one, exposure, rng) for one in again[:_FEWEST_DRAWS]], axis=0)
    error_high = np.std([measured(one / exposure)[:3] for one in again], axis=0)
    shift = np.hypot(_shift(counts, exposure, doubt, rng), _missed_unlike(counts, exposure, capture, rng))
    low = by_others - WIDE * error_low - shift[:3]
    high = by_counts[:3] + WIDE * error_high + shift[:3]
    value = np.clip(of_drawn.mean(axis=0)[:3], low, high)
    varied = _rate_variation(asked, exposure, drawn, again)
    return _about(
        np.append(value, varied.value),
        np.append(value - low, varied.value - varied.low + shift[3]),
        np.append(high - value, varied.high - varied.value + shift[3]),
    )


def _shift(
    counts: NDArray[np.int64], exposure: NDArray[np.float64], doubt: Doubt, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return by how much destinations drawn again change the four measures, float64[4]: shift and spread of draws."""
    if not doubt.any:
        return np.zeros(4)
    rows = np.array([measured(doubt.drawn(rng) / exposure) for _ in range(_FEWEST_DRAWS)])
    shifted: NDArray[np.float64] = _SHIFTS * np.abs(rows.mean(axis=0) - measured(counts / exposure)) + rows.std(axis=0)
    return shifted


def _missed_unlike(
    counts: NDArray[np.int64], exposure: NDArray[np.float64], capture: CaptureRate | None, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return how far the four measures move where nodes are missed unlike often, float64[4]; 0 if nothing is known."""
    if capture is None:
        return np.zeros(4)
    each = (_captured_of_each(capture.share, len(counts), rng) for _ in range(_FEWEST_DRAWS))
    rows = [measured(counts / exposure / one) for one in each]
    moved: NDArray[np.float64] = WIDE * np.std(rows, axis=0)
    return moved


def _captured_of_each(share: float, nodes: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a capture rate of each node, drawn as nodes are missed unlike often, float64[nodes]."""
    missing = (1 - share) * rng.gamma(UNLIKE, 1 / UNLIKE, nodes)
    each: NDArray[np.float64] = np.clip(1 - missing, 0.01, 1.0)
    return each


def _about(values: NDArray[np.float64], below: NDArray[np.float64], above: NDArray[np.float64]) -> Uneven:
    """Return values float64[4] with bounds so far from them, none below 0, and none of a share above 1."""
    low, high = np.maximum(0.0, values - below), values + above
    high[:3] = np.minimum(1.0, high[:3])
    return Uneven(*map(Estimate, values.tolist(), low.tolist(), high.tolist()))


def _rate_variation(
    counts: NDArray[np.float64],
    exposure: NDArray[np.float64],
    drawn: list[NDArray[np.float64]],
    again: list[NDArray[np.int64]],
) -> Estimate:
    """Return the coefficient of variation of the rates, by n(n-1), whose mean is the square of a Poisson's mean.

    The interval is from how far the same estimate of new counts (`again`) falls from the rates that were drawn for
    them, on a logarithm since chance grows with the value.
    """
    ratio = _square_ratio(counts, exposure)
    errors = [
        math.log(_square_ratio(new, exposure) / (1 + variation(of) ** 2)) for of, new in zip(drawn, again, strict=True)
    ]
    _, low, high = drawn_estimate(np.array(errors))
    return Estimate(*(math.sqrt(max(0.0, ratio / math.exp(one) - 1)) for one in (0.0, high, low)))


def _square_ratio(counts: NDArray[Any], exposure: NDArray[np.float64]) -> float:
    """Return the mean square of the rates over the square of their mean, which is 1 + the variation squared."""
    first, second = float((counts / exposure).sum()), float((counts * (counts - 1) / exposure**2).sum())
    # A ratio of no two lookups at a node would be 0: one such pair among twice as many nodes bounds it.
    return len(counts) * max(second, 1.0 / float(exposure.max()) ** 2) / max(first, 1.0) ** 2


def captured(capture: CaptureRate, draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return capture rates drawn as its interval says, float64[draws] in (0, 1]."""
    normal = rng.standard_normal(draws)
    below, above = (capture.share - capture.low) / Z, (capture.high - capture.share) / Z
    return np.clip(capture.share + normal * np.where(normal < 0, below, above), 0.01, 1.0)


def cells_of(counts: NDArray[Any], exposure: NDArray[np.float64]) -> tuple[Cells, NDArray[np.int64]]:
    """Return counts that are alike together, and the cell of each, int64[n].

    Exposures within 5 % and counts within a third of their chance are alike.
    """
    alike = np.stack([np.round(np.log(exposure) / _EXPOSURE_STEP), np.round(6 * np.sqrt(counts))], axis=1)
    _, cell, number = np.unique(alike, axis=0, return_inverse=True, return_counts=True)
    cell = cell.reshape(-1)
    mean_count, mean_exposure = (np.bincount(cell, values) / number for values in (counts, exposure))
    return Cells(mean_count, mean_exposure, number.astype(np.float64)), cell


def drawn_rates(
    fitted: Spread, resampling: int, cell: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return a rate for each, drawn from what its count says of it, float64[n]; cell int64[n]: where it belongs."""
    drawn: NDArray[np.float64] = fitted.rates[drawn_places(fitted.posterior(resampling), cell, rng)]
    return drawn


def drawn_places(
    posterior: NDArray[np.float64], cell: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return a column for each, int64[n], drawn with the chances of its row (`cell`) of posterior float64[p, g]."""
    upto = np.cumsum(posterior, axis=1)
    upto /= upto[:, -1:]
    rows, width = upto.shape
    # One search for all: the rows' distributions stand one after the other, each a whole number further up.
    found = np.searchsorted((upto + np.arange(rows)[:, None]).ravel(), cell + rng.random(len(cell)))
    place: NDArray[np.int64] = np.clip(found - cell * width, 0, width - 1)
    return place


def _draws(values: int) -> int:
    return min(_DRAWS, max(_FEWEST_DRAWS, _DRAWN_VALUES // values))


def _in_order_of_others(
    counts: NDArray[np.int64], exposure: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return Gini coefficient and top shares of tenths of the lookups, the nodes in the order of the other tenths."""
    left, parts = counts.copy(), []
    for folds in range(_FOLDS, 1, -1):
        part = rng.binomial(left, 1 / folds)
        parts.append(part)
        left = left - part
    parts.append(left)
    n = len(counts)
    load = np.zeros(n)  # at each place in the order, most loaded last
    for part in parts:
        # Equal ones in an order of chance, or the tenth itself would tell.
        order = np.lexsort((rng.random(n), (counts - part) / exposure))
        load += (part / exposure)[order]
    total = load.sum()
    index = float(2 * (np.arange(1, n + 1) * load).sum() / (n * total) - (n + 1) / n)
    tops = [float(load[-max(1, round(share * n)) :].sum() / total) for share in TOP_SHARES.values()]
    return np.array([index, *tops])
