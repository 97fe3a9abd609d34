"""Sums over all counts from a least one up to infinity, for weights that have no closed form."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_WHOLE = 512
_PANEL, _NODES, _REACH = 0.5, 6, 64.0


class Support:
    """The counts from `least` up: the first 512 one by one, those beyond as an integral over their logarithm.

    A sum from N is the integral from N - 1/2 but for a part of 1/N^2. y float64[m]: ln(count / least) of the points,
    rising; weight float64[m]: of each in a sum. The integral ends at e^64 times the least count.
    """

    def __init__(self, least: int) -> None:
        self.least = least
        whole = least + np.arange(_WHOLE)
        start = np.log((least + _WHOLE - 0.5) / least)
        self._edges = np.append(np.arange(start, _REACH, _PANEL), _REACH)
        places, weights = np.polynomial.legendre.leggauss(_NODES)
        half = np.diff(self._edges) / 2
        y = (self._edges[:-1] + half)[:, None] + half[:, None] * places
        over = (half[:, None] * weights * least * np.exp(y)).ravel()
        self.y = np.concatenate([np.log(whole / least), y.ravel()])
        self.weight = np.concatenate([np.ones(_WHOLE), over])

    def log_sum(self, log_weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return ln of the sum of exp(log_weights[m]), and the share of each point in it, float64[m]."""
        most = log_weights.max()
        terms = np.exp(log_weights - most) * self.weight
        total = terms.sum()
        return float(most + np.log(total)), terms / total

    def at_least(self, shares: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the share of counts that are at least so large, for counts int64[k] >= least."""
        whole, log_edges = self._survival(shares)
        offset = counts - self.least
        beyond = np.interp(np.log((counts - 0.5) / self.least), self._edges, log_edges)
        return np.where(offset < _WHOLE, whole[np.minimum(offset, _WHOLE)], np.exp(beyond))

    def draw(self, shares: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return a histogram of n counts drawn by these shares: int64[2, d], values (rising) and how often each."""
        whole, log_edges = self._survival(shares)
        cells = np.maximum(0.0, -np.diff(np.append(whole, 0.0)))
        drawn = rng.multinomial(n, cells / cells.sum())
        level = log_edges[0] + np.log(1.0 - rng.random(drawn[-1]))
        y = np.interp(-level, -log_edges, self._edges)
        # Half a count up, as the integral begins half a count down.
        beyond = np.floor(self.least * np.exp(np.minimum(y, 40.0)) + 0.5).astype(np.int64)
        far, times = np.unique(beyond, return_counts=True)
        some = np.flatnonzero(drawn[:-1])
        return np.array([np.append(self.least + some, far), np.append(drawn[some], times)])

    def _survival(self, shares: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the share of at least each whole point and of what is beyond them [513], and ln of it at each edge."""
        panels = shares[_WHOLE:].reshape(-1, _NODES).sum(axis=1)
        edges = np.append(np.cumsum(panels[::-1])[::-1], 0.0)
        whole = np.append(np.cumsum(shares[:_WHOLE][::-1])[::-1] + edges[0], edges[0])
        # Strictly falling even where nothing is left, so that it can be turned round.
        return whole, np.log(edges + 1e-280) - 1e-9 * np.arange(len(edges))


@lru_cache(maxsize=256)
def support(least: int) -> Support:
    """Return the counts from `least` up; the same object each time."""
    return Support(least)
