"""How a truth is told: at once from one trial, or from what all trials of a scenario drew together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from montra.validation.estimators.made import Made

Reduce: TypeAlias = Callable[[NDArray[np.float64]], float]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one trial drew of something whose law is not written down: values of all trials together tell the truth.

    So are judged intervals that speak of all zones, of which each trial's is one.
    """

    values: NDArray[np.float64]
    reduce: Reduce


#: Of the runs of a trial, which are at most some zones at some times.
Known: TypeAlias = Callable[[Sequence[Made]], "float | Drawn"]


def mean(values: NDArray[np.float64]) -> float:
    """Return the mean, NaN of none."""
    return float(values.mean()) if len(values) else float("nan")


@dataclass(frozen=True, slots=True)
class Reaches:
    """The share of values that reach one."""

    least: float

    def __call__(self, values: NDArray[np.float64]) -> float:
        """Return the share, NaN of none."""
        return mean((values >= self.least * (1 - 1e-9)).astype(np.float64))


@dataclass(frozen=True, slots=True)
class ReachedBy:
    """The value that a share of all values reaches."""

    share: float

    def __call__(self, values: NDArray[np.float64]) -> float:
        """Return the value, NaN of none."""
        if not len(values):
            return float("nan")
        rank = max(0, int(np.ceil(self.share * len(values))) - 1)
        return float(np.sort(values)[::-1][rank])


class Stated(NamedTuple):
    """A number with its interval, as an analysis states it; truth: None where its name tells it (`truths`)."""

    name: str
    value: float
    low: float
    high: float
    truth: float | Drawn | None = None
