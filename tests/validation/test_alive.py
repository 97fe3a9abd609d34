"""The nearest live node of many, against comparing each with each."""

import random

import pytest

from montra.validation.alive import closest_live
from montra.validation.truth import Truth, TruthLookup, TruthNode


@pytest.mark.parametrize("living", [0.02, 0.9])
def test_agrees_with_comparing_each_with_each(living: float) -> None:
    """With few alive at a time the search by nearest-first gives up and compares them all."""
    rng = random.Random(5)
    nodes = {}
    for index in range(400):
        up_ns = rng.randrange(1000)
        nodes[index] = TruthNode(index, rng.randbytes(20), index, 1, up_ns, up_ns + max(1, int(1000 * living)))
    lookups = [TruthLookup(rng.randrange(1000), nodes[0], rng.randbytes(20), False, False) for _ in range(100)]
    found = closest_live(Truth("", nodes, lookups))
    for lookup, node in zip(lookups, found, strict=True):
        alive = [one for one in nodes.values() if one.lives(lookup.t_ns)]
        assert node is min(alive, key=lambda one: one.number ^ lookup.key_number, default=None)


def test_nobody_there() -> None:
    requester = TruthNode(1, b"\x01" * 20, 1, 1, 0, 5)
    lookup = TruthLookup(7, requester, b"\x02" * 20, False, False)
    assert closest_live(Truth("", {}, [lookup])) == [None]
    assert closest_live(Truth("", {1: requester}, [lookup])) == [None]
    assert closest_live(Truth("", {1: requester}, [])) == []
