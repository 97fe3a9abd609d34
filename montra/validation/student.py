"""Means of a few measurements with an interval: Student's t, for networks that are played again with other seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from montra.validation.wilson import Z95

#: Two-sided 95 % quantiles of Student's t for 1, 2, ... degrees of freedom (W. S. Gosset, Biometrika 6, 1908).
_T95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of n values and the bounds of its 95 % interval, which are NaN for fewer than two; NaN of none."""

    mean: float
    low: float
    high: float
    n: int


def quantile(n: int) -> float:
    """Return by how many standard errors the mean of n values lies within its 95 % interval, to both sides; n >= 2."""
    return _T95[n - 2] if n - 2 < len(_T95) else Z95


def mean_of(values: Sequence[float]) -> Mean:
    """Return the mean of values that are drawn independently; NaN among them are left out."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return Mean(math.nan, math.nan, math.nan, 0)
    mean, n = fmean(known), len(known)
    if n < 2:
        return Mean(mean, math.nan, math.nan, n)
    half = quantile(n) * stdev(known) / math.sqrt(n)
    return Mean(mean, mean - half, mean + half, n)
