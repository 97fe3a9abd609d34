"""The parts of the key space that IDs give to nodes, against asking for the nearest of many keys."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.imbalance.hashing import hashed, key_shares, shared_bits
from zone_store.keyspace import ids as keyspace
from zone_store.keyspace.nearest import XorIndex


def rising(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return random IDs of a zone, rising."""
    ids = rng.integers(0, 256, (count, 20), np.uint8)
    ids[:, 0] = 0xA4
    return keyspace.take(ids, keyspace.sort_order(ids))


def test_shares_of_a_small_tree() -> None:
    # 0.., 10.., 110.., 111..: one branches off at each level.
    ids = np.zeros((4, 20), np.uint8)
    ids[:, 0] = [0x00, 0x80, 0xC0, 0xE0]
    assert key_shares(shared_bits(ids)).tolist() == [0.5, 0.25, 0.125, 0.125]
    assert key_shares(shared_bits(ids[:1])).tolist() == [1.0]


def test_shares_are_how_often_random_keys_are_nearest() -> None:
    rng = np.random.default_rng(1)
    ids = rising(rng, 40)
    shares = key_shares(shared_bits(ids))
    keys = rng.integers(0, 256, (100_000, 20), np.uint8)
    keys[:, 0] = 0xA4
    nearest = XorIndex(ids).nearest(keys)[:, 0]
    assert shares.sum() == 1.0
    assert np.bincount(nearest, minlength=40) / 100_000 == pytest.approx(shares, abs=0.005)


def test_ids_that_share_all_but_the_last_bits_are_told_apart() -> None:
    ids = np.zeros((3, 20), np.uint8)
    ids[1, 19], ids[2, 0] = 1, 0x80
    assert key_shares(shared_bits(ids)).tolist() == [0.25, 0.25, 0.5]


def test_who_is_away_leaves_its_part_to_who_is_there() -> None:
    ids = np.zeros((3, 20), np.uint8)
    ids[:, 0] = [0x00, 0x80, 0xC0]
    # The third comes at time 5; the second is never there.
    found = hashed(
        ids,
        np.array([0, 2]),
        np.array([0, 5]),
        np.array([10, 10]),
        np.array([2, 7]),
        np.array([100, 60]),
    )
    assert found.lookups.tolist() == [130.0, 0.0, 30.0]
    assert found.times.tolist() == [2, 0, 1]
    expected = found.expected()
    assert (expected[0], math.isnan(expected[1]), expected[2]) == (65.0, True, 30.0)


def test_neighbours_across_the_absent_share_what_all_between_share() -> None:
    rng = np.random.default_rng(2)
    ids = rising(rng, 60)
    there = np.sort(rng.choice(60, 25, replace=False))
    begin, end = np.zeros(25, np.int64), np.full(25, 9)
    found = hashed(ids, there, begin, end, np.array([3]), np.array([1]))
    assert found.lookups[there].tolist() == key_shares(shared_bits(ids[there])).tolist()


def test_draws_have_the_mean_of_what_is_expected() -> None:
    rng = np.random.default_rng(3)
    ids = rising(rng, 10)
    found = hashed(ids, np.arange(10), np.zeros(10, np.int64), np.full(10, 9), np.array([1, 2]), np.array([300, 100]))
    draws = np.mean([found.drawn(2.0, rng) for _ in range(400)], axis=0)
    assert draws == pytest.approx(2 * found.expected(), rel=0.05)


def test_without_nodes_there_is_nothing() -> None:
    none = np.empty(0, np.int64)
    found = hashed(np.empty((0, 20), np.uint8), none, none, none, np.array([1]), np.array([5]))
    assert (len(found.lookups), len(found.expected())) == (0, 0)
