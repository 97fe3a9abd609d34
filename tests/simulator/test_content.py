"""Which keys users look for."""

import random
from collections import Counter

from montra.simulator.content import Content
from montra.simulator.settings import SimSettings


def content(rng_seed: int, **settings: float) -> Content:
    return Content(SimSettings(**{"keys": 500, "zipf": 1.0} | settings), random.Random(rng_seed))  # type: ignore[arg-type]


def test_windows_with_one_seed_of_keys_share_them_but_for_those_that_are_new() -> None:
    assert content(1, keys_seed=7).keys == content(2, keys_seed=7).keys
    assert content(1, keys_seed=7).keys != content(1, keys_seed=8).keys
    assert not set(content(1).keys) & set(content(2).keys)
    one, other = content(1, keys_seed=7, keys_new=0.2).keys, content(2, keys_seed=7, keys_new=0.2).keys
    kept = sum(a == b for a, b in zip(one, other, strict=True)) / 500
    assert 0.57 < kept < 0.71  # neither window drew it anew: 0.8 squared


def test_popularity_falls_as_a_power_of_the_rank() -> None:
    drawn = Counter(map(content(1).draw, [random.Random(5)] * 60_000))
    assert 1.8 < drawn[0] / drawn[1] < 2.2
    assert 8 < drawn[0] / drawn[9] < 12.5
    even = Counter(map(content(1, zipf=0.0).draw, [random.Random(5)] * 60_000))
    assert len(even) == 500
    assert max(even.values()) < 180


def test_all_keys_lie_in_the_zone() -> None:
    zone = SimSettings().zone
    assert all(map(zone.contains, content(3, keys_seed=4).keys + content(3).keys))
