"""Targets as arrays: rank among sorted IDs, who was attached when, and the ways that only large runs take."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zone_store.attribution import groups
from zone_store.attribution import targets as targets_module
from zone_store.attribution.groups import Copies, group
from zone_store.attribution.rank import count_nearer
from zone_store.attribution.targets import Targets
from zone_store.attribution.words import fraction, less, same
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
@given(st.lists(long_ids, max_size=60), st.lists(st.tuples(long_ids, long_ids), min_size=1, max_size=8))
def test_count_nearer_is_the_count_of_lesser_xor_distances(
    table: list[bytes], asked: list[tuple[bytes, bytes]]
) -> None:
    found = count_nearer(pack(sorted(table), 10), pack([key for key, _ in asked], 10), pack([i for _, i in asked], 10))
    assert found.tolist() == [
        sum(xor_distance(key, one) < xor_distance(key, asked_id) for one in table) for key, asked_id in asked
    ]


def test_count_nearer_of_a_full_table() -> None:
    table = np.arange(256, dtype=np.uint8)[:, None]
    keys = np.array([[0], [0], [0], [0b1010_1010], [255]], np.uint8)
    ids = np.array([[0], [7], [255], [0b1010_1110], [0]], np.uint8)
    assert count_nearer(table, keys, ids).tolist() == [0, 7, 255, 4, 255]


def test_words_compare_as_big_numbers() -> None:
    a, b = pack([b"\x01" * 8 + b"\x02\x00", b"\x01" * 8 + b"\x02\x00"], 10), pack([b"\x01" * 8 + b"\x02\x01"] * 2, 10)
    a[1, 0] = 9
    assert less(words(a), words(b)).tolist() == [True, False]
    assert same(words(a), np.array([0, 0]), np.array([0, 1])).tolist() == [True, False]


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


@pytest.mark.parametrize(("pairs", "lookups"), [(1 << 20, 1 << 16), (50, 1 << 16), (1, 1), (1 << 20, 7)])
def test_placing_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch, pairs: int, lookups: int) -> None:
    monkeypatch.setattr(targets_module, "PAIRS", pairs)
    monkeypatch.setattr(targets_module, "LOOKUPS", lookups)
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


def test_colliding_words_and_distances_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    # All groups share one mixed word, and all targets their first eight bytes.
    targets = Targets([attached(1, b"\xa4" * 8 + b"\x00\x03"), attached(2, b"\xa4" * 8 + b"\x00\x01")], 10)
    rows = [(t, 1 + t % 2, 100 + t % 3) for t in range(12)]  # time, attachment, source
    captures = Captures(
        np.array([r[0] for r in rows], np.int64),
        np.array([r[1] for r in rows], np.uint32),
        np.array([r[2] for r in rows], np.uint32),
        np.ones(12, np.uint16),
        np.zeros((12, 10), np.uint8),
        np.frombuffer(b"\xa4" * 8 + b"\x00\x00", np.uint8).repeat(12).reshape(10, 12).T.copy(),
        np.ones(12, np.uint8),
        np.zeros(12, np.uint16),
        np.zeros(12, np.uint32),
        np.zeros(12, np.uint16),
    )
    monkeypatch.setattr(groups, "_MIX", (0,))
    found = group(Copies.of(captures, targets.rows_of(captures.attachment)), targets, 100, 1000)
    assert found.rows.source_ip[found.first].tolist() == [100, 101, 102]
    assert found.copies.tolist() == [2, 2, 2]
    # Target 2 is nearer to the key than target 1; each source sent two copies to either.
    assert targets.number[found.rows.target].tolist() == [2, 1] * 3
    assert found.rows.packets.tolist() == [2] * 6
