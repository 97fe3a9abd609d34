"""Where a power-law tail begins, its exponent with interval, and whether it fits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import powerlaw
import pytest

from analysis.popularity.counts import Counts
from analysis.popularity.families import LOG_NORMAL, POWER_LAW
from analysis.popularity.fit import fit, of_parameters
from analysis.popularity.goodness import DOUBTFUL, goodness, tail_goodness
from analysis.popularity.shape import exponent_interval
from analysis.popularity.tail import Tail, bend, starts, tail_of

TRIALS, HITS = 100, 93


def bent(keys: int, rng: np.random.Generator) -> Counts:
    """Return counts that are a power law from 10 up only, and as frequent as one another below."""
    tail = of_parameters(POWER_LAW, 10, 1.9).draw(2 * keys // 5, rng)
    body = rng.integers(1, 10, keys - tail.total)
    return Counts.of(np.concatenate([body, np.repeat(tail.values, tail.keys)]))


def pure(keys: int, rng: np.random.Generator) -> Counts:
    return of_parameters(POWER_LAW, 1, 2.2).draw(keys, rng)


@pytest.mark.parametrize(("draw", "alpha"), [(bent, 1.9), (pure, 2.2)])
def test_the_interval_holds_the_exponent_though_the_beginning_was_sought(
    draw: Callable[[int, np.random.Generator], Counts], alpha: float
) -> None:
    rng, hits = np.random.default_rng(1), 0
    for _ in range(TRIALS):
        counts = draw(1000, rng)
        tail = tail_of(counts)
        assert tail is not None
        low, high = exponent_interval(counts, tail, rng)
        hits += low <= alpha <= high
    assert hits >= HITS


def test_the_tail_begins_where_the_power_law_does() -> None:
    tail = tail_of(bent(100_000, np.random.default_rng(2)))
    assert tail is not None
    assert 10 <= tail.least <= 16
    assert tail.alpha == pytest.approx(1.9, abs=0.03)


@pytest.mark.filterwarnings("ignore:Standard error for the MLE:DeprecationWarning")
def test_the_library_powerlaw_finds_the_same_tail() -> None:
    counts = bent(1500, np.random.default_rng(3))
    theirs = powerlaw.Fit(np.repeat(counts.values, counts.keys), discrete=True, verbose=0)
    tail = tail_of(counts, np.array([int(theirs.xmin)]))
    assert tail is not None
    assert tail.alpha == pytest.approx(theirs.power_law.alpha, abs=2e-3)
    best = tail_of(counts)
    assert best is not None
    assert best.distance <= tail.distance


def test_misses_bend_small_counts_by_a_little() -> None:
    rng = np.random.default_rng(5)
    true = pure(2_000_000, rng)
    counts = Counts.of(rng.binomial(np.repeat(true.values, true.keys), 0.8))
    for least in (1, 2, 5):
        tail = tail_of(counts, np.array([least]))
        assert tail is not None
        expected = bend(Tail(least, tail.keys, 2.2, 0), 0.8)
        assert tail.alpha - 2.2 == pytest.approx(expected, abs=0.006)
        assert 0.01 < expected < 0.06
    assert bend(Tail(1, 100, 2.2, 0), 1.0) == 0
    assert bend(Tail(100, 100, 2.2, 0), 0.5) == 0


def test_too_few_keys_or_too_few_counts_make_no_tail() -> None:
    assert tail_of(Counts.of(np.arange(1, 45))) is None
    assert tail_of(Counts.of(np.array([1, 2, 3, 4] * 100))) is None
    assert tail_of(Counts.of(np.zeros(0, np.int64))) is None


def test_beginnings_of_many_counts_are_few_and_leave_fifty_keys() -> None:
    counts = Counts.of(np.arange(1, 100_000))
    begins = starts(counts)
    assert begins[:16].tolist() == list(range(1, 17))
    assert len(begins) <= 32
    assert begins[-1] == 100_000 - 50


def test_a_power_law_fits_itself_and_no_log_normal() -> None:
    rng = np.random.default_rng(4)
    good = [tail_goodness(counts := bent(1000, rng), tail_of(counts), rng) for _ in range(20)]
    assert sum(p < DOUBTFUL for p in good) <= 5
    assert np.mean(good) > 0.3
    counts = of_parameters(LOG_NORMAL, 1, 1.5, 1.0).draw(5000, rng)
    assert goodness(counts, fit(counts, POWER_LAW), rng) == pytest.approx(1 / 41)
    assert goodness(counts, fit(counts, LOG_NORMAL), rng) > DOUBTFUL
