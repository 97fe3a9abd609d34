"""How many targets are nearer to a key than a monitor."""

import random

import numpy as np

from montra.monitors.nearness import Nearness
from montra.monitors.table import beside
from zone_store.keyspace.ids import xor_distance

SECOND = 10**9


def column(*ids: bytes) -> np.ndarray:
    return np.frombuffer(b"".join(ids), np.uint8).reshape(-1, 20)


def test_targets_nearer_to_the_key_are_counted_own_one_by_the_last_bit() -> None:
    a, b, c, d = (bytes([first]) + bytes(19) for first in (0b0001, 0b0010, 0b0100, 0b1000))
    key, odd = bytes(20), bytes(19) + b"\x01"
    count = Nearness(lambda: column(d, b, a, c)).count
    assert count(0, column(key, key, key, key), column(*map(beside, (a, b, c, d)))).tolist() == [1, 2, 3, 4]
    assert count(0, column(odd, odd, odd, odd), column(*map(beside, (a, b, c, d)))).tolist() == [0, 1, 2, 3]


def test_it_agrees_with_plain_counting() -> None:
    rng = random.Random(3)
    targets = [rng.randbytes(2) + bytes(18) for _ in range(60)]
    keys = [rng.randbytes(20) for _ in range(200)]
    near = [sorted(targets, key=lambda target: xor_distance(target, key))[:9] for key in keys]
    monitors = [beside(rng.choice(some)) for some in near]
    plain = [
        sum(xor_distance(target, key) < xor_distance(monitor, key) for target in targets)
        for key, monitor in zip(keys, monitors, strict=True)
    ]
    assert Nearness(lambda: column(*targets)).count(0, column(*keys), column(*monitors)).tolist() == plain
    assert set(range(10)) == set(plain)


def test_nobody_is_nearer_where_nobody_is_known() -> None:
    nearness = Nearness(lambda: np.zeros((0, 20), np.uint8))
    assert nearness.count(0, column(bytes(20)), column(bytes(20))).tolist() == [0]


def test_targets_are_looked_at_anew_after_a_while() -> None:
    known = [bytes(20), b"\x01" + bytes(19)]
    question = column(bytes(20)), column(beside(known[1]))
    nearness = Nearness(lambda: column(*known))
    assert nearness.count(0, *question).tolist() == [2]
    del known[0]
    assert nearness.count(SECOND - 1, *question).tolist() == [2]
    assert nearness.count(2 * SECOND, *question).tolist() == [1]
