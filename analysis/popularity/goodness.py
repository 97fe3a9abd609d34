"""Whether a family fits at all, and how sure the tail's exponent is: by counts drawn anew.

Source: Clauset, Shalizi and Newman 2009, sections 3.4 and 4.1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.popularity.counts import Counts
from analysis.popularity.families import POWER_LAW
from analysis.popularity.fit import Fit, fit, refit
from analysis.popularity.tail import Tail, starts, tail_of

MOST_DRAWS, ENOUGH, NONE_OF = 100, 10, 40
"""Draws for a p at most; fewer where 10 of them were farther already, or none of the first 40: p is below 0.1 then."""

RESAMPLED = 40
"""Draws for a standard error, which they tell to a ninth."""

DOUBTFUL = 0.1
"""A p below which a family is said not to fit (the source, section 4.1)."""


def goodness(counts: Counts, fitted: Fit, rng: np.random.Generator) -> float:
    """Return the share of draws from the fit that are farther from their own fit than the counts: the p of the fit.

    counts: those that were fitted; where they begin is taken as given.
    """
    apart = distance(counts, fitted)

    def farther() -> bool:
        drawn = fitted.draw(counts.total, rng)
        begins = len(drawn.values) > 1 and drawn.values[0] == fitted.least
        return begins and distance(drawn, refit(drawn, fitted)) >= apart

    return chance_of(farther)


def tail_goodness(counts: Counts, tail: Tail, rng: np.random.Generator) -> float:
    """Return the same for a power-law tail of all counts: its beginning is sought anew in each draw.

    Below the tail the counts themselves are drawn from.
    """
    below = counts.values < tail.least
    body = Counts(counts.values[below], counts.keys[below])
    fitted = fit(counts.tail(tail.least), POWER_LAW)

    def farther() -> bool:
        inside = int(rng.binomial(counts.total, tail.keys / counts.total))
        drawn, rest = fitted.draw(inside, rng), drawn_again(body, counts.total - inside, rng)
        values = np.concatenate([rest.values, drawn.values])
        found = tail_of(Counts(values, np.concatenate([rest.keys, drawn.keys])))
        return found is not None and found.distance >= tail.distance

    return chance_of(farther)


def tail_spread(counts: Counts, rng: np.random.Generator) -> float:
    """Return the standard error of the tail's exponent, with its beginning sought anew in keys drawn with return."""
    begins = starts(counts)
    found = [tail_of(drawn_again(counts, counts.total, rng), begins) for _ in range(RESAMPLED)]
    return float(np.std([one.alpha for one in found if one is not None]))


def chance_of(happens: Callable[[], bool]) -> float:
    """Return the p of what happened once already: tried until it is known well enough (Besag and Clifford 1991)."""
    times = 0
    for tried in range(1, MOST_DRAWS + 1):
        times += happens()
        if times >= ENOUGH or (tried == NONE_OF and not times):
            break
    return (times + 1) / (tried + 1)


def distance(counts: Counts, fitted: Fit) -> float:
    """Return the greatest distance between the distributions of counts and fit (Kolmogorov-Smirnov)."""
    share = counts.rank() / counts.total
    after = np.append(fitted.least, counts.values[:-1] + 1)
    return float(max(np.abs(fitted.at_least(where) - share).max() for where in (counts.values, after)))


def drawn_again(counts: Counts, n: int, rng: np.random.Generator) -> Counts:
    """Return the counts of n keys drawn with return."""
    if not n:
        return Counts(counts.values[:0], counts.keys[:0])
    drawn = rng.multinomial(n, counts.keys / counts.total)
    return Counts(counts.values[drawn > 0], drawn[drawn > 0])
