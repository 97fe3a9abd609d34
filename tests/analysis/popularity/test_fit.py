"""Fits of the four families: the truth is within the intervals, and an independent library agrees."""

from __future__ import annotations

import math

import numpy as np
import powerlaw
import pytest
from scipy.special import zeta

from analysis.popularity.counts import Counts
from analysis.popularity.families import CUT_OFF, FAMILIES, LOG_NORMAL, POWER_LAW, STRETCHED
from analysis.popularity.fit import fit, interval, of_parameters

TRIALS, HITS = 100, 93
TRUTHS = {
    POWER_LAW: {"alpha": 2.2},
    LOG_NORMAL: {"mu": 1.0, "sigma": 1.2},
    STRETCHED: {"beta": 0.5, "tau": 3.0},
    CUT_OFF: {"alpha": 1.5, "cut": 50.0},
}


@pytest.mark.parametrize("family", list(FAMILIES))
def test_intervals_hold_the_parameters_that_counts_were_drawn_with(family: str) -> None:
    truth, rng = TRUTHS[family], np.random.default_rng(1)
    drawn_from = of_parameters(family, 1, *truth.values())
    hits = dict.fromkeys(truth, 0)
    for _ in range(TRIALS):
        counts = drawn_from.draw(1000, rng)
        fitted = fit(counts, family)
        for name, value in truth.items():
            low, high = interval(counts, fitted, name)
            hits[name] += low <= value <= high
    assert min(hits.values()) >= HITS, hits


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_great_sample_gives_the_parameters_back_from_its_tail_as_well(family: str) -> None:
    truth = TRUTHS[family]
    counts = of_parameters(family, 1, *truth.values()).draw(2_000_000, np.random.default_rng(2))
    for least in (1, 3):
        known = fit(counts.tail(least), family).known
        assert known == pytest.approx(truth, rel=0.06)


def test_the_probabilities_are_those_of_the_zeta_distribution() -> None:
    fitted = of_parameters(POWER_LAW, 3, 1.7)
    values = np.array([3, 4, 514, 515, 10_000, 1_000_000])
    assert np.exp(fitted.log_probability(values)) == pytest.approx(values**-1.7 / zeta(1.7, 3))
    assert fitted.at_least(values) == pytest.approx(zeta(1.7, values) / zeta(1.7, 3), rel=1e-3)


def test_the_probabilities_of_a_log_normal_sum_to_one() -> None:
    fitted = of_parameters(LOG_NORMAL, 2, 3.0, 1.0)
    values = np.arange(2, 100_000)
    share = np.exp(fitted.log_probability(values))
    assert share.sum() == pytest.approx(1, abs=1e-6)
    assert fitted.at_least(values[:2000]) == pytest.approx(np.cumsum(share[::-1])[::-1][:2000], abs=1e-4)


def test_the_library_powerlaw_finds_the_same_power_law_and_log_normal() -> None:
    counts = of_parameters(LOG_NORMAL, 1, 1.0, 1.0).draw(3000, np.random.default_rng(3))
    data = np.repeat(counts.values, counts.keys)
    theirs = powerlaw.Fit(data, xmin=1, discrete=True, discrete_normalization="sum", verbose=0)
    assert fit(counts, POWER_LAW).known["alpha"] == pytest.approx(theirs.power_law.alpha, abs=1e-3)
    ours = fit(counts, LOG_NORMAL)
    # It sums up to the greatest count only, which hardly matters here.
    assert ours.known["mu"] == pytest.approx(theirs.lognormal.mu, abs=0.02)
    assert ours.known["sigma"] == pytest.approx(theirs.lognormal.sigma, abs=0.02)


def test_a_family_at_its_limit_is_the_power_law_and_says_so() -> None:
    # Heavier than any power law: nothing bends it down.
    counts = Counts(np.array([1, 2, 3, 5, 10, 100, 1000, 10_000]), np.array([500, 90, 40, 40, 30, 20, 15, 10]))
    plain = fit(counts, POWER_LAW)
    for family in (LOG_NORMAL, STRETCHED, CUT_OFF):
        fitted = fit(counts, family, plain)
        assert fitted.at_limit
        assert fitted.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-2)
    assert interval(counts, fit(counts, CUT_OFF, plain), "cut")[1] == math.inf


def test_draws_have_the_probabilities() -> None:
    drawn = of_parameters(STRETCHED, 1, 0.3, 20.0).draw(1_000_000, np.random.default_rng(4))
    assert drawn.total == 1_000_000
    assert (np.diff(drawn.values) > 0).all()
    expected = of_parameters(STRETCHED, 1, 0.3, 20.0).at_least(np.array([2, 100, 600, 5000]))
    found = [drawn.tail(least).total / 1e6 for least in (2, 100, 600, 5000)]
    assert found == pytest.approx(expected, abs=0.002)
