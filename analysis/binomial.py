"""Exact bounds of shares of independent trials, for any chapter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv


def exact_bounds(hits: NDArray[Any], trials: float, outside: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the bounds of shares (Clopper and Pearson 1934): never too narrow, whatever the share; float64[n] each.

    hits: numbers from 0 to trials [n], not whole ones too; trials: above 0; outside: chance that bounds may miss.
    """
    low = np.where(hits > 0, betaincinv(np.maximum(hits, 1e-9), trials - hits + 1, outside / 2), 0.0)
    high = np.where(hits < trials, betaincinv(hits + 1, np.maximum(trials - hits, 1e-9), 1 - outside / 2), 1.0)
    return low, high
