"""Sums over distinct rows, whatever the tables they come in."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import counting
from analysis.counting import RowCounter, big_endian


def test_big_endian_puts_columns_side_by_side() -> None:
    rows = big_endian(np.array([1, 0x0A0B0C0D], np.uint32), np.array([2, 0xFFFE], np.uint16))
    assert rows.tolist() == [[0, 0, 0, 1, 0, 2], [0x0A, 0x0B, 0x0C, 0x0D, 0xFF, 0xFE]]


def test_nothing_added_is_nothing_counted() -> None:
    rows, counts = RowCounter(6, 2).result()
    assert (rows.shape, counts.shape) == ((0, 6), (0, 2))
    assert big_endian(np.empty(0, np.uint32)).shape == (0, 4)


@given(st.lists(st.lists(st.binary(min_size=9, max_size=9).map(lambda b: b[:1] * 9), max_size=9), max_size=9))
def test_sums_are_those_of_a_dictionary(tables: list[list[bytes]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_PENDING_ROWS", 3)  # sum up again and again
        counter = RowCounter(9, 2)
        for table in tables:
            ones = np.ones((len(table), 1), np.int64)
            rows = np.frombuffer(b"".join(table), np.uint8).reshape(len(table), 9)
            counter.add(rows, np.concatenate([ones, 2 * ones], axis=1))
        rows, counts = counter.result()
    expected = sorted(Counter(row for table in tables for row in table).items())
    assert [row.tobytes() for row in rows] == [row for row, _ in expected]
    assert counts.tolist() == [[n, 2 * n] for _, n in expected]
