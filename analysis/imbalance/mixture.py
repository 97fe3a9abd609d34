"""The rates behind counts: what spread of rates, with chance on top, explains the counts that were seen.

Counts are Poisson about rates of any spread whatever; the spread is found by maximum likelihood over a grid of rates
(the nonparametric estimate of Kiefer and Wolfowitz 1956, by the EM algorithm of Laird 1978). Which rate a count came
from is then drawn from its posterior, with spreads that were fitted to resampled counts, so that the draws carry both
what chance does to each count and what is not known of the spread (Laird and Louis 1987, empirical Bayes bootstrap).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

_STEP = 0.06
"""Rates of the grid differ by this factor above 1; finer ones cannot be told apart by counts below some hundreds."""
_MOST_RATES = 320
_FIRST_ROUNDS, _NEXT_ROUNDS = 60, 20
"""Few rounds from an even start: more of them put all weight on a few rates, which narrows what is drawn."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Counts that are alike.

    count float64[p]; exposure float64[p]: for how long, in any unit; number float64[p]: how many there are; seen_only:
    whether what has a count of 0 is not among them, as keys are not.
    """

    count: NDArray[np.float64]
    exposure: NDArray[np.float64]
    number: NDArray[np.float64]
    seen_only: bool = False


@dataclass(frozen=True, slots=True)
class Spread:
    """Rates a unit of exposure, float64[g], and for each cell and resampling how likely they are.

    likelihood float64[p, g]: of a cell's count at each rate, up to a factor of the cell's; weights float64[g, b]: of
    the rates, a column for each resampling.
    """

    rates: NDArray[np.float64]
    likelihood: NDArray[np.float64]
    weights: NDArray[np.float64]

    def posterior(self, resampling: int) -> NDArray[np.float64]:
        """Return how probable each rate is for each cell, float64[p, g]."""
        joint = self.likelihood * self.weights[:, resampling]
        total: NDArray[np.float64] = joint / joint.sum(axis=1, keepdims=True)
        return total


def spread(cells: Cells, resamplings: int, rng: np.random.Generator) -> Spread:
    """Return the spread of rates behind counts, once for each resampling of them."""
    rates = _grid(cells)
    likelihood = _likelihood(cells, rates)
    start = np.full((len(rates), 1), 1 / len(rates))
    fitted = _fitted(likelihood, cells.number[:, None], start, _FIRST_ROUNDS)
    # Rubin's Bayesian bootstrap (1981): no cell ever falls out, so the spread always explains the largest count.
    resampled = rng.standard_gamma(cells.number[:, None], (len(cells.number), resamplings))
    # A little of the even start stays in, so that a resampling can weigh rates that the first fit has given up.
    begin = np.repeat(0.99 * fitted + 0.01 * start, resamplings, axis=1)
    return Spread(rates, likelihood, _fitted(likelihood, resampled, begin, _NEXT_ROUNDS))


def _grid(cells: Cells) -> NDArray[np.float64]:
    """Return rates from what gives a count rarely to what the largest count can come from."""
    highest = float(((cells.count + 3 * np.sqrt(cells.count) + 3) / cells.exposure).max())
    lowest = 0.03 / float(cells.exposure.max())
    number = min(_MOST_RATES, 2 + int(np.log(highest / lowest) / _STEP))
    return np.geomspace(lowest, highest, number)


def _likelihood(cells: Cells, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    mean = cells.exposure[:, None] * rates
    logs = xlogy(cells.count[:, None], mean) - mean - gammaln(cells.count[:, None] + 1)
    if cells.seen_only:
        logs -= np.log(-np.expm1(-mean))
    likelihood: NDArray[np.float64] = np.exp(logs - logs.max(axis=1, keepdims=True))
    return likelihood


def _fitted(
    likelihood: NDArray[np.float64], number: NDArray[np.float64], weights: NDArray[np.float64], rounds: int
) -> NDArray[np.float64]:
    """Return the weights after some rounds of EM, float64[g, b]; number float64[p, b]."""
    total = number.sum(axis=0)
    for _ in range(rounds):
        weights = weights * (likelihood.T @ (number / (likelihood @ weights))) / total
    return weights
