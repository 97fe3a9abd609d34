"""The XOR metric: literal values, and agreement of the array forms with Python integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zone_store.keyspace import ids

# Few distinct bytes, so that equal IDs and long shared prefixes are common.
IDS = st.binary(min_size=20, max_size=20) | st.lists(st.sampled_from([0, 1, 0x80, 0xFF]), min_size=20, max_size=20).map(
    bytes
)


def test_distance_is_the_xor_as_a_number() -> None:
    assert ids.xor_distance(b"\x0f\x00", b"\xf0\x01") == 0xFF01
    assert ids.xor_distance(b"ab", b"ab") == 0
    with pytest.raises(ValueError, match="20 and 16 bytes"):
        ids.xor_distance(bytes(20), bytes(16))


@pytest.mark.parametrize(
    ("a", "b", "bits"),
    [
        (b"\x00\x00", b"\x00\x00", 16),
        (b"\x00\x00", b"\x80\x00", 0),
        (b"\x00\x00", b"\x00\x01", 15),
        (b"\xa4\xff", b"\xa7\x00", 6),
        (b"\xff\x00", b"\xff\x80", 8),
    ],
)
def test_common_prefix_length(a: bytes, b: bytes, bits: int) -> None:
    assert ids.common_prefix_length(a, b) == bits
    rows = ids.pack([a], 2)
    assert ids.common_prefix_lengths(rows, ids.pack([b], 2)).tolist() == [bits]
    assert ids.common_prefix_lengths(rows, ids.pack([b], 2)[0]).tolist() == [bits]


def test_pack() -> None:
    rows = ids.pack([b"\x01\x02", b"\x03\x04"], 2)
    assert rows.dtype == np.uint8
    assert rows.tolist() == [[1, 2], [3, 4]]
    assert ids.pack([], 20).shape == (0, 20)
    rows[0, 0] = 9  # a copy of its own
    with pytest.raises(ValueError, match="ID of 3 bytes among IDs of 2"):
        ids.pack([b"ab", b"abc"], 2)


def test_words_are_big_endian_and_padded_at_the_end() -> None:
    assert ids.words(ids.pack([bytes(range(20))], 20)).tolist() == [
        [0x0001020304050607],
        [0x08090A0B0C0D0E0F],
        [0x1011121300000000],
    ]


def test_sorting_is_stable() -> None:
    rows = ids.pack([b"b", b"a", b"b", b"a"], 1)
    assert ids.sort_order(rows).tolist() == [1, 3, 0, 2]


def test_no_rows() -> None:
    none = ids.pack([], 20)
    assert ids.sort_order(none).tolist() == []
    assert ids.common_prefix_lengths(none, none).tolist() == []
    assert ids.less(none, none).tolist() == []


@given(st.lists(st.tuples(IDS, IDS), min_size=1, max_size=40))
def test_arrays_agree_with_integers(pairs: list[tuple[bytes, bytes]]) -> None:
    left, right = ([pair[side] for pair in pairs] for side in (0, 1))
    a, b = ids.pack(left, 20), ids.pack(right, 20)
    distances = [int.from_bytes(row.tobytes(), "big") for row in ids.distance(a, b)]
    assert distances == [ids.xor_distance(x, y) for x, y in pairs]
    assert ids.common_prefix_lengths(a, b).tolist() == [ids.common_prefix_length(x, y) for x, y in pairs]
    assert ids.less(a, b).tolist() == [x < y for x, y in pairs]
    assert ids.less(a, b[0]).tolist() == [x < right[0] for x in left]
    assert [left[i] for i in ids.sort_order(a)] == sorted(left)
    assert [row.tobytes() for row in a] == left
