"""How long nodes stay: session lengths, and who is up when, in a network that neither grows nor shrinks.

Session lengths of peer-to-peer nodes fit a Weibull distribution with a shape well below 1 (Stutzbach and Rejaie,
"Understanding Churn in Peer-to-Peer Networks", IMC 2006; Steiner, En-Najjary and Biersack, "Long Term Study of Peer
Behavior in the KAD DHT", ToN 2009). Two published quantiles fix scale and shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Sessions:
    """A Weibull distribution of session lengths: P(longer than t) = exp(-(t / scale_s) ** shape)."""

    scale_s: float
    shape: float

    @classmethod
    def of_quantiles(cls, median_s: float, long_s: float, long_share: float) -> Sessions:
        """Return the distribution whose median is `median_s` and whose share above `long_s` is `long_share`."""
        shape = math.log(-math.log(long_share) / math.log(2)) / math.log(long_s / median_s)
        return cls(median_s / math.log(2) ** (1 / shape), shape)

    @property
    def mean_s(self) -> float:
        """Return the mean session length."""
        return self.scale_s * math.gamma(1 + 1 / self.shape)

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return the lengths of `n` sessions that begin now, seconds."""
        return self.scale_s * rng.weibull(self.shape, n)

    def draw_running(self, n: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (age, rest) in seconds of `n` sessions met at a moment of a stationary network.

        A session is met with a chance proportional to its length. Of lengths so biased the power `shape` is gamma
        distributed, and the moment lies anywhere in the session.
        """
        length = self.scale_s * rng.gamma(1 + 1 / self.shape, size=n) ** (1 / self.shape)
        age = length * rng.random(n)
        return age, length - age

    def intervals(
        self, live: int, from_s: float, until_s: float, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (up, down) in seconds of all sessions that touch [from_s, until_s), with `live` up at any time.

        Arrivals are a Poisson process at the rate at which sessions end.
        """
        age, rest = self.draw_running(live, rng)
        arrivals = rng.poisson(live * (until_s - from_s) / self.mean_s)
        up = from_s + (until_s - from_s) * np.sort(rng.random(arrivals))
        return np.concatenate([from_s - age, up]), np.concatenate([from_s + rest, up + self.draw(arrivals, rng)])
