"""Intervals: known values, and that they hold the truth in 93 of 100 trials and more."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.traffic.intervals import (
    count_bounds,
    divided,
    over_clusters,
    quantile_ranks,
    roughness,
    share_bounds,
    unevenness,
    widened,
)

TRIALS = 100
Floats = NDArray[np.float64]


def test_independent_events_are_even_and_bursts_are_not() -> None:
    rng = np.random.default_rng(0)
    minutes = np.ones(360)
    even = [unevenness(rng.poisson(20, 360), minutes, 60) for _ in range(20)]
    assert 1.0 <= float(np.mean(even)) < 2.5
    # Each minute has three times as many or none: a variance of 20 + 800 of a mean of 20.
    bursts = [unevenness(rng.poisson(60 * (rng.random(360) < 1 / 3)), minutes, 60) for _ in range(20)]
    assert 41 < float(np.mean(bursts)) < 110
    assert min(bursts) > 25


@pytest.mark.parametrize(
    ("days", "rate"),
    [
        (0.25, lambda u: 200 * u),
        (1, lambda u: 50 + 40 * np.sin(2 * np.pi * u)),
        (3, lambda u: 50 + 40 * np.sin(6 * np.pi * u + 1) + 20 * u),
    ],
)
def test_trends_and_the_hour_of_day_are_no_bursts(days: float, rate: Callable[[Floats], Floats]) -> None:
    rng = np.random.default_rng(1)
    width = 60.0 if days < 1 else 300.0 * days
    n = round(days * 86400 / width)
    mean = rate((np.arange(n) + 0.5) / n) * width / 60
    parts = mean[: n // 10 * 10].reshape(10, -1).sum(axis=1)
    assert float(np.var(parts) / np.mean(parts)) > 50  # were it chance
    assert unevenness(rng.poisson(mean), np.full(n, width), width) < 4


def test_too_few_parts_or_events_tell_nothing() -> None:
    assert unevenness(np.array([9, 0, 9, 0, 9, 0, 9]), np.ones(7), 60) == 1.0
    assert unevenness(np.zeros(60, np.int64), np.ones(60), 60) == 1.0
    # Times without exposure are left out.
    counts, exposure = np.array([5, 0, 5, 0, 5, 0, 5] * 4), np.array([1.0, 0, 1, 0, 1, 0, 1] * 4)
    assert unevenness(counts, exposure, 60) == 1.0


def test_a_change_of_level_is_not_rough_and_bursts_are() -> None:
    rng = np.random.default_rng(5)
    minutes = np.ones(60)
    levels = np.repeat([400.0, 200.0], 30)
    assert roughness(rng.poisson(levels), minutes) < 3
    assert unevenness(rng.poisson(levels), minutes) > 5
    assert roughness(rng.poisson(rng.choice([100.0, 300.0], 60)), minutes) > 25
    assert roughness(np.array([9, 0, 9]), np.ones(3)) == 1.0


def test_bounds_of_counts_are_garwoods() -> None:
    assert count_bounds(0, level=0.95) == (0.0, pytest.approx(3.688879, abs=1e-5))
    assert count_bounds(10, level=0.95) == (pytest.approx(4.795389, abs=1e-5), pytest.approx(18.390356, abs=1e-5))
    low, high = count_bounds(1000, 4.0)
    assert (high - low) / (count_bounds(1000)[1] - count_bounds(1000)[0]) == pytest.approx(2, rel=0.02)


def test_bounds_of_shares_are_those_of_clopper_and_pearson() -> None:
    assert share_bounds(5, 10, 0.95) == (pytest.approx(0.187086, abs=1e-5), pytest.approx(0.812914, abs=1e-5))
    assert share_bounds(1, 1900, 0.95)[0] == pytest.approx(0.0253178 / 1900, rel=1e-3)  # -ln(0.975) of a Poisson number
    assert share_bounds(0, 10)[0] == 0.0
    assert share_bounds(10, 10)[1] == 1.0
    assert all(map(math.isnan, share_bounds(0, 0)))
    assert widened(0.5, (0.2, 0.9), 0.0) == (0.2, pytest.approx(0.9))
    assert widened(0.5, (0.2, 0.9), 0.4) == (0.0, 1.0)


def test_bounds_of_a_ratio_join_those_of_both() -> None:
    assert divided((10.0, 8.0, 12.0), (0.5, 0.5, 0.5)) == (20.0, pytest.approx(16.0), pytest.approx(24.0))
    assert divided((10.0, 10.0, 10.0), (0.5, 0.4, 0.8)) == (20.0, pytest.approx(12.5), pytest.approx(25.0))
    assert divided((10.0, 8.0, 12.0), (0.5, 0.0, 0.8)) == (20.0, pytest.approx(20 / math.exp(0.52), rel=0.01), math.inf)
    assert divided((0.0, 0.0, 3.0), (0.5, 0.4, 0.6)) == (0.0, 0.0, pytest.approx(7.5))
    assert all(map(math.isnan, divided((1.0, 0.5, 2.0), (0.0, 0.0, 0.1))))


def test_a_rate_divided_by_a_share_holds_the_truth() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(TRIALS):
        share = rng.binomial(150, 0.7) / 150
        count = rng.poisson(500 * 0.7)
        low, high = count_bounds(count)
        s_low, s_high = share_bounds(share * 150, 150)
        _, least, most = divided((count, low, high), (share, s_low, s_high))
        held += least <= 500 <= most
    assert held >= 93


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
def test_quantiles_hold_the_truth_whatever_the_distribution(share: float) -> None:
    rng = np.random.default_rng(3)
    truth = float(np.exp(2 * 2.3263 if share == 0.01 else 2 * 1.2816 if share == 0.1 else 0.0))
    held = 0
    for _ in range(TRIALS):
        values = np.sort(rng.lognormal(0, 2, 700))[::-1]
        at, least, most = quantile_ranks(700, share)
        assert most < at <= least or share == 0.01
        held += values[least] <= truth <= (values[most] if most >= 0 else math.inf)
    assert held >= 93


def test_ranks_of_a_quantile_that_few_values_reach_have_no_upper_bound() -> None:
    assert quantile_ranks(1000, 0.001) == (0, 4, -1)
    assert quantile_ranks(10, 1.0)[0] == 9


def test_a_share_over_zones_holds_the_truth_where_zones_differ() -> None:
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(TRIALS):
        keys = rng.integers(300, 3000, 6)
        hits = rng.binomial(keys, rng.beta(30, 70, 6))
        _, low, high = over_clusters(hits, keys)
        held += low <= 0.3 <= high
    assert held >= 93


def test_a_share_of_one_zone_or_of_none_has_no_bounds_over_zones() -> None:
    share, low, high = over_clusters(np.array([3]), np.array([10]))
    assert share == 0.3
    assert math.isnan(low)
    assert math.isnan(high)
    assert all(map(math.isnan, over_clusters(np.array([0]), np.array([0]))))
