"""95 % intervals: of counts that come in bursts, of shares, of quantiles, of a rate divided by a share captured."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, chi2, norm, t

from analysis.binomial import exact_bounds

LEVEL = 0.965
"""Of bounds where 95 % is promised: variances are estimated, and keys and requesters are never quite independent."""
Z = float(norm.ppf((1 + LEVEL) / 2))
BLOCKS = (40, 20, 10)
"""Into so many parts a window is divided, each day of a longer one, to see how unevenly events come."""
DEGREE = 3
"""Of the polynomial that is taken for the trend of a window."""
DAY_S = 86400
LEAST_NEIGHBOURS = 8
_LEAST_FREEDOM = 4


def unevenness(counts: NDArray[np.int64], exposure: NDArray[np.float64], width_s: float = 0.0) -> float:
    """Return how many times the variance of counts is that of independent events, at least 1, to be used in bounds.

    counts int64[n] in a row of times of exposure float64[n]; those without exposure are left out; width_s: of a time, 0
    where no daily wave is to be looked for. What parts of the window differ from a smooth trend (a cubic; a daily wave
    in windows of a day and more), as monitors being attached and the hour of day give, is compared with chance:
    Pearson's chi-square by its degrees of freedom (McCullagh and Nelder 1989, section 6.2). The greatest of several
    divisions is taken, since bursts about as long as a part show in wider ones only, each raised by the quantile of
    Student's t, as it is itself estimated. Bursts longer than a twentieth of the window are not seen whole.
    """
    days = max(1, round(len(counts) * width_s / DAY_S))
    wave = len(counts) * width_s >= 0.9 * DAY_S
    there = np.flatnonzero(exposure > 0)
    counts, exposure, day = counts[there], exposure[there], np.asarray(there * (width_s / DAY_S), np.float64)
    if not counts.any():
        return 1.0
    return max(1.0, *(_dispersion(counts, exposure, day, blocks * days, wave=wave) for blocks in BLOCKS))


def _dispersion(
    counts: NDArray[np.int64], exposure: NDArray[np.float64], day: NDArray[np.float64], blocks: int, *, wave: bool
) -> float:
    """Return the dispersion by so many parts, raised to be used in bounds; 1 if there are too few."""
    # Parts of equal exposure as nearly as whole bins allow.
    part = np.minimum((np.cumsum(exposure) - exposure / 2) * blocks / exposure.sum(), blocks - 1).astype(np.intp)
    first = np.flatnonzero(np.append(True, part[1:] != part[:-1]))
    n, e = np.add.reduceat(counts, first), np.add.reduceat(exposure, first)
    at = np.add.reduceat(day * exposure, first) / e
    trend = np.polynomial.legendre.legvander(2 * (at - at[0]) / max(at[-1] - at[0], 1e-9) - 1, DEGREE)
    if wave:
        angle = 2 * np.pi * at
        trend = np.column_stack([trend, np.cos(angle), np.sin(angle)])
    freedom = len(n) - int(trend.shape[1])
    if freedom < _LEAST_FREEDOM:
        return 1.0
    weight = np.sqrt(e)
    of_trend = np.linalg.lstsq(trend * weight[:, None], n / weight, rcond=None)[0]
    rest = n / weight - weight * (trend @ of_trend)
    factor = float((rest**2).sum()) / freedom / (float(n.sum()) / float(e.sum()))
    raised = float(t.ppf((1 + LEVEL) / 2, freedom)) / Z
    return factor * raised * raised


def roughness(counts: NDArray[np.int64], exposure: NDArray[np.float64]) -> float:
    """Return how many times the variance of single counts is that of independent events, at least 1.

    counts, exposure as in `unevenness`. By how each differs from the next (mean square successive difference, von
    Neumann 1941): no change of level that lasts counts. 1 for too few of them.
    """
    there = exposure > 0
    counts, exposure = counts[there], exposure[there]
    if len(counts) < LEAST_NEIGHBOURS or not counts.any():
        return 1.0
    steps = np.diff(counts / exposure) ** 2 / (1 / exposure[1:] + 1 / exposure[:-1])
    # Squares of differences of neighbours share terms: m of them are worth two thirds as many independent ones.
    raised = float(t.ppf((1 + LEVEL) / 2, 2 * len(steps) / 3)) / Z
    return max(1.0, float(steps.mean()) * float(exposure.sum()) / float(counts.sum()) * raised * raised)


def count_bounds(count: float, factor: float = 1.0, level: float = LEVEL) -> tuple[float, float]:
    """Return the bounds of the mean of which `count` was seen (Garwood 1936), its variance `factor` times the mean."""
    n, tail = count / factor, (1 - level) / 2
    low = factor * float(chi2.ppf(tail, 2 * n)) / 2 if count > 0 else 0.0
    return low, factor * float(chi2.ppf(1 - tail, 2 * n + 2)) / 2


def share_bounds(hits: float, trials: float, level: float = LEVEL) -> tuple[float, float]:
    """Return the exact bounds of a share (Clopper and Pearson 1934); NaN for no trials.

    Not the shorter ones of Wilson: of a share so small that one hit is an exception, the one hit would not hold it.
    """
    if trials <= 0:
        return math.nan, math.nan
    low, high = exact_bounds(np.array([hits]), trials, 1 - level)
    return float(low[0]), float(high[0])


def widened(share: float, bounds: tuple[float, float], by: float) -> tuple[float, float]:
    """Return the bounds of a share with a further, independent half width of 95 %, added as squares."""
    low, high = bounds
    return max(0.0, share - math.hypot(share - low, by)), min(1.0, share + math.hypot(high - share, by))


def over_clusters(hits: NDArray[np.int64], trials: NDArray[np.int64]) -> tuple[float, float, float]:
    """Return the share of all trials and its bounds, where trials of a cluster (a zone) need not be independent.

    Ratio estimate (Cochran 1977, section 6.3) with the variance between clusters, each one's deviation raised by its
    own weight in the estimate (HC3, MacKinnon and White 1985), and Student's t; no narrower than were all trials
    independent. NaN bounds for fewer than two clusters, NaN for no trials.
    """
    hits, trials = hits[trials > 0], trials[trials > 0]
    total, m = float(trials.sum()), len(trials)
    if not total:
        return math.nan, math.nan, math.nan
    share = float(hits.sum()) / total
    if m < 2:
        return share, math.nan, math.nan
    between = float((((hits - share * trials) / (1 - trials / total)) ** 2).sum())
    half = float(t.ppf((1 + LEVEL) / 2, m - 1)) * math.sqrt(between) / total
    low, high = share_bounds(float(hits.sum()), total)
    return share, max(0.0, min(low, share - half)), min(1.0, max(high, share + half))


def divided(value: tuple[float, float, float], by: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return value / by with bounds, each given as (estimate, low, high), independent of each other and not negative.

    Distances to the bounds are added as squares on the logarithmic scale (MOVER, Zou and Donner 2008); the upper bound
    is infinite where `by` may be 0.
    """
    (x, x_low, x_high), (y, y_low, y_high) = value, by
    if y <= 0:
        return math.nan, math.nan, math.nan
    if x <= 0:
        return 0.0, 0.0, x_high / y_low if y_low > 0 else math.inf
    estimate = x / y
    low = estimate * math.exp(-math.hypot(math.log(x / x_low), math.log(y_high / y))) if x_low > 0 else 0.0
    high = estimate * math.exp(math.hypot(math.log(x_high / x), math.log(y / y_low))) if y_low > 0 else math.inf
    return estimate, low, high


def quantile_ranks(count: int, share: float) -> tuple[int, int, int]:
    """Return the ranks, from 0 for the greatest of `count` values, of the value that `share` of all reach, and bounds.

    The bounds are order statistics (Conover 1999, section 3.2): no shape of the distribution is supposed. A rank of -1
    for the upper bound means that no value seen is surely above it.
    """
    tail = (1 - LEVEL) / 2
    at = min(count - 1, max(0, math.ceil(share * count) - 1))
    # So many of the values reach the true quantile, with a chance of 95 %.
    least, most = (int(binom.ppf(p, count, share)) for p in (tail, 1 - tail))
    return at, min(count - 1, most), least - 1
