"""Load of keys: exact where all is known, and how often intervals hold a known truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from analysis.engine.database import Database
from analysis.imbalance import keys as chapter
from analysis.imbalance.asked import ONCE, Asked, asked_of
from analysis.imbalance.estimates import Estimate, measured
from analysis.imbalance.keys import KeyLoad, effective, key_load, key_load_of
from analysis.imbalance.measures import gini
from analysis.trust.capture import CaptureRate

from ..lookups import table
from .worlds import LEAST_HITS, capture_by_trials, hits


def load_of(counts: np.ndarray, capture: CaptureRate | None) -> KeyLoad:
    """Return the load of keys with these counts."""
    lookups, keys = np.unique(counts[counts > 0], return_counts=True)
    return key_load_of(lookups.astype(np.int64), keys.astype(np.int64), capture)


def test_what_is_captured_is_told_as_it_is() -> None:
    counts = np.array([1, 1, 2, 6])
    load = load_of(counts, None)
    assert load.realised.gini == pytest.approx((gini(counts.astype(float)), math.nan, math.nan), nan_ok=True)
    assert load.looked_up.value == 4
    assert (load.lookups.tolist(), load.keys.tolist()) == ([1, 2, 6], [2, 1, 1])


def test_all_captured_leaves_nothing_open() -> None:
    counts = np.arange(1, 40)
    load = load_of(counts, CaptureRate(1.0, 1.0, 1.0, 500, "canaries"))
    value = gini(counts.astype(float))
    assert load.realised.gini == pytest.approx((value, value, value))
    assert load.looked_up == (39.0, 39.0, 39.0)


def test_no_lookups_have_no_load() -> None:
    load = load_of(np.zeros(3, np.int64), None)
    assert load.looked_up.value == 0
    assert all(math.isnan(one.value) for one in (*load.realised, *load.chance, load.effective))


def test_chance_alone_makes_keys_unlike() -> None:
    rng = np.random.default_rng(1)
    counts = rng.poisson(3.0, 20_000)
    load = load_of(counts, None)
    assert load.chance.gini.value == pytest.approx(gini(counts[counts > 0].astype(float)), abs=0.005)
    # Keys looked up once each: nothing can be told apart.
    assert load_of(np.ones(50, np.int64), None).chance.gini.value == 0.0


def test_effective_keys_are_told_from_twenty_meetings_on() -> None:
    assert math.isnan(effective(np.array([1.0]), np.array([1000.0])).value)
    assert math.isnan(effective(np.array([2.0]), np.array([19.0])).value)
    # 50 keys with 10 lookups each: two of 500 lookups meet with 9/499.
    assert effective(np.array([10.0]), np.array([50.0])).value == pytest.approx(499 / 9)


def test_counts_come_from_users_lookups_of_all_kinds() -> None:
    a, b = bytes(20), b"\x01" + bytes(19)
    rows: list[dict[str, object]] = [{"key": a}, {"key": a, "what": "search"}, {"key": b, "what": "publish"}]
    rows += [{"key": b, "what": "announce"}, {"key": b, "what": "node_lookup"}, {"key": b, "maintenance": 1}]
    with Database.of(table(rows)) as db:
        load = key_load(db, None, ONCE)
    assert (load.lookups.tolist(), load.keys.tolist()) == ([1, 2], [1, 1])


def test_who_asks_again_is_not_another_requester() -> None:
    # 50 keys, 10 requesters each, of whom each asks three times: 27 lookups of 30 are of others.
    found = effective(np.array([30.0]), np.array([50.0]), Asked(repeats=3.0, active=3.0))
    assert found.value == pytest.approx(1497 / 27)


def test_how_often_requesters_ask_is_counted() -> None:
    rows: list[dict[str, object]] = [{"key": bytes(20), "requester": 1}] * 3 + [{"key": b"1" * 20, "requester": 1}] * 1
    rows += [{"key": bytes(20), "requester": 2}, {"key": bytes(20), "requester": 3, "what": "announce"}]
    with Database.of(table(rows)) as db:
        # Of five lookups three have three of their requester for their key; four are of one requester.
        assert asked_of(db, 5) == pytest.approx((11 / 5, 17 / 5))
    with Database.of(table([])) as db:
        assert asked_of(db, 0) == ONCE


def test_asking_for_one_key_twice_by_chance_is_no_repeat() -> None:
    assert Asked(repeats=3.0, active=11.0).again(10.0) == 2.0
    assert Asked(repeats=3.0, active=11.0).again(2.0) == 1.0
    assert Asked(repeats=3.0, active=11.0).again(math.nan) == 3.0


def pareto(rng: np.random.Generator) -> np.ndarray:
    """Rates with a heavy tail."""
    return rng.pareto(1.1, 1500) * 0.7


def lognormal(rng: np.random.Generator) -> np.ndarray:
    """Rates of many sizes."""
    return rng.lognormal(-0.5, 1.5, 1500)


@pytest.mark.parametrize(("rates", "share"), [(pareto, 0.9), (lognormal, 0.75)])
def test_lookups_of_keys_are_held(
    rates: Callable[[np.random.Generator], np.ndarray], share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Truth: the lookups made in the window, of keys looked up in it; and the rates, for the effective number."""
    monkeypatch.setattr(chapter, "_DRAWS", 40)

    def trial(seed: int) -> Iterator[tuple[str, Estimate, float]]:
        rng = np.random.default_rng(seed)
        rate = rates(rng)
        made = rng.poisson(rate)
        load = load_of(rng.binomial(made, share), capture_by_trials(share, rng))
        looked_up = made[made > 0].astype(float)
        yield from zip(("gini", "top_1", "top_10", "variation"), load.realised, measured(looked_up), strict=True)
        yield "looked_up", load.looked_up, len(looked_up)
        yield "effective", load.effective, float(rate.sum() ** 2 / (rate**2).sum())

    held = hits(trial)
    assert min(held.values()) >= LEAST_HITS, held
