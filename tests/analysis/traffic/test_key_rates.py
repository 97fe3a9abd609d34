"""Rates of keys: known values, and that intervals hold the truth in 93 of 100 trials and more."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.traffic.intervals import Z
from analysis.traffic.key_rates import ALL, KeyRates, key_rates, rate_of_top, share_at_least
from analysis.traffic.overall import rate_of

from .test_overall import series
from .worlds import database, rows

TRIALS = 100
HOURS = 6


def of(counts: np.ndarray, seconds: float = 3600.0, excess: float = 0.0) -> KeyRates:
    count, keys = np.unique(counts[counts > 0], return_counts=True)
    return KeyRates("search", ALL, count, keys, seconds, excess)


def test_keys_are_counted_by_message_and_sort() -> None:
    db = database(
        rows(np.arange(6.0), 1, np.array([1, 1, 1, 2, 2, 3]), "search"),
        rows(np.arange(3.0), 1, np.array([1, 2, 2]), "publish"),
        rows(np.arange(2.0), 1, np.array([3, 4]), "announce"),
        rows(np.arange(5.0), 1, np.array([9] * 5), "lookup", maintenance=1),
        sorts={1: "file", 2: "file", 3: "keyword"},
    )
    found = {(one.message, one.sort): one for one in key_rates(db, 120.0, {"searches": 0.5})}
    assert {name: dict(zip(one.count.tolist(), one.keys.tolist(), strict=True)) for name, one in found.items()} == {
        ("lookup", ALL): {1: 1, 4: 2},
        ("lookup", "file"): {4: 2},
        ("lookup", "keyword"): {1: 1},
        ("search", ALL): {1: 1, 2: 1, 3: 1},
        ("search", "file"): {2: 1, 3: 1},
        ("search", "keyword"): {1: 1},
        ("publish", ALL): {1: 1, 2: 1},
        ("publish", "file"): {1: 1, 2: 1},
        ("announce", ALL): {1: 2},
        ("announce", "keyword"): {1: 1},
        ("announce", "unknown"): {1: 1},
    }
    assert found["search", ALL].excess == 0.5
    assert found["lookup", ALL].excess == 0.0
    assert key_rates(db, 0.0, {}) == ()


def test_shares_and_ranks_of_known_counts() -> None:
    rates = of(np.array([1, 1, 1, 1, 2, 2, 6, 60]))
    assert rates.rate.tolist() == pytest.approx([1 / 60, 2 / 60, 0.1, 1.0])
    assert rates.least == pytest.approx(1 / 60)
    assert rates.reach().tolist() == [8, 4, 2, 1]
    assert rates.ccdf().tolist() == [1.0, 0.5, 0.25, 0.125]
    assert (rates.at_least(0.1), rates.at_least(0.11), rates.at_least(0.0001), rates.at_least(2)) == (2, 1, 8, 0)
    assert [rates.ranked(rank) for rank in range(8)] == pytest.approx([1.0, 0.1] + [2 / 60] * 2 + [1 / 60] * 4)
    assert rates.ranked(-1) == math.inf
    assert share_at_least(rates, 0.1)[0] == 0.25
    assert rate_of_top(rates, 0.25)[0] == pytest.approx(0.1)
    assert all(map(math.isnan, rate_of_top(rates, 0.1)))


def test_bounds_are_wider_where_all_keys_move_together() -> None:
    counts = np.random.default_rng(0).geometric(0.2, 5000)
    _, low, high = share_at_least(of(counts), 0.1)
    _, wider_low, wider_high = share_at_least(of(counts, excess=0.01), 0.1)
    # Six messages make 0.1 a minute, which 0.8 ** 5 of keys have at least, and 0.2 of those exactly; of one message it
    # is 0.2 of all. One standard deviation is 10 %.
    by = Z * 0.1 * (6 * 0.8**5 * 0.2 - 0.8**5 * 0.2)
    assert (wider_high - wider_low) / 2 == pytest.approx(math.hypot((high - low) / 2, by), rel=0.15)
    assert rate_of_top(of(counts, excess=0.01), 0.1)[2] > rate_of_top(of(counts), 0.1)[2]


@pytest.mark.parametrize("even", [True, False])
def test_shares_and_rates_hold_the_truth(even: bool) -> None:
    """Keys of log-normal rates, asked for at an even pace or in bursts that all of them share."""
    rng = np.random.default_rng(1)
    pieces = np.arange(HOURS * 60) * 60 + 30.0

    def draw(keys: int) -> tuple[np.ndarray, np.ndarray]:
        pace = np.ones(len(pieces)) if even else rng.gamma(1, 1, len(pieces) // 3).repeat(3)
        return rng.poisson(rng.lognormal(-5, 1.5, keys) * HOURS * 60 * pace.mean()), pace

    many = of(np.concatenate([draw(5_000)[0] for _ in range(400)]), HOURS * 3600)
    share, top = many.at_least(0.1) / many.seen, many.ranked(int(0.1 * many.seen))
    held = np.zeros(2, np.int64)
    for _ in range(TRIALS):
        counts, pace = draw(1000)
        when = rng.choice(pieces, counts.sum(), p=pace / pace.sum())
        rates = of(counts, HOURS * 3600, rate_of(series(when), "lookups", None).excess)
        _, low, high = share_at_least(rates, 0.1)
        _, least, most = rate_of_top(rates, 0.1)
        held += [low <= share <= high, least <= top <= most]
    assert held.min() >= 93
