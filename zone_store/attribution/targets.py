"""The monitored targets as arrays: who was attached when, and which of them is how near to a key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zone_store.attribution.attached import Attached
from zone_store.attribution.visible import Visible
from zone_store.attribution.words import same_as_before
from zone_store.captures import Attachment
from zone_store.keyspace import ids as keyspace

FOREVER = np.iinfo(np.int64).max
"""The time of what has not happened."""

COME_AND_GO = 1024
"""So many targets may come or go while one table of the attached ones serves, or half of them if that is more."""

LOOKUPS = 1 << 16
"""Most lookups placed at once."""

_SPREAD = 16
"""Attachment numbers up to so many times their count are found by a table instead of by search."""


_TOGETHER = 1 << 14
"""So many attachments are objects at a time, at ten times the memory of their columns."""


DEPARTURES = frozenset({"silent", "gone", "changed_id"})
"""Reasons for which an attachment ends because its target had left before; by "moved" the monitor did."""


class _Columns(NamedTuple):
    number: NDArray[np.uint32]
    ids: NDArray[np.uint8]
    monitor_ids: NDArray[np.uint8]
    ip: NDArray[np.uint32]
    begin_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    left_ns: NDArray[np.int64]
    visible: list[tuple[int, int, int]]


class Targets:
    """All attachments of a run, one row each, by rising number.

    number uint32[A]; ids uint8[A, L] target IDs; word uint64[A]: their first eight bytes as numbers; monitor_ids
    uint8[A, L]; identity int32[A]: equal for equal target IDs; ip uint32[A]: the monitor's, 0 for a bare target, which
    has none; begin_ns, end_ns int64[A]: when attached, that is from accepted until lost (never, if never accepted), a
    bare one from found until lost; left_ns int64[A]: when its target was noticed to have left, never if it did not;
    last_visible_ns int64[A]: end of the last interval in which it handed its monitor out, 0 without one. first_ns,
    last_ns: of all beginnings and ends. Raises ValueError if an ID has not `id_bytes` bytes.
    """

    def __init__(self, attachments: Iterable[Attachment], id_bytes: int) -> None:
        parts = [_columns(part, id_bytes) for part in _batched(attachments)] or [_columns([], id_bytes)]
        number = np.concatenate([part.number for part in parts])
        order = np.argsort(number, kind="stable")
        self.number = number[order]
        self.ids = keyspace.take(np.concatenate([part.ids for part in parts]), order)
        self.monitor_ids = keyspace.take(np.concatenate([part.monitor_ids for part in parts]), order)
        self.ip = np.concatenate([part.ip for part in parts])[order]
        self.begin_ns = np.concatenate([part.begin_ns for part in parts])[order]
        self.end_ns = np.concatenate([part.end_ns for part in parts])[order]
        self.left_ns = np.concatenate([part.left_ns for part in parts])[order]
        self.first_ns, self.last_ns = self._span()
        self.last_visible_ns = np.zeros(len(self), np.int64)
        intervals = np.array([one for part in parts for one in part.visible], np.int64).reshape(-1, 3)
        of = np.searchsorted(self.number, intervals[:, 0])
        np.maximum.at(self.last_visible_ns, of, intervals[:, 2])
        self._visible = Visible(of, intervals[:, 1], intervals[:, 2])
        words = keyspace.words(self.ids)
        self.word = words[0] if len(words) else np.zeros(len(self), np.uint64)
        # By ID, then by number: the first of equal IDs has the lowest number.
        self._order = keyspace.sort_order(self.ids)
        self.identity = np.empty(len(self), np.int32)
        new = ~same_as_before(list(words), self._order)
        self.identity[self._order] = np.cumsum(np.append(False, new))[: len(self)]
        ever = self.begin_ns < self.end_ns
        self._events_ns = np.sort(np.concatenate([self.begin_ns[ever], self.end_ns[ever]]))
        self._row_of = self._rows_by_number()
        self._attached: tuple[int, int, Attached] | None = None

    def __len__(self) -> int:
        return len(self.number)

    def rows_of(self, numbers: NDArray[np.uint32]) -> NDArray[np.int32]:
        """Return the rows of these attachment numbers, -1 for a number that the run does not list."""
        if not len(self):
            return np.full(len(numbers), -1, np.int32)
        if self._row_of is not None:
            return self._row_of[np.minimum(numbers, np.uint32(len(self._row_of) - 1))]
        rows = np.minimum(np.searchsorted(self.number, numbers), len(self) - 1)
        return np.where(self.number[rows] == numbers, rows, -1).astype(np.int32)

    def visible(self, rows: NDArray[np.intp], times: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which of these rows handed their monitor out at these times, bool of the same shape."""
        return self._visible.at(rows, times)

    def place(
        self, times: NDArray[np.int64], keys: NDArray[np.uint8], ids: NDArray[np.uint8]
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """For each (time, key, target ID): which target attached at that time is closest, and which rank has the ID.

        times int64[n], rising; keys, ids uint8[n, L]. Returns (closest uint32[n], rank int64[n]): the attachment number
        of the attached target at least XOR distance from the key (of equal IDs the lowest number; 0 if none is
        attached), and how many attached targets are nearer to the key than the ID is.
        """
        closest = np.zeros(len(times), np.uint32)
        rank = np.zeros(len(times), np.int64)
        for part, attached in self.stretches(times):
            rows, rank[part] = attached.place(times[part], keys[part], ids[part])
            closest[part] = np.where(rows >= 0, self.number[rows], 0)
        return closest, rank

    def departures_per_s(self, noticed_s: float) -> float:
        """Return how many departures there are in a second of one live target; each is noticed so much later."""
        ever = self.begin_ns < FOREVER
        until_ns = np.minimum(self.end_ns[ever], self.last_ns) - round(noticed_s * 1e9)
        watched_s = float((until_ns - self.begin_ns[ever]).clip(0).sum(dtype=np.float64)) / 1e9
        left = int(np.count_nonzero(self.left_ns[ever] < FOREVER))
        return left / watched_s if watched_s else 0.0

    def stretches(self, times: NDArray[np.int64]) -> Iterator[tuple[slice, Attached]]:
        """Divide times int64[n], rising, into parts, each with a table of the targets attached in it.

        The table of the last stretch is kept for the next call: calls are cheapest in order of time. Nothing is
        yielded where there are no targets at all.
        """
        begin = 0
        while begin < len(times) and len(self):
            until_ns, attached = self._attached_at(int(times[begin]))
            end = min(int(np.searchsorted(times, until_ns)), begin + LOOKUPS)
            yield slice(begin, end), attached
            begin = end

    def _span(self) -> tuple[int, int]:
        """Return the first beginning and the last beginning or end."""
        known = self.begin_ns < FOREVER
        begin, end = self.begin_ns[known], self.end_ns[known]
        last_ns = max(int(begin.max(initial=0)), int(end[end < FOREVER].max(initial=0)))
        return int(begin.min(initial=FOREVER)), last_ns

    def _attached_at(self, time_ns: int) -> tuple[int, Attached]:
        """Return (end of a stretch that has begun by this time, the targets attached in it)."""
        if self._attached is not None and self._attached[0] <= time_ns < self._attached[1]:
            return self._attached[1:]
        there = int(np.count_nonzero((self.begin_ns <= time_ns) & (self.end_ns > time_ns)))
        last = int(np.searchsorted(self._events_ns, time_ns, "right")) + max(COME_AND_GO, there // 2)
        until_ns = int(self._events_ns[last]) if last < len(self._events_ns) else FOREVER
        begins, ends = self.begin_ns[self._order], self.end_ns[self._order]
        rows = self._order[(begins < until_ns) & (ends > time_ns) & (begins < ends)]
        attached = Attached(rows, keyspace.take(self.ids, rows), self.begin_ns[rows], self.end_ns[rows])
        self._attached = (time_ns, until_ns, attached)
        return until_ns, attached

    def _rows_by_number(self) -> NDArray[np.int32] | None:
        """Return each number's row, -1 for those between and one after the last; None if they lie too far apart."""
        if not len(self) or int(self.number[-1]) > _SPREAD * len(self):
            return None
        row_of = np.full(int(self.number[-1]) + 2, -1, np.int32)
        row_of[self.number] = np.arange(len(self), dtype=np.int32)
        return row_of


def _batched(attachments: Iterable[Attachment]) -> Iterator[list[Attachment]]:
    rows = iter(attachments)
    while part := list(islice(rows, _TOGETHER)):
        yield part


def _columns(rows: list[Attachment], id_bytes: int) -> _Columns:
    return _Columns(
        np.array([a.number for a in rows], np.uint32),
        keyspace.pack([a.target_id for a in rows], id_bytes),
        keyspace.pack([a.monitor_id for a in rows], id_bytes),
        np.array([a.monitor_ip for a in rows], np.uint32),
        np.array([_begin_ns(a) for a in rows], np.int64),
        np.array([a.lost_ns or FOREVER for a in rows], np.int64),
        np.array([a.lost_ns if a.lost_ns and a.reason in DEPARTURES else FOREVER for a in rows], np.int64),
        [(a.number, begin, end or a.lost_ns or FOREVER) for a in rows for begin, end in a.visible],
    )


def _begin_ns(attachment: Attachment) -> int:
    bare = not attachment.monitor_ip and not attachment.monitor_port
    return (attachment.found_ns if bare else attachment.accepted_ns) or FOREVER
