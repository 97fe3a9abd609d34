"""How uneven values are: Gini coefficient, Lorenz curve, share of the most, coefficient of variation.

All take values >= 0 with a weight each, the number of nodes or keys that have it: a histogram is enough, and gives what
the values one by one would give.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_CURVE_POINTS = 200


def gini(values: Values, weights: Values | None = None) -> float:
    """Return the Gini coefficient: 0 = all equal, towards 1 = one has all; NaN if all are 0."""
    ordered, weight = _ordered(values, weights)
    total, count = float((ordered * weight).sum()), float(weight.sum())
    if total <= 0:
        return float("nan")
    # The sum of the places, from 1, that the `weight` equal values take.
    places = weight * (2 * np.cumsum(weight) - weight + 1) / 2
    return float(2 * (places * ordered).sum() / (count * total) - (count + 1) / count)


def variation(values: Values, weights: Values | None = None) -> float:
    """Return the coefficient of variation, standard deviation over mean; NaN if all are 0."""
    weight = np.ones(len(values)) if weights is None else weights
    total, count = float((values * weight).sum()), float(weight.sum())
    if total <= 0:
        return float("nan")
    mean = total / count
    return float(np.sqrt((weight * (values - mean) ** 2).sum() / count) / mean)


def top_share(values: Values, share: float, weights: Values | None = None) -> float:
    """Return what part of the sum the largest `share` of all values has (at least one value); NaN if all are 0."""
    ordered, weight = _ordered(values, weights)
    total, count = float((ordered * weight).sum()), float(weight.sum())
    if total <= 0:
        return float("nan")
    most = max(1.0, float(round(share * count)))
    largest, taken = ordered[::-1], weight[::-1]
    before = np.cumsum(taken) - taken
    return float((largest * np.clip(most - before, 0, taken)).sum() / total)


def lorenz(values: Values, weights: Values | None = None) -> tuple[Values, Values]:
    """Return (share of values, their share of the sum), least first, both from 0 to 1; empty if all are 0."""
    ordered, weight = _ordered(values, weights)
    total = float((ordered * weight).sum())
    if total <= 0:
        return np.empty(0), np.empty(0)
    x, y = np.cumsum(weight) / weight.sum(), np.cumsum(ordered * weight) / total
    return np.append(0.0, x), np.append(0.0, y)


def curve(values: Values, weights: Values | None = None) -> tuple[Values, Values]:
    """Return the Lorenz curve at no more points than a figure can show, the most loaded shown most closely."""
    x, y = lorenz(values, weights)
    if len(x) <= _CURVE_POINTS:
        return x, y
    half = _CURVE_POINTS // 2
    wanted = np.concatenate([np.linspace(0, 1, half), 1 - np.geomspace(1e-6, 1, half)])
    at = np.unique(np.append([0, len(x) - 1], np.searchsorted(x, wanted).clip(max=len(x) - 1)))
    return x[at], y[at]


def _ordered(values: Values, weights: Values | None) -> tuple[Values, Values]:
    if weights is None:
        return np.sort(values), np.ones(len(values))
    order = np.argsort(values, kind="stable")
    return values[order], weights[order]
