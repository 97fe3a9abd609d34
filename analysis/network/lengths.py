"""How long nodes stay: distributions of lengths of which some are known only to exceed the time that was left.

Two estimators stand side by side, because each supposes something else.

- The *create-based method* (Roselli, Lorch and Anderson, USENIX 2000; Saroiu, Gummadi and Gribble, MMCN 2002; Stutzbach
  and Rejaie, IMC 2006) takes only stays that began early enough to be watched for half of the window, so that lengths
  up to that are all known. It supposes nothing, and says nothing of longer ones.
- *Kaplan and Meier's* estimator (JASA 1958) takes all that began within the window and counts each as long as it was
  watched. It reaches further, and supposes that who comes late in the window stays as long as who comes early.

Both take stays that began after the ramp only, for of the others nobody knows the age, and only those longer than
`Rhythm.shortest_s`, for of shorter ones crawls miss some. What they describe is the length of a stay of which it is
known that it lasts so long at least.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.network.shares import shares_of

_OUTSIDE = 0.03
_Z = 2.170090377584560
"""Bounds of 95 % are made as those of 97 %: these hold what they say in the middle of a curve only, and less in the
tail, where few are left and variances are estimated too small (Strawderman, Parzen and Wells, Biometrics 1997)."""

LEAST_STAYS = 20
"""With fewer, nothing is told."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """n stays that began in a settled time and lasted `shortest_s` at least.

    seconds float64[n]: how long, or how long it was watched; ended bool[n]: whether it ended then; watched_s
    float64[n]: how long it could have been watched, for a node that went out of sight only until then; shortest_s: that
    nothing shorter is among them; doubtful: of how many the beginning may be that of being found rather than of coming;
    step_s: how exactly lengths are known.
    """

    seconds: NDArray[np.float64]
    ended: NDArray[np.bool_]
    watched_s: NDArray[np.float64]
    shortest_s: float
    step_s: float
    doubtful: float = 0.0


@dataclass(frozen=True, slots=True)
class Survival:
    """An estimate of the share of stays that last longer, with 95 % bounds at each length.

    seconds float64[k], rising, from the shortest on; share, low, high float64[k]: from that length to the next;
    until_s: nothing is told beyond; stays: how many it is from.
    """

    seconds: NDArray[np.float64]
    share: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    until_s: float
    stays: int

    def at(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (share, low, high) float64[3, n] at these lengths, NaN beyond what is told."""
        place = np.searchsorted(self.seconds, seconds, side="right") - 1
        found = np.stack([self.share, self.low, self.high])[:, np.maximum(place, 0)]
        return np.where((place >= 0) & (seconds <= self.until_s), found, np.nan)


def thinned(found: Survival, most: int) -> Survival:
    """Return the same with so many steps at most, spread evenly over the stays; each kept one is exact."""
    if len(found.seconds) <= most:
        return found
    kept = np.unique(np.linspace(0, len(found.seconds) - 1, most).round().astype(np.intp))
    return Survival(
        found.seconds[kept], found.share[kept], found.low[kept], found.high[kept], found.until_s, found.stays
    )


def create_based(lengths: Lengths, half_s: float) -> Survival | None:
    """Return the survival by stays that could be watched for `half_s`; None for too few.

    Bounds are those of a binomial share (Clopper and Pearson 1934), at each length by itself.
    """
    early = lengths.watched_s >= half_s
    n = int(early.sum())
    if n < LEAST_STAYS or half_s <= lengths.shortest_s:
        return None
    known = np.sort(lengths.seconds[early & lengths.ended & (lengths.seconds <= half_s)])
    at = np.unique(np.append(lengths.shortest_s, known))
    longer = n - np.searchsorted(known, at, side="right")
    low, high = _binomial(longer, n)
    return Survival(at, longer / n, low, high, half_s, n)


def kaplan_meier(lengths: Lengths) -> Survival | None:
    """Return the product-limit estimate; None for too few.

    Bounds by Greenwood's variance of log(-log) (Kalbfleisch and Prentice 1980), at each length by itself. It ends where
    fewer than `LEAST_STAYS` are still watched.
    """
    n = len(lengths.seconds)
    if n < LEAST_STAYS:
        return None
    at, deaths = np.unique(lengths.seconds[lengths.ended], return_counts=True)
    # who is last seen at a length was still there at it
    at_risk = n - np.searchsorted(np.sort(lengths.seconds), at, side="left")
    told = at_risk >= LEAST_STAYS
    until_s = float(np.sort(lengths.seconds)[n - LEAST_STAYS])
    at, deaths, at_risk = at[told], deaths[told], at_risk[told]
    share = np.cumprod(1 - deaths / at_risk)
    greenwood = np.cumsum(deaths / (at_risk * np.maximum(at_risk - deaths, 0.5)))
    inner = np.clip(share, 1e-12, 1 - 1e-12)
    spread = _Z * np.sqrt(greenwood) / np.abs(np.log(inner))
    low, high = inner ** np.exp(spread), inner ** np.exp(-spread)
    first = np.array([lengths.shortest_s])
    # before the first end: the bound of none of n
    least = _binomial(np.array([n]), n)[0]
    return Survival(
        np.concatenate([first, at]),
        np.append(1.0, share),
        np.append(least, low),
        np.append(1.0, high),
        until_s,
        n,
    )


def quantile(found: Survival, lengths: Lengths, share: float) -> tuple[float, float, float]:
    """Return the length that `share` of the stays do not exceed, and its bounds; NaN if it is not reached.

    They are where the bounds of the survival fall to it (Brookmeyer and Crowley 1982); an upper bound that is not
    reached is infinite. Both are moved out by one crawl, as exactly as
    lengths are known, and by the stays whose beginning is in doubt, wherever these would lie.
    """
    doubt = min(0.5, lengths.doubtful / found.stays)
    least, most = share * (1 - doubt), share * (1 - doubt) + doubt
    value = _falls_to(found, found.share, 1 - share)
    low = _falls_to(found, found.low, 1 - least)
    high = _falls_to(found, found.high, 1 - most)
    if np.isnan(value):
        return np.nan, np.nan, np.nan
    low = lengths.shortest_s if np.isnan(low) else max(lengths.shortest_s, low - lengths.step_s)
    return value, min(low, value), np.inf if np.isnan(high) else high + lengths.step_s


def _falls_to(found: Survival, curve: NDArray[np.float64], level: float) -> float:
    reached = np.flatnonzero(curve <= level)
    return float(found.seconds[reached[0]]) if len(reached) else float("nan")


def _binomial(hits: NDArray[np.int64], n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    told = shares_of(hits.tolist(), n, _OUTSIDE)
    return told.low, told.high
