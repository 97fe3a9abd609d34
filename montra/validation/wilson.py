"""Proportions with an interval that stays honest near 0 and 1, where capture rates live."""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Two-sided 95 % quantile of the normal distribution.
Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Proportion:
    """`hits` of `trials`, their share (NaN for no trials), and the bounds of the 95 % Wilson score interval."""

    hits: int
    trials: int
    share: float
    low: float
    high: float

    def __str__(self) -> str:
        if not self.trials:
            return "none"
        return f"{self.share:.1%} ({self.hits} of {self.trials}; 95 % {self.low:.1%} to {self.high:.1%})"


def wilson(hits: int, trials: int, z: float = Z95) -> Proportion:
    """Return the proportion with its score interval (E. B. Wilson, JASA 22, 1927), 0 to 1 for no trials.

    Raises ValueError unless 0 <= hits <= trials.
    """
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} of {trials} is no proportion")
    if not trials:
        return Proportion(0, 0, math.nan, 0.0, 1.0)
    return Proportion(hits, trials, hits / trials, *bounds(hits / trials, trials, z))


def bounds(share: float, trials: float, z: float = Z95) -> tuple[float, float]:
    """Return the score interval of a share of `trials`, which may be an effective number and then no whole one."""
    squared = z * z
    centre = (share + squared / (2 * trials)) / (1 + squared / trials)
    half = z / (1 + squared / trials) * math.sqrt(share * (1 - share) / trials + squared / (4 * trials * trials))
    # the bounds are exactly 0 and 1 at the ends; floating point misses them by a hair
    low = 0.0 if share == 0 else centre - half
    high = 1.0 if share == 1 else centre + half
    return low, high
