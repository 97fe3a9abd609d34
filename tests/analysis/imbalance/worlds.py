"""Loads with known truth, and how often intervals hold it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from analysis.imbalance.doubt import Doubt
from analysis.imbalance.estimates import Estimate
from analysis.trust.capture import CaptureRate

TRIALS = 100
LEAST_HITS = 93

Rng = np.random.Generator


def gaps(count: int, rng: Rng) -> np.ndarray:
    """Parts of the key space: powers of two."""
    return 2.0 ** rng.integers(0, 6, count)


def lognormal(count: int, rng: Rng) -> np.ndarray:
    """Skewed rates."""
    return rng.lognormal(0, 1, count)


def hot(count: int, rng: Rng) -> np.ndarray:
    """A few nodes that have half of all load, the rest alike but for gaps."""
    rates = gaps(count, rng)
    rates[: count // 50] *= count / 2
    return rates


def capture_by_trials(share: float, rng: Rng, trials: int = 600) -> CaptureRate:
    """Return a capture rate as measured, with its interval."""
    found = rng.binomial(trials, share) / trials
    half = 1.96 * np.sqrt(found * (1 - found) / trials)
    return CaptureRate(found, found - half, min(1.0, found + half), trials, "canaries")


def no_doubt(counts: np.ndarray) -> Doubt:
    """Return counts of which every destination is sure."""
    none = np.empty(0, np.int64)
    return Doubt(counts, counts, np.zeros(len(counts), np.int64), np.zeros(len(counts)), none, none, none, np.empty(0))


def hits(trial: Callable[[int], Iterable[tuple[str, Estimate, float]]]) -> dict[str, int]:
    """Return in how many of the seeded trials each interval held the truth; a trial gives (name, estimate, truth)."""
    held: dict[str, int] = {}
    for seed in range(TRIALS):
        for name, estimate, truth in trial(seed):
            held[name] = held.get(name, 0) + (estimate.low <= truth <= estimate.high)
    return held
