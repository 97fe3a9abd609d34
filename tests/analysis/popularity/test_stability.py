"""Lists of two windows compared, and what chance alone leaves of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from analysis.popularity.stability import rank_biased_overlap, stability_of, tau_b

from .windows import clumped, pair_of_counts

TRIALS, HITS = 100, 93


def rates(rng: np.random.Generator) -> np.ndarray:
    return 20 * (rng.pareto(1.2, 400) + 1)


@pytest.mark.parametrize("clump", [1.0, 2.0])
def test_chance_holds_what_is_found_where_nothing_changed(clump: float) -> None:
    rng, hits = np.random.default_rng(1), np.zeros(3)
    for _ in range(TRIALS):
        expected = rates(rng)
        pair = pair_of_counts(*clumped(expected, clump, rng), *clumped(0.6 * expected, clump, rng), clump)
        found = stability_of(pair)
        assert found.keys == 100
        hits += [low <= value <= high for value, (_, low, high) in zip(found.found, found.chance, strict=True)]
    assert hits.min() >= HITS, hits


def test_a_list_whose_keys_were_exchanged_is_below_chance() -> None:
    rng = np.random.default_rng(2)
    expected = rates(rng)
    pair = pair_of_counts(*clumped(expected, 1, rng), *clumped(rng.permutation(expected), 1, rng), 1)
    found = stability_of(pair)
    assert all(value < low for value, (_, low, _) in zip(found.found, found.chance, strict=True))


def test_a_list_is_as_long_as_its_last_key_is_sure() -> None:
    def length(counts: np.ndarray) -> int:
        return stability_of(pair_of_counts(counts, counts, counts, counts, 1)).keys

    assert length(np.full(120, 50)) == 100
    assert length(np.r_[np.full(60, 50), np.full(60, 9)]) == 50
    assert length(np.r_[np.full(12, 10), np.full(60, 9)]) == 10
    assert length(np.full(9, 500)) == 0
    assert stability_of(pair_of_counts(*[np.zeros(0, np.int64)] * 4, 1)).keys == 0


def test_rank_biased_overlap_of_known_lists() -> None:
    one = np.arange(10)
    assert rank_biased_overlap(one, one) == pytest.approx(1)
    assert rank_biased_overlap(one, one + 100) == 0
    # (1-p)/p (0/1 p + 2/2 p^2) + 2/2 p^2 of two exchanged keys: 0.1/0.9 * 0.81 + 0.81
    assert rank_biased_overlap(np.array([1, 2]), np.array([2, 1]), 0.9) == pytest.approx(0.9)


def test_tau_is_that_of_scipy() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.integers(0, 9, 60), rng.integers(0, 9, 60)
    assert tau_b(one, other) == pytest.approx(kendalltau(one, other).statistic)
    assert np.isnan(tau_b(np.ones(5, np.int64), one[:5]))
