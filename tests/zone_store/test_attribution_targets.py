"""Targets as arrays: rank among sorted IDs, who was attached when, and the ways that only large runs take."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zone_store.attribution import attached as attached_module
from zone_store.attribution import groups, stream
from zone_store.attribution import targets as targets_module
from zone_store.attribution.destination import lookups_of
from zone_store.attribution.rank import NearerIndex
from zone_store.attribution.stream import OpenGroups
from zone_store.attribution.targets import Targets
from zone_store.attribution.words import fraction, packed_words, same_as_before, stable_order
from zone_store.captures import Attachment, Captures
from zone_store.keyspace.ids import pack, words, xor_distance


def attached(number: int, target_id: bytes, begin: int = 1, end: int = 0) -> Attachment:
    return Attachment(number, target_id, 1, 1, target_id, 2, 2, begin, begin, begin, (), end)


#: 10 bytes, so two words, with long shared prefixes.
long_ids = st.one_of(
    st.binary(min_size=10, max_size=10),
    st.integers(0, 40).map(lambda n: b"\xa4" * 8 + n.to_bytes(2, "big")),
    st.integers(0, 40).map(lambda n: n.to_bytes(2, "big") + b"\x00" * 8),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(long_ids, min_size=1, max_size=60), st.lists(st.tuples(long_ids, long_ids), min_size=1, max_size=8))
def test_nearer_gives_exactly_the_ids_at_lesser_xor_distance(
    table: list[bytes], asked: list[tuple[bytes, bytes]]
) -> None:
    table = sorted(table)
    found: list[list[int]] = [[] for _ in asked]
    index = NearerIndex(pack(table, 10))
    keys, ids = pack([key for key, _ in asked], 10), pack([i for _, i in asked], 10)
    around = index.around(keys, ids)
    for row, low, high in zip(*(part.tolist() for part in index.nearer(keys, ids, around)), strict=True):
        found[row] += range(low, high)
    assert [sorted(rows) for rows in found] == [
        [i for i, one in enumerate(table) if xor_distance(key, one) < xor_distance(key, asked_id)]
        for key, asked_id in asked
    ]
    for wanted in range(min(3, len(table))):
        assert index.index.select(keys, wanted, around[1:]).tolist() == index.index.select(keys, wanted).tolist()


def test_nearer_in_a_full_table() -> None:
    table = np.arange(256, dtype=np.uint8)[:, None]
    keys = np.array([[0], [0], [0], [0b1010_1010], [255]], np.uint8)
    ids = np.array([[0], [7], [255], [0b1010_1110], [0]], np.uint8)
    index = NearerIndex(table)
    row, low, high = index.nearer(keys, ids, index.around(keys, ids))
    assert np.bincount(row, high - low, 5).tolist() == [0, 7, 255, 4, 255]


def test_ids_are_the_same_if_all_their_words_are() -> None:
    ids = pack([b"\x01" * 8 + b"\x02\x00", b"\x01" * 8 + b"\x02\x01", b"\x01" * 8 + b"\x02\x00"], 10)
    for columns in (list(words(ids)), packed_words(ids)):
        assert same_as_before(columns, np.array([0, 2, 1, 1])).tolist() == [True, False, True]
        assert same_as_before(columns, np.array([0])).tolist() == []


def test_fraction_keeps_small_distances() -> None:
    rows = np.zeros((3, 20), np.uint8)
    rows[0, 0], rows[1, 19] = 0x80, 1
    assert fraction(rows).tolist() == [0.5, 2.0**-160, 0.0]


def test_rows_of_unlisted_numbers() -> None:
    targets = Targets([attached(5, b"\x01"), attached(2, b"\x02")], 1)
    assert targets.rows_of(np.array([2, 5, 0, 3, 9], np.uint32)).tolist() == [0, 1, -1, -1, -1]
    assert targets.ids.tolist() == [[2], [1]]


def test_targets_refuse_ids_of_another_length() -> None:
    with pytest.raises(ValueError, match="2 bytes"):
        Targets([attached(1, b"\x01\x02")], 20)


@pytest.mark.parametrize(
    "parts", [{}, {"PAIRS": 50}, {"PAIRS": 1}, {"SHORT": 0, "PAIRS": 1}, {"TRIES": 0}, {"TRIES": 2}]
)
@pytest.mark.parametrize("stretch", [{}, {"COME_AND_GO": 1}, {"COME_AND_GO": 9, "LOOKUPS": 7}])
def test_placing_in_parts_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, parts: dict[str, int], stretch: dict[str, int]
) -> None:
    for module, constants in ((attached_module, parts), (targets_module, stretch)):
        for name, value in constants.items():
            monkeypatch.setattr(module, name, value)
    rng = random.Random(7)
    attachments = []
    for number in range(1, 121):
        begin = rng.choice([0, 1, rng.randrange(1, 1000)])
        end = rng.choice([0, begin + rng.randrange(1, 400)])
        attachments.append(attached(number, bytes([0xA0 | rng.randrange(4), rng.randrange(16)]), begin, end))
    times = np.array(sorted(rng.randrange(1, 1300) for _ in range(150)), np.int64)
    keys = [bytes([0xA0, rng.randrange(256)]) for _ in times]
    ids = [bytes([0xA0 | rng.randrange(4), rng.randrange(32)]) for _ in times]
    closest, rank = Targets(attachments, 2).place(times, pack(keys, 2), pack(ids, 2))
    for i, time in enumerate(times.tolist()):
        there = sorted(
            (xor_distance(keys[i], a.target_id), a.number)
            for a in attachments
            if a.accepted_ns and a.accepted_ns <= time and (not a.lost_ns or time < a.lost_ns)
        )
        assert closest[i] == there[0][1]
        assert rank[i] == sum(distance < xor_distance(keys[i], ids[i]) for distance, _ in there)


def test_the_table_of_a_stretch_serves_times_before_and_after_it() -> None:
    targets = Targets([attached(1, b"\x01", 10, 20), attached(2, b"\x02", 15, 0), attached(3, b"\x07", 30, 0)], 1)
    keys, ids = np.array([[1]], np.uint8), np.array([[7]], np.uint8)
    found = {}
    for time in (17, 9, 25, 15, 31, 10):
        closest, rank = targets.place(np.array([time]), keys, ids)
        found[time] = (closest.tolist(), rank.tolist())
    assert found == {17: ([1], [2]), 9: ([0], [0]), 25: ([2], [1]), 15: ([1], [2]), 31: ([2], [1]), 10: ([1], [1])}


@pytest.mark.parametrize("rows", [0, 1, 100, 5000])
def test_order_by_digits_is_the_stable_order(rows: int) -> None:
    rng = np.random.default_rng(rows)
    word = rng.integers(0, 1 << 48, 1 + rows // 3, np.uint64)[rng.integers(0, 1 + rows // 3, rows)]
    assert stable_order(word).tolist() == np.argsort(word, kind="stable").tolist()


def test_who_repeats_one_query_costs_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_FEW_PAIRS", 10)
    held = OpenGroups(Targets([attached(n, bytes([n])) for n in (1, 2)], 1), 10**9, 10**10, 1)
    for begin in range(0, 100_000, 1000):
        held.step(copies_of([(begin + t, 1 + t % 2, 100) for t in range(1000)], b"\x00"))
        assert len(held._open.owner) <= 1000 + 2 * 2 + 10
    groups = held.close()
    assert groups.packets.tolist() == [100_000]
    found = lookups_of(groups, Targets([attached(n, bytes([n])) for n in (1, 2)], 1))
    assert (found.copies.tolist(), found.destination.tolist()) == ([2], [1])


def copies_of(rows: list[tuple[int, int, int]], key: bytes) -> Captures:
    """Return copies (time, attachment, source address) of lookups for one key."""
    n, width = len(rows), len(key)
    return Captures(
        np.array([r[0] for r in rows], np.int64),
        np.array([r[1] for r in rows], np.uint32),
        np.array([r[2] for r in rows], np.uint32),
        np.ones(n, np.uint16),
        np.zeros((n, width), np.uint8),
        np.frombuffer(key * n, np.uint8).reshape(n, width),
        np.ones(n, np.uint8),
        np.zeros(n, np.uint16),
        np.zeros(n, np.uint32),
        np.zeros(n, np.uint16),
    )


@pytest.mark.parametrize("mix", [(0,), (1,), groups._MIX])
def test_colliding_words_and_distances_are_told_apart(monkeypatch: pytest.MonkeyPatch, mix: tuple[int, ...]) -> None:
    # All groups share one mixed word, and all targets their first eight bytes.
    targets = Targets([attached(1, b"\xa4" * 8 + b"\x00\x03"), attached(2, b"\xa4" * 8 + b"\x00\x01")], 10)
    rows = [(t, 1 + t % 2, 100 + t % 3) for t in range(12)]  # time, attachment, source
    monkeypatch.setattr(groups, "_MIX", mix)
    held = OpenGroups(targets, 100, 1000, 10)
    for part in (rows[:7], rows[7:]):
        assert not len(held.step(copies_of(part, b"\xa4" * 8 + b"\x00\x00")))
    found = lookups_of(held.close(), targets)
    # Target 2 is nearer to the key than target 1; each source sent two copies to either.
    assert sorted(found.source_ip.tolist()) == [100, 101, 102]
    assert found.copies.tolist() == [2, 2, 2]
    assert found.destination.tolist() == [2, 2, 2]
    assert found.packets.tolist() == [4, 4, 4]
    assert found.margin.tolist() == pytest.approx([math.log2(3)] * 3)
