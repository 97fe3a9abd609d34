"""A timer wheel over row numbers: one timer for each row, no object for any of them.

Time is cut into ticks. A slot of the ring stands for one tick and holds the numbers of the rows due then; a row that
is rescheduled leaves its old number behind as a stale entry, told by the row's own record of where it stands. Slots
with too many stale entries are rewritten, so the memory follows the rows, not the history. Work per tick is in
proportion to the rows due. Timers beyond the ring's span stand in its last slot and are placed again when it comes
round, which costs one idle wake-up per span (27 minutes with the defaults).
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]
"""Row numbers."""

#: What `next_ns` and due times say for "never".
NEVER = 2**63 - 1
_STALE_ALLOWED = 64


class TimerWheel:
    """Timers of rows 0..rows-1. A timer fires once, never early, and less than a tick late if drained on time."""

    def __init__(self, rows: int, tick_ns: int = 100_000_000, slots: int = 16_384) -> None:
        if tick_ns < 1 or slots < 2:
            raise ValueError("a wheel needs a tick and at least two slots")
        self._tick_ns = tick_ns
        self._slots = slots
        self._cursor = 0  # the last tick drained
        self._tick = np.zeros(rows, np.int64)  # when the row is due
        self._slot = np.full(rows, -1, np.int32)  # the slot it stands in, -1 = no timer
        self._live = np.zeros(slots, np.int32)  # rows that stand in each slot
        self._entries: dict[int, array[int]] = {}
        self._count = 0
        self._next = -1  # the earliest occupied tick, -1 = must be looked for

    def __len__(self) -> int:
        return self._count

    @property
    def entries(self) -> int:
        """Entries held, stale ones included."""
        return sum(len(entries) for entries in self._entries.values())

    def schedule(self, now_ns: int, rows: Rows, due_ns: NDArray[np.int64]) -> None:
        """Set the timers of these (distinct) rows, in place of what they had; NEVER takes the timer away.

        A time that is past fires at the next tick.
        """
        if self._count == 0:  # an empty wheel has no past to drain
            self._cursor = max(self._cursor, now_ns // self._tick_ns)
        ticks = np.maximum(-(-due_ns // self._tick_ns), self._cursor + 1)
        moved = (self._slot[rows] < 0) | (self._tick[rows] != ticks)
        rows, ticks = rows[moved], ticks[moved]
        self._leave(rows)
        wanted = due_ns[moved] != NEVER
        rows, ticks = rows[wanted], ticks[wanted]
        self._tick[rows] = ticks
        self._place(rows)

    def drain(self, now_ns: int) -> Rows:
        """Take away and return, in ascending order, the rows whose timers are due."""
        last = now_ns // self._tick_ns
        span = last - self._cursor
        if span <= 0 or self._count == 0:
            self._cursor = max(self._cursor, last)
            return np.empty(0, np.intp)
        if span >= self._slots:
            passed = np.flatnonzero(self._live)
        else:
            passed = np.arange(self._cursor + 1, last + 1) % self._slots
            passed = passed[self._live[passed] > 0]
        self._cursor = last
        if not len(passed):
            return np.empty(0, np.intp)
        rows = np.unique(np.concatenate([self._standing(slot) for slot in passed.tolist()]))
        self._leave(rows)
        later: NDArray[np.bool_] = self._tick[rows] > last
        self._place(rows[later])
        due: Rows = rows[~later]
        return due

    def next_ns(self) -> int:
        """Return when `drain` has something to do next, NEVER if no timer is set."""
        if self._count == 0:
            return NEVER
        if self._next < 0:
            ahead = (np.flatnonzero(self._live) - (self._cursor + 1)) % self._slots
            self._next = self._cursor + 1 + int(ahead.min())
        return self._next * self._tick_ns

    def _standing(self, slot: int) -> Rows:
        """Return the rows that stand in a slot: its entries without the stale ones, some perhaps twice."""
        rows: Rows = np.array(self._entries[slot], np.intp)
        kept: Rows = rows[self._slot[rows] == slot]
        return kept

    def _leave(self, rows: Rows) -> None:
        """Take rows out of their slots."""
        slots = self._slot[rows]
        slots = slots[slots >= 0]
        if not len(slots):
            return
        self._slot[rows] = -1
        self._count -= len(slots)
        np.subtract.at(self._live, slots, 1)
        emptied = np.unique(slots[self._live[slots] == 0]).tolist()
        for slot in emptied:
            del self._entries[slot]
        if self._next >= 0 and self._next % self._slots in emptied:
            self._next = -1

    def _place(self, rows: Rows) -> None:
        """Put rows without a slot where their tick says."""
        if not len(rows):
            return
        ticks = np.minimum(self._tick[rows], self._cursor + self._slots)
        order = np.argsort(ticks, kind="stable")
        rows, ticks = rows[order], ticks[order]
        ends = [*(np.flatnonzero(ticks[1:] != ticks[:-1]) + 1).tolist(), len(rows)]
        for begin, end in zip([0, *ends], ends, strict=False):
            slot = int(ticks[begin]) % self._slots
            part = rows[begin:end]
            self._slot[part] = slot
            self._live[slot] += len(part)
            entries = self._entries.setdefault(slot, array("i"))
            entries.frombytes(part.astype(np.int32).tobytes())
            if len(entries) > 2 * self._live[slot] + _STALE_ALLOWED:
                self._entries[slot] = array("i", np.unique(self._standing(slot)).astype(np.int32).tobytes())
        first = int(ticks[0])
        if self._count == 0:
            self._next = first
        elif self._next >= 0:
            self._next = min(self._next, first)
        self._count += len(rows)
