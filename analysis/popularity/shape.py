"""How the popularity of keys is distributed: fits, their comparison and how well they fit, for one way of counting.

The counts are those captured. A share of lookups that is missed at random thins each key's count by the same factor:
exponents and shapes of the tail (alpha, sigma, beta) stay, what is a count (e^mu, tau, cut-off) shrinks by it. Low
counts are bent besides: keys asked for seldom are seen once or never by chance, whatever the family. So the tail is
fitted apart from all keys, and what is said of the tail carries further.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.popularity.compare import Comparison, compare, standing
from analysis.popularity.counts import Counts
from analysis.popularity.families import FAMILIES, POWER_LAW
from analysis.popularity.fit import Fit, fit, interval
from analysis.popularity.goodness import DOUBTFUL, goodness, tail_goodness, tail_spread
from analysis.popularity.rates import Rates, rates_of
from analysis.popularity.tail import LEAST_KEYS, LEAST_VALUES, SURE, Tail, bend, tail_of

ALL, TAIL = "all keys", "tail"

Intervals = dict[str, tuple[float, float]]
"""95 % intervals of parameters by their names."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A family fitted: 95 % intervals of its parameters by name, as far as they are told, and the p of its goodness."""

    fit: Fit
    intervals: Intervals
    goodness: float


@dataclass(frozen=True, slots=True)
class Scope:
    """The counts from a least one up: families fitted, in the order of `FAMILIES`, and their comparisons."""

    name: str
    least: int
    keys: int
    fitted: list[Fitted]
    compared: list[Comparison]

    @property
    def standing(self) -> list[str]:
        """Families that no other is favoured over."""
        return standing(self.compared)

    @property
    def fitting(self) -> list[str]:
        """Families of these that are not doubtful themselves."""
        return [
            one.fit.family for one in self.fitted if not one.goodness < DOUBTFUL and one.fit.family in self.standing
        ]

    @property
    def verdict(self) -> str:
        """What the tests say, in a sentence without numbers."""
        left = self.standing
        best = left[0] if len(left) == 1 else ""
        if not self.fitting:
            nearest = f"; the {best} is the nearest" if best else ""
            return f"None of the four families fits{nearest}."
        if best:
            return f"The {best} fits better than each of the others."
        if POWER_LAW in left and POWER_LAW not in self.fitting:
            return "Which family it is cannot be told, and a power law by itself is doubtful."
        if POWER_LAW in left:
            return "Which family it is cannot be told: a power law suffices, but the others fit no worse."
        return f"Which family it is cannot be told: the {in_words(left)} fit equally well, a power law fits worse."

    @property
    def verdict_in_brief(self) -> str:
        """The same in a few words, for a cell of a table."""
        left = self.standing
        if not self.fitting:
            return "none fits"
        if len(left) == 1:
            return left[0]
        if POWER_LAW in self.fitting:
            return "power law suffices"
        return "not a power law" if POWER_LAW not in left else "power law doubtful"


def in_words(names: list[str]) -> str:
    """Return names as a list in words."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


@dataclass(frozen=True, slots=True)
class Shape:
    """The distribution of one count over keys.

    measure: column of `keys` that is counted; counts: its histogram; tail: where a power law is nearest, None where
    there are too few keys; alpha_low, alpha_high: 95 % interval of its exponent; scopes: what was fitted; withheld: why
    nothing was; rates: the power law of what is behind the counts, None where there is none.
    """

    measure: str
    counts: Counts
    tail: Tail | None
    alpha_low: float
    alpha_high: float
    scopes: list[Scope]
    withheld: str
    rates: Rates | None = None

    @property
    def doubtful(self) -> bool:
        """Tell whether the tail is no power law."""
        return bool(self.scopes) and self.scopes[-1].fitted[0].goodness < DOUBTFUL

    @property
    def rates_doubtful(self) -> bool:
        """Tell whether rates are no power law."""
        return self.rates is not None and self.rates.goodness < DOUBTFUL

    def scope(self, name: str) -> Scope | None:
        """Return what was fitted to all keys or to the tail."""
        return next((one for one in self.scopes if one.name == name), None)


def shape_of(measure: str, counts: Counts, captured: float = 1.0, clump: float = 1.0) -> Shape:
    """Return the distribution of counts; captured: share of lookups captured, 1 if nobody knows; clump: see `rates`.

    The same counts give the same result.
    """
    tail = tail_of(counts)
    if tail is None:
        return Shape(measure, counts, None, math.nan, math.nan, [], _too_few(counts))
    rng = np.random.default_rng(0)
    inside = counts.tail(tail.least)
    low, high = exponent_interval(counts, tail, rng, captured)

    def all_bounds(one: Fit) -> Intervals:
        return {part: interval(counts, one, part) for part in one.known}

    def tail_bounds(one: Fit) -> Intervals:
        # Where it begins was chosen by the counts and for a power law: bounds of other parameters would leave that out.
        return {"alpha": (low, high)} if one.family == POWER_LAW else {}

    plain = goodness(counts, fit(counts, POWER_LAW), rng), tail_goodness(counts, tail, rng)
    scopes = [_scope(ALL, counts, plain[0], all_bounds, rng), _scope(TAIL, inside, plain[1], tail_bounds, rng)]
    return Shape(measure, counts, tail, low, high, scopes, "", rates_of(counts, clump))


def exponent_interval(
    counts: Counts, tail: Tail, rng: np.random.Generator, captured: float = 1.0
) -> tuple[float, float]:
    """Return the 95 % interval of the exponent of a tail of counts: the wider of two.

    One is of the likelihood and takes the tail's beginning as given; the other is of keys drawn with return, its
    beginning sought anew. Downwards it is wider by what misses bend, see `tail.bend`.
    """
    inside = counts.tail(tail.least)
    low, high = interval(inside, fit(inside, POWER_LAW), "alpha")
    apart = SURE * tail_spread(counts, rng)
    return min(low, tail.alpha - apart) - max(0.0, bend(tail, captured)), max(high, tail.alpha + apart)


def _too_few(counts: Counts) -> str:
    if counts.total < LEAST_KEYS:
        return f"fewer than {LEAST_KEYS} keys"
    return f"no {LEAST_KEYS} keys with {LEAST_VALUES} different counts"


def _scope(
    name: str, counts: Counts, plain_goodness: float, bounds: Callable[[Fit], Intervals], rng: np.random.Generator
) -> Scope:
    """Return fits of the counts; plain_goodness: the p of the power law, which is also that of fits at their limit."""
    plain = fit(counts, POWER_LAW)
    fits = [plain, *(fit(counts, family, plain) for family in FAMILIES if family != POWER_LAW)]
    goods = [plain_goodness if one is plain or one.at_limit else goodness(counts, one, rng) for one in fits]
    fitted = [Fitted(one, bounds(one), good) for one, good in zip(fits, goods, strict=True)]
    return Scope(name, int(counts.values[0]), counts.total, fitted, compare(counts, fits))
