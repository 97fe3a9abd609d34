"""Distinct rows: exact for any rows, in order of appearance, also against rows made to collide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zone_store.run import distinct
from zone_store.run.distinct import distinct_rows


def expected(rows: list[tuple[object, ...]]) -> tuple[list[int], list[int]]:
    numbers: dict[tuple[object, ...], int] = {}
    first: list[int] = []
    for i, row in enumerate(rows):
        if row not in numbers:
            numbers[row] = len(numbers)
            first.append(i)
    return first, [numbers[row] for row in rows]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 2**32 - 1]), st.binary(min_size=3, max_size=3))))
def test_rows_are_told_apart_by_all_their_bytes(rows: list[tuple[int, int, bytes]]) -> None:
    columns = [
        np.array([row[0] for row in rows], np.uint8),
        np.array([row[1] for row in rows], np.uint32),
        np.frombuffer(b"".join(row[2] for row in rows), "V3") if rows else np.empty(0, "V3"),
    ]
    first, number = distinct_rows(columns)
    assert (first.tolist(), number.tolist()) == expected(rows)


@pytest.mark.parametrize("values", [1, 2, 1000, 100_000, 1 << 40])
def test_many_rows(values: int) -> None:
    column = np.random.default_rng(values).integers(0, values, 50_000)
    first, number = distinct_rows([column])
    assert bool((np.diff(first) > 0).all())
    assert np.array_equal(column[first][number], column)
    assert len(first) == len(np.unique(column))
    assert np.array_equal(np.unique(number, return_index=True)[1], first)


def collide(n: int) -> np.ndarray:
    """Return rows of two words, all different and all of one hash: the second word undoes the first."""
    odd = [int(number) for number in distinct._ODD[:2]]
    undo = pow(odd[1], -1, 1 << 64)
    return np.array([(i, -i * odd[0] * undo % (1 << 64)) for i in range(n)], np.uint64)


def test_rows_made_to_have_one_hash_are_told_apart() -> None:
    rows = collide(1000)
    assert np.unique(rows @ distinct._ODD[:2]).tolist() == [0]
    columns = [rows[:, 0].repeat(2), rows[:, 1].repeat(2)]
    first, number = distinct_rows(columns)
    assert first.tolist() == list(range(0, 2000, 2))
    assert number.tolist() == [i // 2 for i in range(2000)]


def test_hashes_that_agree_in_all_bits_that_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct, "_ROUNDS", 0)
    first, number = distinct_rows([np.array([5, 6, 5, 7, 6], np.uint16)])
    assert (first.tolist(), number.tolist()) == ([0, 1, 3], [0, 1, 0, 2, 1])
