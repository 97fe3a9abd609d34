from __future__ import annotations

from bisect import bisect_left, insort
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zone_store.keyspace import order
from zone_store.keyspace.order import IdOrder

SLOTS = 60


@settings(deadline=None)
@given(st.integers(0, 1 << 30), st.sampled_from((1, 2, 20)))
def test_agrees_with_a_sorted_list(seed: int, different: int) -> None:
    """Blocks of four slots, so that they split, empty and join all the time; IDs that often repeat."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "_BLOCK", 4)
        rng = Random(seed)
        ids, plain = IdOrder(SLOTS), list[tuple[bytes, int]]()
        for _ in range(200):
            key = bytes(20 - different) + rng.randbytes(different)
            free = sorted(set(range(SLOTS)) - {slot for _, slot in plain})
            step = rng.random()
            if free and step < 0.6:
                slot = rng.choice(free)
                ids.add(key, slot)
                insort(plain, (key, slot))
                assert ids.id_of(slot) == key
            elif plain and step < 0.9:
                ids.remove(plain.pop(rng.randrange(len(plain)))[1])
            else:
                most, at = rng.randrange(6), bisect_left(plain, (key, -1))
                assert ids.take_from(key, most) == [slot for _, slot in plain[at : at + most]]
                del plain[at : at + most]
            assert len(ids) == len(plain)
            assert ids.ids().tobytes() == b"".join(held for held, _ in plain)
            at = bisect_left(plain, (key, -1))
            slots, distances = ids.around(key, 5)
            left, right = plain[max(0, at - 5) : at], plain[at : at + 5]
            near = [(len(left) - i, slot) for i, (_, slot) in enumerate(left)]
            near += [(i + 1, slot) for i, (_, slot) in enumerate(right)]
            assert distances.tolist() == sorted((d for d, _ in near), reverse=True)
            assert sorted(zip(distances.tolist(), slots.tolist(), strict=True)) == sorted(near)


def test_all_of_it_in_order() -> None:
    ids = IdOrder(5000)
    keys = [Random(i).randbytes(20) for i in range(5000)]
    for slot, key in enumerate(keys):
        ids.add(key, slot)
    assert ids.take_from(b"", 10_000) == sorted(range(5000), key=lambda slot: keys[slot])
    assert (len(ids), ids.take_from(b"", 1)) == (0, [])
    ids.add(keys[0], 7)
    assert ids.around(keys[0], 3)[0].tolist() == [7]
