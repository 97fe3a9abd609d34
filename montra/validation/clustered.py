"""The interval of a proportion whose trials come in clusters that may share their fate, as lookups of one key do."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from montra.validation.wilson import bounds


@dataclass(frozen=True, slots=True)
class Clustered:
    """A share (NaN for no trials) over trials in `clusters`, keys here, as good as `effective` independent ones.

    low, high: its 95 % bounds.
    """

    clusters: int
    trials: int
    effective: float
    share: float
    low: float
    high: float

    def __str__(self) -> str:
        if not self.trials:
            return "none"
        return f"95 % {self.low:.1%} to {self.high:.1%} ({self.clusters} keys, as {self.effective:.0f})"


def clustered(clusters: Iterable[tuple[int, int]]) -> Clustered:
    """Return the proportion of clusters, each (hits, trials), with the Wilson interval of n / deff trials.

    deff = 1 + (m - 1) rho (L. Kish, Survey Sampling, 1965, section 5.4), m = sum n_i^2 / n for unequal clusters, rho
    the ANOVA estimate of the intraclass correlation (A. Donner, Int. Stat. Rev. 54, 1986) within [0, 1]. Where all
    trials ended alike, or there is one cluster, the data say nothing about rho: it is taken as 1, so that n / deff is
    Kish's (sum n_i)^2 / sum n_i^2. A handful of failures says little about rho too, so the interval is no narrower
    than the plain one, but may be than the truth.
    """
    sizes = [(hits, trials) for hits, trials in clusters if trials]
    hits, trials = sum(hit for hit, _ in sizes), sum(size for _, size in sizes)
    if not trials:
        return Clustered(0, 0, 0.0, math.nan, 0.0, 1.0)
    weighted_size = sum(size * size for _, size in sizes) / trials
    effective = trials / (1 + (weighted_size - 1) * _correlation(sizes))
    low, high = bounds(hits / trials, effective)
    return Clustered(len(sizes), trials, effective, hits / trials, low, high)


def _correlation(sizes: list[tuple[int, int]]) -> float:
    """Return the intraclass correlation of trials in non-empty clusters (hits, trials)."""
    hits, trials = sum(hit for hit, _ in sizes), sum(size for _, size in sizes)
    if len(sizes) == 1 or hits in (0, trials):
        return 1.0
    if len(sizes) == trials:
        return 0.0  # nothing is in one cluster with anything else
    share = hits / trials
    between = sum(size * (hit / size - share) ** 2 for hit, size in sizes) / (len(sizes) - 1)
    within = sum(hit * (1 - hit / size) for hit, size in sizes) / (trials - len(sizes))
    mean_size = (trials - sum(size * size for _, size in sizes) / trials) / (len(sizes) - 1)
    return min(1.0, max(0.0, (between - within) / (between + (mean_size - 1) * within)))
