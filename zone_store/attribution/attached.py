"""The targets attached during one stretch of time, prepared for asking which of them is how near to a key."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zone_store.attribution.rank import Around, NearerIndex
from zone_store.keyspace import ids as keyspace

TRIES = 16
"""So many nearest targets are tried one after the other until one is attached; then all are compared."""

SHORT = 16
"""A range of so few targets is counted one by one."""

PAIRS = 1 << 17
"""Bound on the (range, event) and (lookup, target) pairs compared at once: some MB of working memory."""

_FURTHEST = np.iinfo(np.uint64).max


class Attached:
    """All targets that are attached at some time of a stretch [begin, until), by ID, equal IDs by row.

    rows intp[n]: rows of the table these are from, with ids uint8[n, L] and begin_ns, end_ns int64[n], in which each is
    attached. Most of them should be attached throughout: then it costs little that some come and go.
    """

    def __init__(
        self, rows: NDArray[np.intp], ids: NDArray[np.uint8], begin_ns: NDArray[np.int64], end_ns: NDArray[np.int64]
    ) -> None:
        self._rows = rows
        self._ids = ids
        self._begin_ns, self._end_ns = begin_ns, end_ns
        self._index = NearerIndex(ids)
        events = np.concatenate([begin_ns, end_ns])
        order = np.argsort(events, kind="stable")
        self._event_ns = events[order]
        self._event_at = order % max(1, len(rows))
        self._event_sign = np.where(order < len(rows), 1, -1).astype(np.int8)

    def place(
        self, times: NDArray[np.int64], keys: NDArray[np.uint8], ids: NDArray[np.uint8]
    ) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Return each lookup's closest attached target intp[n] (its row, of equal IDs the first; -1 if none) and rank.

        times int64[n], rising, within the stretch; keys, ids uint8[n, L]. rank int64[n]: how many attached targets are
        nearer to the key than the ID is.
        """
        if not len(self._rows):
            return np.full(len(times), -1, np.intp), np.zeros(len(times), np.int64)
        # By key: lookups next to each other then search the same part of the table, which is still in the CPU's cache.
        order = np.argsort(keyspace.words(keys)[0])
        keys, ids = keyspace.take(keys, order), keyspace.take(ids, order)
        around = self._index.around(keys, ids)
        closest = np.empty(len(times), np.intp)
        closest[order] = self._closest(times[order], keys, around)
        row, low, high = self._index.nearer(keys, ids, around)
        row = order[row]
        by_time = np.argsort(row, kind="stable")
        return closest, self._rank(times, row[by_time], low[by_time], high[by_time])

    def nearest(self, times: NDArray[np.int64], keys: NDArray[np.uint8], count: int) -> NDArray[np.intp]:
        """Return the rows intp[n, count] of the targets of the stretch nearest to each key, nearest first.

        -1 for one that is not attached at the lookup's time, and where there are no more.
        """
        rows = np.full((len(times), count), -1, np.intp)
        if not len(self._rows):
            return rows
        order = np.argsort(keyspace.words(keys)[0])
        keys, times = keyspace.take(keys, order), times[order]
        around = self._index.neighbourhood(keys, count)
        for wanted in range(min(count, len(self._rows))):
            at = self._index.index.select(keys, wanted, around)
            rows[order, wanted] = np.where(self._there(at, times), self._rows[at], -1)
        return rows

    def _there(self, at: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.bool_]:
        there: NDArray[np.bool_] = (self._begin_ns[at] <= times) & (self._end_ns[at] > times)
        return there

    def _closest(self, times: NDArray[np.int64], keys: NDArray[np.uint8], around: Around) -> NDArray[np.intp]:
        closest = np.full(len(times), -1, np.intp)
        rows = np.arange(len(times))
        for wanted in range(min(TRIES, len(self._rows))):
            at = self._index.index.select(keyspace.take(keys, rows), wanted, (around.low[rows], around.high[rows]))
            there = self._there(at, times[rows])
            closest[rows[there]] = self._rows[at[there]]
            rows = rows[~there]
            if not len(rows):
                return closest
        if len(self._rows) > TRIES:
            step = max(1, PAIRS // len(self._rows))
            for start in range(0, len(rows), step):
                part = rows[start : start + step]
                closest[part] = self._closest_of_all(times[part], keys[part])
        return closest

    def _closest_of_all(self, times: NDArray[np.int64], keys: NDArray[np.uint8]) -> NDArray[np.intp]:
        """Compare each lookup with each target."""
        there = (self._begin_ns <= times[:, None]) & (self._end_ns > times[:, None])
        candidates = there
        for target, key in zip(keyspace.words(self._ids), keyspace.words(keys), strict=True):
            distance = np.where(candidates, target ^ key[:, None], _FURTHEST)
            candidates = candidates & (distance == distance.min(axis=1, keepdims=True))
        return np.where(there.any(axis=1), self._rows[candidates.argmax(axis=1)], -1)

    def _rank(
        self, times: NDArray[np.int64], row: NDArray[np.intp], low: NDArray[np.int64], high: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return for each time how many targets of its ranges are attached; range low..high-1 is of times[row]."""
        short = high - low <= SHORT
        rank = np.zeros(len(times), np.int64)
        if short.any():
            owner, at = _members(low[short], high[short])
            owner = row[short][owner]
            rank += np.bincount(owner[self._there(at, times[owner])], minlength=len(times))
        if not short.all():
            long = ~short
            counts = self._count(times[row[long]], low[long], high[long])
            rank += np.bincount(row[long], counts, len(times)).astype(np.int64)
        return rank

    def _count(self, times: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many of low..high-1 are attached at each time, int64[n]; times rise.

        Counted are those attached at the first time of a part, and what came and went since. Parts with too much of
        that are halved.
        """
        counts = np.empty(len(times), np.int64)
        todo = [(0, len(times))]
        while todo:
            begin, end = todo.pop()
            since, until = np.searchsorted(self._event_ns, times[[begin, end - 1]], "right").tolist()
            if end - begin > 1 and (until - since) * (end - begin) > PAIRS:
                middle = (begin + end) // 2
                todo += [(begin, middle), (middle, end)]
                continue
            part = slice(begin, end)
            there = (self._begin_ns <= times[begin]) & (self._end_ns > times[begin])
            before = np.append(0, np.cumsum(there))
            counts[part] = before[high[part]] - before[low[part]]
            if until > since:
                event = slice(since, until)
                counted = self._event_ns[event] <= times[part, None]
                counted &= self._event_at[event] >= low[part, None]
                counted &= self._event_at[event] < high[part, None]
                counts[part] += (counted * self._event_sign[event]).sum(axis=1, dtype=np.int64)
        return counts


def _members(low: NDArray[np.int64], high: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return for each number of each range low..high-1 the range it is in and the number itself."""
    size = high - low
    owner = np.repeat(np.arange(len(size)), size)
    first = np.cumsum(size) - size
    return owner, low[owner] + np.arange(len(owner)) - first[owner]
