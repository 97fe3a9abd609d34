"""XOR-nearest over sorted IDs against brute force with Python integers."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from zone_store.keyspace import ids
from zone_store.keyspace.nearest import XorIndex, nearest


def rows_of(values: list[bytes], width: int) -> NDArray[np.uint8]:
    return ids.pack(sorted(values), width)


@st.composite
def keyspaces(draw: st.DrawFn) -> tuple[int, list[bytes], list[bytes]]:
    """IDs and keys that collide in every way: equal, alike in the first 64 bits, alike in all but the last bit."""
    width = draw(st.sampled_from([16, 20]))
    head = draw(st.sampled_from([b"", bytes(8), b"\xa4" * 8, b"\xff" * 15]))
    alphabet = st.integers(0, 255) | st.sampled_from([0, 1, 0x80, 0xFF])
    tail = st.lists(alphabet, min_size=width - len(head), max_size=width - len(head)).map(lambda t: head + bytes(t))
    one = tail | st.binary(min_size=width, max_size=width)
    stored = draw(st.lists(one, max_size=40))
    stored += draw(st.lists(st.sampled_from(stored), max_size=5)) if stored else []
    keys = draw(st.lists(one, min_size=1, max_size=10))
    keys += [bytes(key[:-1] + bytes([key[-1] ^ 1])) for key in stored[:3]] + stored[:3]
    return width, stored, keys


@given(keyspaces(), st.integers(1, 10))
def test_nearest_is_what_sorting_by_distance_gives(case: tuple[int, list[bytes], list[bytes]], k: int) -> None:
    width, stored, keys = case
    table = rows_of(stored, width)
    in_order = [row.tobytes() for row in table]
    found = nearest(table, ids.pack(keys, width), k)
    assert found.shape == (len(keys), k)
    assert found.dtype == np.int64
    for key, rows in zip(keys, found.tolist(), strict=True):
        expected = sorted(range(len(in_order)), key=lambda i: ids.xor_distance(in_order[i], key))[:k]
        assert rows == expected + [-1] * (k - len(expected))


def test_the_neighbour_in_numbers_is_not_the_nearest() -> None:
    table = ids.pack([b"\x00", b"\x7f", b"\x80"], 1)
    # 0x7f and 0x80 are neighbours as numbers and farthest apart by XOR.
    assert nearest(table, ids.pack([b"\x81", b"\x7e", b"\x3f"], 1), 3).tolist() == [[2, 0, 1], [1, 0, 2], [0, 1, 2]]


def test_no_ids_and_no_keys() -> None:
    assert nearest(ids.pack([], 20), ids.pack([bytes(20)], 20), 2).tolist() == [[-1, -1]]
    assert nearest(ids.pack([bytes(20)], 20), ids.pack([], 20)).shape == (0, 1)
    assert len(XorIndex(ids.pack([], 20))) == 0


def test_what_does_not_fit_is_refused() -> None:
    table = ids.pack([b"\x00", b"\x01"], 1)
    with pytest.raises(ValueError, match="not sorted"):
        XorIndex(table[::-1])
    with pytest.raises(ValueError, match="k must be at least 1"):
        nearest(table, table, 0)
    with pytest.raises(ValueError, match="for IDs of 1 bytes"):
        nearest(table, ids.pack([b"ab"], 2))


def test_a_hundred_thousand_keys_in_a_zone_of_32k_targets() -> None:
    rng = np.random.default_rng(1)
    table = rng.integers(0, 256, (32768, 20), dtype=np.uint8)
    table[:, 0] = 0xA4
    table = table[ids.sort_order(table)]
    keys = rng.integers(0, 256, (100_000, 20), dtype=np.uint8)
    begin = time.perf_counter()
    found = nearest(table, keys)
    assert time.perf_counter() - begin < 2  # 0.1 s alone on one core
    sample = keys[:20]
    for key, row in zip([row.tobytes() for row in sample], found[:20, 0], strict=True):
        assert row == min(range(len(table)), key=lambda i: ids.xor_distance(table[i].tobytes(), key))
