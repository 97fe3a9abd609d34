"""Shares of a sample as shares of what it was drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.binomial import exact_bounds

_OUTSIDE = 0.03
"""Of what is promised to lie outside in 5 of 100 cases: a little less, as requesters are not wholly independent."""


@dataclass(frozen=True, slots=True)
class Shares:
    """For each of n classes its share of the sample, and its exact bounds: float64[n] each, NaN for no sample."""

    share: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def shares_of(counts: Sequence[int], total: int, outside: float = _OUTSIDE) -> Shares:
    """Return the share of each count in `total` independent draws; outside: chance that bounds may miss.

    Bounds are Clopper's and Pearson's (`exact_bounds`). IDs are spread evenly by hashing,
    so that who is in a zone is such a sample of the network.
    """
    hits = np.asarray(counts, np.float64)
    if total <= 0:
        unknown = np.full(len(hits), np.nan)
        return Shares(unknown, unknown.copy(), unknown.copy())
    hits = np.minimum(hits, total)
    return Shares(hits / total, *exact_bounds(hits, total, outside))
