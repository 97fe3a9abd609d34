"""Intervals of time as (begin, end) pairs of nanoseconds, end excluded: joined, and turned over."""

from __future__ import annotations

from collections.abc import Iterable

Intervals = tuple[tuple[int, int], ...]


def union(intervals: Iterable[tuple[int, int]], begin_ns: int, end_ns: int) -> Intervals:
    """Return intervals joined where they touch, in order, cut to a window; empty ones left out."""
    joined: list[tuple[int, int]] = []
    for begin, end in sorted((max(begin, begin_ns), min(end, end_ns)) for begin, end in intervals):
        if begin >= end:
            continue
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return tuple(joined)


def complement(intervals: Iterable[tuple[int, int]], begin_ns: int, end_ns: int) -> Intervals:
    """Return what of a window none of the intervals holds, in order."""
    rest = []
    at = begin_ns
    for begin, end in union(intervals, begin_ns, end_ns):
        if at < begin:
            rest.append((at, begin))
        at = end
    if at < end_ns:
        rest.append((at, end_ns))
    return tuple(rest)
