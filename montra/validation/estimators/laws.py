"""Distributions of times and of popularity, with what is true of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Law(Protocol):
    """How long something lasts."""

    @property
    def mean(self) -> float:
        """The mean."""
        ...

    def quantile(self, share: float) -> float:
        """Return the time that this share does not exceed."""
        ...

    def beyond(self, time: float) -> float:
        """Return the share that lasts longer."""
        ...

    def draw(self, rng: np.random.Generator, n: int) -> Floats:
        """Return n times, float64[n]."""
        ...

    def draw_met(self, rng: np.random.Generator, n: int) -> Floats:
        """Return n whole lengths of what is met at a random moment: long ones are met more often."""
        ...


@dataclass(frozen=True, slots=True)
class Weibull:
    """A Weibull distribution; shape 1 is the exponential one."""

    scale: float
    shape: float = 1.0

    @property
    def mean(self) -> float:
        """The mean."""
        return self.scale * math.gamma(1 + 1 / self.shape)

    def quantile(self, share: float) -> float:
        """Return the time that this share does not exceed."""
        return float(self.scale * (-math.log1p(-share)) ** (1 / self.shape))

    def beyond(self, time: float) -> float:
        """Return the share that lasts longer."""
        return math.exp(-((time / self.scale) ** self.shape))

    def draw(self, rng: np.random.Generator, n: int) -> Floats:
        """Return n times."""
        return np.asarray(self.scale * rng.weibull(self.shape, n), np.float64)

    def draw_met(self, rng: np.random.Generator, n: int) -> Floats:
        """Return n whole lengths met at a random moment: (x / scale)**shape is then Gamma(1 + 1 / shape)."""
        return np.asarray(self.scale * rng.gamma(1 + 1 / self.shape, size=n) ** (1 / self.shape), np.float64)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """A log-normal distribution: of the logarithm, sigma is the standard deviation; median: of the times."""

    median: float
    sigma: float

    @property
    def mean(self) -> float:
        """The mean."""
        return self.median * math.exp(self.sigma**2 / 2)

    def quantile(self, share: float) -> float:
        """Return the time that this share does not exceed."""
        return self.median * math.exp(self.sigma * NormalDist().inv_cdf(share))

    def beyond(self, time: float) -> float:
        """Return the share that lasts longer."""
        return 1 - NormalDist(math.log(self.median), self.sigma).cdf(math.log(time)) if time > 0 else 1.0

    def draw(self, rng: np.random.Generator, n: int) -> Floats:
        """Return n times."""
        return np.asarray(rng.lognormal(math.log(self.median), self.sigma, n), np.float64)

    def draw_met(self, rng: np.random.Generator, n: int) -> Floats:
        """Return n whole lengths met at a random moment: log-normal again, its logarithm sigma**2 greater."""
        return np.asarray(rng.lognormal(math.log(self.median) + self.sigma**2, self.sigma, n), np.float64)


@dataclass(frozen=True, slots=True)
class Popularity:
    """How often keys are asked for, in a window: counts from `least` on, P[n] in proportion to a tail of one family.

    family: "power_law" n**-a; "power_law_cut_off" n**-a exp(-b n); "log_normal" exp(-(ln n - a)**2 / (2 b**2)) / n;
    "stretched_exponential" n**(a-1) exp(-b n**a). Or "zipf_rates": Poisson counts, 0 too, of rates that fall with
    the key's rank as rank**-a, of mean b.
    """

    family: str
    a: float
    b: float = 0.0
    least: int = 1

    def draw(self, rng: np.random.Generator, n: int, most: int = 100_000) -> NDArray[np.int64]:
        """Return n counts, int64[n]: exactly of the law, cut at `most`."""
        if self.family == "zipf_rates":
            rates = np.arange(1, n + 1) ** -self.a
            return rng.poisson(rng.permutation(self.b * n / rates.sum() * rates)).astype(np.int64)
        counts = np.arange(self.least, most + 1, dtype=np.float64)
        logs = np.log(counts)
        if self.family == "power_law":
            weight = -self.a * logs
        elif self.family == "power_law_cut_off":
            weight = -self.a * logs - self.b * counts
        elif self.family == "log_normal":
            weight = -((logs - self.a) ** 2) / (2 * self.b**2) - logs
        elif self.family == "stretched_exponential":
            weight = (self.a - 1) * logs - self.b * counts**self.a
        else:
            raise ValueError(f"{self.family!r} is no family of distributions")
        share = np.cumsum(np.exp(weight - weight.max()))
        at = np.searchsorted(share, rng.random(n) * share[-1], side="right")
        return np.asarray(self.least + at, np.int64)
