"""P/(S+P) of keys: known values, and that intervals hold the truth in 93 of 100 trials and more."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.traffic.balance import LINE_X, STEPS, Balance, Once, balance_of
from zone_store.captures import Flag

from .worlds import database, rows

TRIALS = 100


def test_publishers_count_once_and_searches_each_time() -> None:
    db = database(
        # Key 1: two publishers (one of them twice) and two searches by one requester; key 2: one publisher.
        rows(np.arange(3.0), np.array([1, 1, 2]), 1, "publish"),
        rows(np.arange(2.0), 5, 1, "search"),
        rows(np.arange(1.0), 1, 2, "publish"),
        rows(np.arange(1.0), 5, 3, "search"),
        rows(np.arange(9.0), 1, 4, "publish", maintenance=1),
        rows(np.arange(1.0), 1, 5, "publish"),
        rows(np.arange(3.0), 2, 5, "search"),
        sorts=dict.fromkeys((1, 2, 3), "file") | {5: "keyword"},
    )
    files, keywords = balance_of(db, told=True)
    assert (files.sort, files.keys, files.only_published, files.only_searched, files.both) == ("file", 3, 1, 1, 1)
    assert (files.published, files.searches) == (3, 3)
    assert files.once == Once(alone_p=1, alone_s=1, last_p=0, last_s=0)
    assert keywords.once == Once(alone_p=0, alone_s=0, last_p=1, last_s=0)
    assert np.flatnonzero(files.steps).tolist() == [50]
    assert np.flatnonzero(keywords.steps).tolist() == [25]


def test_of_info_hashes_seeds_and_announcers_are_the_supply() -> None:
    seed = int(Flag.NO_SEED)
    db = database(
        rows(np.arange(4.0), np.array([1, 1, 2, 3]), 1, "lookup", np.array([seed, seed, seed, 0])),
        rows(np.arange(1.0), 4, 1, "announce"),
        rows(np.arange(2.0), 4, 1, "lookup"),
        rows(np.arange(1.0), 4, 2, "lookup"),
        sorts={1: "info_hash", 2: "info_hash"},
    )
    (found,) = balance_of(db, told=False)
    # Key 1: requesters 1, 2 and 4 supply, three lookups are demand.
    assert (found.sort, found.keys, found.only_searched, found.only_published) == ("info_hash", 2, 1, 0)
    assert (found.published, found.searches) == (3, 4)
    assert np.flatnonzero(found.steps).tolist() == [50]


def test_lookups_that_tell_nothing_have_no_balance() -> None:
    db = database(rows(np.arange(3.0), 1, 1, "lookup"), sorts={1: "info_hash"})
    assert balance_of(db, told=False) == ()
    assert balance_of(database(), told=True) == ()


def test_the_line_jumps_at_both_ends() -> None:
    steps = np.zeros(STEPS, np.int64)
    steps[50] = 2
    balance = Balance("file", 3, 5, steps, 9, 9, Once(0, 0, 0, 0))
    assert balance.keys == 10
    cdf, line = balance.cdf(), balance.line()
    assert (len(cdf), cdf[0], cdf[50], cdf[51], cdf[99], cdf[100]) == (101, 0.3, 0.3, 0.5, 0.5, 1.0)
    assert (len(line), line[0], line[1], line[101], line[102]) == (103, 0.0, 0.3, 0.5, 1.0)
    assert len(LINE_X) == 103
    assert [balance.share(name)[0] for name in ("only_searched", "only_published", "both")] == [0.3, 0.5, 0.2]


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_shares_hold_the_truth(spread: float) -> None:
    """Keys of log-normal demand and supply; how much is searched in a window varies by `spread` for all together."""
    rng = np.random.default_rng(2)

    def draw(keys: int) -> tuple[np.ndarray, np.ndarray]:
        demand = rng.lognormal(-0.5, 1.5, keys) * np.exp(rng.normal(-spread * spread / 2, spread))
        return rng.poisson(rng.lognormal(0, 1, keys)), rng.poisson(demand)

    def of(p: np.ndarray, s: np.ndarray) -> Balance:
        any_ = p + s > 0
        p, s = p[any_], s[any_]
        once = Once(
            *(int(x.sum()) for x in ((p == 1) & (s == 0), (p == 0) & (s == 1), (p == 1) & (s > 0), (p > 0) & (s == 1)))
        )
        both = (p > 0) & (s > 0)
        steps = np.bincount(np.minimum(p[both] * STEPS // (p + s)[both], STEPS - 1), minlength=STEPS)
        return Balance("file", int((p == 0).sum()), int((s == 0).sum()), steps, 0, 0, once, (0.0, spread**2))

    names = ("only_searched", "only_published", "both")
    many = [of(*draw(20_000)) for _ in range(100)]
    truth = {name: sum(getattr(one, name) for one in many) / sum(one.keys for one in many) for name in names}
    held = dict.fromkeys(names, 0)
    for _ in range(TRIALS):
        one = of(*draw(1500))
        for name in names:
            share, low, high = one.share(name)
            assert low <= share <= high
            held[name] += low <= truth[name] <= high
    assert min(held.values()) >= 93
