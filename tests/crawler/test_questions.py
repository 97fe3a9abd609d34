import random

from hypothesis import given
from hypothesis import strategies as st

from crawler.questions import Lane, Purpose, Question, leaving_at, slice_targets
from zone_store.keyspace.ids import common_prefix_length
from zone_store.keyspace.zone import Zone

ZONE = Zone.parse("a4/6")
NODE = bytes.fromhex("a5" + "00" * 19)


@given(st.binary(min_size=20, max_size=20), st.integers(0, 159), st.integers())
def test_an_id_leaves_another_at_exactly_the_bit(node_id: bytes, bit: int, seed: int) -> None:
    assert common_prefix_length(node_id, leaving_at(node_id, bit, random.Random(seed))) == bit


def test_slices_lie_in_the_buckets_between_zone_and_neighbourhood() -> None:
    neighbours = [leaving_at(NODE, bit, random.Random(1)) for bit in (12, 10, 14)]
    depths = set()
    for seed in range(200):
        (target,) = slice_targets(NODE, neighbours, ZONE, 1, random.Random(seed))
        assert ZONE.contains(target)
        depths.add(common_prefix_length(NODE, target))
    assert depths == {6, 7, 8, 9, 10}


def test_several_slices_are_of_different_buckets() -> None:
    neighbours = [leaving_at(NODE, 9, random.Random(1))]
    targets = slice_targets(NODE, neighbours, ZONE, 4, random.Random(2))
    assert sorted(common_prefix_length(NODE, target) for target in targets) == [6, 7, 8, 9]


def test_with_fewer_buckets_than_questions_the_rest_are_drawn_from_the_zone() -> None:
    outside = [bytes(20)]
    targets = slice_targets(NODE, outside, ZONE, 3, random.Random(2))
    assert len(set(targets)) == 3
    assert all(ZONE.contains(target) for target in targets)
    assert len(slice_targets(NODE, [], ZONE, 2, random.Random(2))) == 2


@given(st.lists(st.binary(min_size=20, max_size=20), max_size=10), st.integers(0, 160), st.integers(0, 4))
def test_slices_are_always_ids_of_the_zone(neighbours: list[bytes], length: int, count: int) -> None:
    zone = Zone(int.from_bytes(NODE) >> (160 - length), length)
    targets = slice_targets(NODE, [*neighbours, NODE], zone, count, random.Random(1))
    assert len(targets) == count
    assert all(zone.contains(target) for target in targets)


def test_only_drawn_targets_make_a_random_question() -> None:
    random_purposes = {p for p in Purpose if Question((1, 1), NODE, p, Lane.KNOWN).is_random}
    assert random_purposes == {Purpose.ENTRY, Purpose.SLICE}
