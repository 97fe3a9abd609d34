"""Which family fits better, by likelihood-ratio tests; and where that cannot be told.

Sources: Clauset, Shalizi and Newman 2009, section 5; Vuong 1989.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

from scipy.stats import chi2, norm

from analysis.popularity.counts import Counts
from analysis.popularity.families import POWER_LAW
from analysis.popularity.fit import Fit

LEVEL = 0.05
"""Below this p one family is favoured over another."""

NOT_TOLD = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two families fitted to the same counts.

    ratio: ln likelihood of the first less that of the second; p: chance of so great a difference if both were as good;
    nested: whether the first is a limit of the second, so that it can never be favoured, only suffice; favours: the one
    that fits better, "" where it cannot be told.
    """

    first: str
    second: str
    ratio: float
    p: float
    nested: bool
    favours: str


def compare(counts: Counts, fits: list[Fit]) -> list[Comparison]:
    """Return the comparison of each pair of fits of the same counts, the power law first.

    The power law is a limit of each other family. So it is compared by the likelihood-ratio test of nested models, with
    one degree of freedom, which errs to its side as the limit is at the edge. The others are compared by Vuong's test,
    and only if one of them is better than the power law: else both may be the power law, and a difference means
    nothing (Vuong's test in two steps for overlapping models).
    """
    plain = next(fit for fit in fits if fit.family == POWER_LAW)
    others = [fit for fit in fits if fit is not plain]
    found = [_nested(plain, other) for other in others]
    bent = {one.second for one in found if one.favours}
    pairs = combinations(others, 2)
    return found + [_apart(counts, one, other, bool(bent & {one.family, other.family})) for one, other in pairs]


def standing(found: list[Comparison]) -> list[str]:
    """Return the families that no other is favoured over, in their order."""
    names = dict.fromkeys(name for one in found for name in (one.first, one.second))
    beaten = {({one.first, one.second} - {one.favours}).pop() for one in found if one.favours}
    return [name for name in names if name not in beaten]


def _nested(plain: Fit, other: Fit) -> Comparison:
    gain = max(0.0, other.log_likelihood - plain.log_likelihood)
    p = float(chi2.sf(2 * gain, 1))
    return Comparison(plain.family, other.family, -gain, p, True, other.family if p < LEVEL else NOT_TOLD)


def _apart(counts: Counts, first: Fit, second: Fit, either_bent: bool) -> Comparison:
    difference = first.log_probability(counts.values) - second.log_probability(counts.values)
    share = counts.keys / counts.total
    mean = float(share @ difference)
    spread = math.sqrt(max(0.0, float(share @ (difference - mean) ** 2)))
    ratio = counts.total * mean
    p = float(2 * norm.sf(abs(ratio) / (spread * math.sqrt(counts.total)))) if spread > 0 else 1.0
    told = either_bent and p < LEVEL
    favours = (first.family if ratio > 0 else second.family) if told else NOT_TOLD
    return Comparison(first.family, second.family, ratio, p, False, favours)
