"""Intervals joined and turned over, with literal values and against counting."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zone_store.run.intervals import complement, union

interval = st.tuples(st.integers(-5, 25), st.integers(-5, 25))


def test_union_joins_what_touches_and_cuts_to_the_window() -> None:
    assert union([(5, 7), (-3, 1), (7, 8), (6, 7), (9, 9), (11, 30), (12, 10)], 0, 20) == ((0, 1), (5, 8), (11, 20))


def test_complement_is_the_rest_of_the_window() -> None:
    assert complement([(5, 7), (-3, 1)], 0, 20) == ((1, 5), (7, 20))
    assert complement([], 0, 20) == ((0, 20),)
    assert complement([(0, 20)], 0, 20) == ()


@given(st.lists(interval, max_size=6))
def test_each_moment_is_in_one_of_both(intervals: list[tuple[int, int]]) -> None:
    inside, outside = union(intervals, 0, 20), complement(intervals, 0, 20)
    for moment in range(20):
        expected = any(begin <= moment < end for begin, end in intervals)
        assert [begin <= moment < end for begin, end in inside].count(True) == expected
        assert [begin <= moment < end for begin, end in outside].count(True) == (not expected)
