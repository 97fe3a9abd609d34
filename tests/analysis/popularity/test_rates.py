"""The power law of rates seen through counts: its exponent, interval and goodness."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.popularity.counts import Counts
from analysis.popularity.goodness import DOUBTFUL
from analysis.popularity.rate_numbers import MEASURES, rate_quantities
from analysis.popularity.rates import Rates, rates_of
from analysis.popularity.shape import shape_of
from analysis.popularity.tail import tail_of

TRIALS, HITS = 100, 93
ZIPF = (0.6, 0.8, 1.0)


def rates(zipf: float, keys: int, mean: float) -> NDArray[np.float64]:
    """Return expected lookups of keys by rank, float64[keys]."""
    weight = np.arange(1, keys + 1) ** -zipf
    return np.asarray(weight * (mean * keys / weight.sum()))


@lru_cache(maxsize=1)
def trials() -> list[tuple[float, Rates, Counts]]:
    """Return zipf, what was found and the counts of each trial: 97 % of Poisson lookups are captured."""
    found = []
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        zipf, keys, mean = ZIPF[seed % 3], int(rng.integers(2000, 5001)), rng.uniform(3, 6)
        counts = Counts.of(rng.binomial(rng.poisson(rates(zipf, keys, mean)), 0.97))
        one = rates_of(counts)
        assert one is not None
        found.append((zipf, one, counts))
    return found


def test_the_interval_holds_the_exponent_of_the_rates() -> None:
    hits = sum(one.low <= 1 + 1 / zipf <= one.high for zipf, one, _ in trials())
    ranked = [(zipf, *one.rank_exponent) for zipf, one, _ in trials()]
    assert hits >= HITS
    assert sum(low <= zipf <= high for zipf, _, low, high in ranked) == hits


@pytest.mark.parametrize("zipf", ZIPF)
def test_the_exponent_is_right_on_average_and_that_of_counts_is_not(zipf: float) -> None:
    mine = [(one, counts) for true, one, counts in trials() if true == zipf]
    assert np.mean([one.tail.alpha for one, _ in mine]) == pytest.approx(1 + 1 / zipf, abs=0.02)
    assert np.mean([one.high - one.low for one, _ in mine]) < 0.5
    tails = [tail_of(counts) for _, counts in mine]
    assert np.mean([tail.alpha for tail in tails if tail is not None]) > 1 + 1 / zipf + 0.03


def test_rates_of_a_power_law_are_not_doubted() -> None:
    assert sum(one.goodness < DOUBTFUL for _, one, _ in trials()) <= 10


def test_rates_of_a_log_normal_law_are_doubted() -> None:
    rng = np.random.default_rng(0)
    counts = Counts.of(rng.poisson(rng.lognormal(3.0, 0.6, 3000)))
    found = rates_of(counts)
    assert found is None or found.goodness < DOUBTFUL or found.tail.keys < 300


def test_clumps_of_one_requester_are_taken_out() -> None:
    found = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        requesters = rng.poisson(rates(0.8, 3000, 3.0))
        # Each asks again with one chance in two: on average one in whose place three are seen from one of them.
        again = rng.negative_binomial(np.maximum(1, requesters), 0.5) * (requesters > 0)
        counts = Counts.of(requesters + again)
        clumped, single = rates_of(counts, 3.0), rates_of(counts)
        assert clumped is not None
        assert single is not None
        found.append((clumped.tail.alpha, single.tail.alpha, clumped.low <= 2.25 <= clumped.high))
    taken_out, left_in, hits = np.mean(found, axis=0)
    assert 2.2 < taken_out < left_in - 0.02
    assert taken_out < 2.34
    assert hits > 0.9


def test_too_few_keys_are_withheld_with_a_reason() -> None:
    few = Counts.of(np.random.default_rng(0).poisson(rates(0.8, 45, 4.0)))
    assert rates_of(few) is None
    (exponent,) = rate_quantities(shape_of("lookups", few))
    assert (exponent.told, exponent.withheld) == (False, "fewer than 50 keys")
    same = Counts.of(np.full(500, 3))
    assert rates_of(same) is None


def test_the_numbers_say_what_they_are() -> None:
    counts = Counts.of(np.random.default_rng(3).poisson(rates(0.8, 3000, 5.0)))
    for measure in MEASURES:
        numbers = {one.name: one for one in rate_quantities(shape_of(measure, counts))}
        alpha, rank = numbers[f"{measure}_rate_exponent"], numbers[f"{measure}_rate_rank_exponent"]
        assert alpha.low < 2.25 < alpha.high
        assert rank.low < 0.8 < rank.high
        assert rank.value == pytest.approx(1 / (alpha.value - 1))
        assert "rate" in alpha.meaning
        assert numbers[f"{measure}_rate_power_law_p"].value >= DOUBTFUL


def test_the_same_counts_give_the_same_result() -> None:
    _, found, counts = trials()[0]
    assert rates_of(counts) == found


def test_many_different_counts_are_quickly_done() -> None:
    rng = np.random.default_rng(1)
    counts = Counts.of(rng.poisson(rates(1.0, 1_000_000, 20.0)))
    found = rates_of(counts)
    assert found is not None
    assert found.low < 2.0 < found.high
