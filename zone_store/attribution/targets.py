"""The monitored targets as arrays: who was attached when, and which of them is how near to a key."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zone_store.attribution.rank import count_nearer
from zone_store.attribution.words import Words, less, same
from zone_store.captures import Attachment
from zone_store.keyspace import ids as keyspace
from zone_store.keyspace.nearest import nearest

_FOREVER = np.iinfo(np.int64).max
_FURTHEST = np.iinfo(np.uint64).max

PAIRS = 1 << 20
"""Bound on the (lookup, target) pairs compared one by one: about 50 MB of working memory."""

LOOKUPS = 1 << 16
"""Most lookups placed at once."""


class Targets:
    """All attachments of a run, one row each, by rising number.

    number uint32[A]; ids uint8[A, L] target IDs; monitor_ids uint8[A, L]; identity intp[A]: equal for equal target IDs;
    begin_ns, end_ns int64[A]: when attached, that is from accepted until lost (never, if never accepted).
    Raises ValueError if an ID has not `id_bytes` bytes.
    """

    def __init__(self, attachments: Sequence[Attachment], id_bytes: int) -> None:
        rows = sorted(attachments, key=lambda a: a.number)
        self.number = np.array([a.number for a in rows], np.uint32)
        self.ids = keyspace.pack([a.target_id for a in rows], id_bytes)
        self.monitor_ids = keyspace.pack([a.monitor_id for a in rows], id_bytes)
        self.begin_ns = np.array([a.accepted_ns or _FOREVER for a in rows], np.int64)
        self.end_ns = np.array([a.lost_ns or _FOREVER for a in rows], np.int64)
        self._words = keyspace.words(self.ids)
        # By ID, then by number: the first of equal IDs has the lowest number.
        self._order = keyspace.sort_order(self.ids)
        self.identity = np.empty(len(rows), np.intp)
        new = ~same(self._words, self._order[1:], self._order[:-1])
        self.identity[self._order] = np.cumsum(np.append(False, new))[: len(rows)]

    def __len__(self) -> int:
        return len(self.number)

    def rows_of(self, numbers: NDArray[np.uint32]) -> NDArray[np.int32]:
        """Return the rows of these attachment numbers, -1 for a number that the run does not list."""
        if not len(self):
            return np.full(len(numbers), -1, np.int32)
        rows = np.minimum(np.searchsorted(self.number, numbers), len(self) - 1)
        return np.where(self.number[rows] == numbers, rows, -1).astype(np.int32)

    def place(
        self, times: NDArray[np.int64], keys: NDArray[np.uint8], ids: NDArray[np.uint8]
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """For each (time, key, target ID): which target attached at that time is closest, and which rank has the ID.

        times int64[n], rising; keys, ids uint8[n, L]. Returns (closest uint32[n], rank int64[n]): the attachment number
        of the attached target at least XOR distance from the key (of equal IDs the lowest number; 0 if none is
        attached), and how many attached targets are nearer to the key than the ID is.

        Over a short time most targets stay attached: those are asked through a sorted table, and only those that come
        or go meanwhile are compared with each lookup. A stretch of time with too many of them is halved.
        """
        closest = np.zeros(len(times), np.uint32)
        rank = np.zeros(len(times), np.int64)
        todo = [(0, len(times))] if len(self) and len(times) else []
        while todo:
            begin, end = todo.pop()
            throughout, partly = self._attached(int(times[begin]), int(times[end - 1]))
            if end - begin > 1 and (end - begin > LOOKUPS or len(partly) * (end - begin) > PAIRS):
                middle = (begin + end) // 2
                todo += [(begin, middle), (middle, end)]
                continue
            part = slice(begin, end)
            closest[part], rank[part] = self._place(times[part], keys[part], ids[part], throughout, partly)
        return closest, rank

    def _attached(self, begin_ns: int, end_ns: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return, by ID, the rows attached from begin to end, and those attached at some time in between only."""
        begins, ends = self.begin_ns[self._order], self.end_ns[self._order]
        throughout = (begins <= begin_ns) & (ends > end_ns)
        partly = (begins <= end_ns) & (ends > begin_ns) & ~throughout
        return self._order[throughout], self._order[partly]

    def _place(
        self,
        times: NDArray[np.int64],
        keys: NDArray[np.uint8],
        ids: NDArray[np.uint8],
        throughout: NDArray[np.intp],
        partly: NDArray[np.intp],
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        rank = count_nearer(self.ids[throughout], keys, ids)
        closest = np.full(len(times), -1, np.intp)
        if len(throughout):
            closest = throughout[nearest(self.ids[throughout], keys)[:, 0]]
        if len(partly):
            key_words = keyspace.words(keys)
            own = keyspace.words(keyspace.distance(keys, ids))
            there = (self.begin_ns[partly] <= times[:, None]) & (self.end_ns[partly] > times[:, None])
            distance = self._words[:, None, partly] ^ key_words[:, :, None]
            rank += (there & less(distance, own[:, :, None])).sum(axis=1)
            rival = np.where(there.any(axis=1), partly[_argmin(distance, there)], -1)
            closest = self._nearer(key_words, closest, rival)
        return np.where(closest >= 0, self.number[closest], 0).astype(np.uint32), rank

    def _nearer(self, keys: Words, a: NDArray[np.intp], b: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return for each key the nearer of two rows (-1 = none; of equal IDs the lower row)."""
        nearer = less(self._words[:, b] ^ keys, self._words[:, a] ^ keys)
        first_of_equals = (self.identity[a] == self.identity[b]) & (b < a)
        return np.where((b >= 0) & ((a < 0) | nearer | first_of_equals), b, a)


def _argmin(distance: Words, candidates: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return for each lookup the first candidate (bool[n, m]) at least distance (uint64[W, n, m])."""
    for word in distance:
        masked = np.where(candidates, word, _FURTHEST)
        candidates = candidates & (masked == masked.min(axis=1, keepdims=True))
    return np.asarray(candidates.argmax(axis=1), np.intp)
