"""How long datagrams take, and which are lost."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

#: Nothing on the Internet is nearer than this.
_LEAST_S = 0.001


class Wire:
    """Delay is the sum of the two ends' access delays, lognormal with half the median one-way delay each.

    Loss strikes each datagram alone.
    """

    def __init__(self, delay_s: float, jitter: float, loss: float, rng: random.Random) -> None:
        self._median = delay_s / 2
        self._sigma = jitter
        self._loss = loss
        self._rng = rng
        self.ours_ns = max(1, round(self._median * 1e9))  # the instrument's own end

    def ends_ns(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw the access delays of `n` nodes, int64[n]."""
        drawn = self._median * np.exp(self._sigma * rng.standard_normal(n))
        return np.rint(np.clip(drawn, _LEAST_S / 2, 2.0) * 1e9).astype(np.int64)

    def end_ns(self) -> int:
        """Draw the access delay of one more node."""
        drawn = self._median * self._rng.lognormvariate(0.0, self._sigma)
        return round(min(max(drawn, _LEAST_S / 2), 2.0) * 1e9)

    def lost(self) -> bool:
        """Return whether the next datagram is lost."""
        return self._rng.random() < self._loss
