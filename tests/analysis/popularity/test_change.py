"""Keys that came, rose, fell and went: the true ratio is in the interval, and few changes are false."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.popularity.change import changes_of, false_discovery
from analysis.popularity.pairs import unchanged_share

from .windows import clumped, pair_of_counts

TRIALS, HITS = 100, 93
CHANGED = {0: 3.0, 1: 0.25, 2: 1.0, 3: 1.0}
"""Ratio of the first keys; all others are unchanged."""


@pytest.mark.parametrize("clump", [1.0, 2.0])
def test_the_interval_holds_the_true_ratio_and_false_changes_are_few(clump: float) -> None:
    rng = np.random.default_rng(1)
    hits, false, true = dict.fromkeys(CHANGED, 0), 0, 0
    expected = np.r_[60.0, 60.0, 60.0, 30.0, 20 * (rng.pareto(1.2, 300) + 1)]
    ratio = np.r_[list(CHANGED.values()), np.ones(300)]
    for _ in range(TRIALS):
        pair = pair_of_counts(*clumped(expected, clump, rng), *clumped(0.5 * ratio * expected, clump, rng), clump)
        found = changes_of(pair)
        places = {int(key): place for place, key in enumerate(pair.keys)}
        for key, value in CHANGED.items():
            hits[key] += found.low[places[key]] <= value <= found.high[places[key]]
        told = [int(key) for key, kind in zip(pair.keys, found.kind, strict=True) if kind]
        true += len({0, 1} & set(told))
        false += len(set(told) - {0, 1})
    assert min(hits.values()) >= HITS, hits
    assert false <= 0.05 * (true + false) + 5
    assert true > 40


def test_kinds_of_change() -> None:
    first = np.r_[0, 20, 100, 40, 30, np.full(40, 50)]
    second = np.r_[30, 100, 20, 0, 33, np.full(40, 50)]
    found = changes_of(pair := pair_of_counts(first, first, second, second, 1))
    kinds = {int(key): kind for key, kind in zip(pair.keys, found.kind, strict=True)}
    assert [kinds[key] for key in range(6)] == ["new", "rising", "dying", "gone", "", ""]
    assert found.counts() == {"new": 1, "rising": 1, "dying": 1, "gone": 1}
    surest = found.surest(3)
    assert [int(pair.keys[place]) for place in surest] == sorted(
        [int(pair.keys[place]) for place in surest], key=lambda key: found.q[list(pair.keys).index(key)]
    )
    taken = found.take(surest)
    assert len(taken.kind) == len(taken.q) == 3
    new = list(pair.keys).index(0)
    assert np.isinf(found.high[new])
    assert found.low[list(pair.keys).index(3)] == 0


def test_a_small_change_is_not_told_however_sure() -> None:
    first, second = np.r_[100_000, np.full(40, 5000)], np.r_[120_000, np.full(40, 5000)]
    assert not any(changes_of(pair_of_counts(first, first, second, second, 1)).kind)


def test_one_key_that_explodes_makes_no_other_fall() -> None:
    first, second = np.r_[1000, np.full(40, 100)], np.r_[100_000, np.full(40, 50)]
    # against all lookups the others would fall by a factor of 48
    assert unchanged_share(first, second, (int(first.sum()), int(second.sum()))) == pytest.approx(2 / 3, abs=0.01)
    assert unchanged_share(first[:5], second[:5], (299, 99)) == 0.75


def test_a_robot_that_asks_a_thousand_times_is_no_rise() -> None:
    first, second = np.r_[10, np.full(40, 50)], np.r_[1010, np.full(40, 50)]
    people = np.r_[10, np.full(40, 50)]
    found = changes_of(pair := pair_of_counts(first, people, second, people, 1))
    assert (pair.first_sure[0], pair.second_sure[0]) == (10, 10)
    assert found.ratio[0] == 1
    assert not any(found.kind)


def test_false_discovery_of_known_values() -> None:
    p = np.array([0.04, 0.01, 0.03, 0.9])
    assert false_discovery(p) == pytest.approx([0.16 / 3, 0.04, 0.16 / 3, 0.9])
    assert len(false_discovery(np.empty(0))) == 0
