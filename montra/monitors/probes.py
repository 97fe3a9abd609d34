"""Wishes for a view of a target: in line, and so few a second that the crawl, which grants them, is not starved."""

from __future__ import annotations

from array import array

import numpy as np

from montra.monitors.table import MonitorTable
from montra.monitors.wheel import NEVER, Rows

_ROUND_NS = 100_000_000
_STALE_ALLOWED = 4096


class Probes:
    """The rows whose `probing` is set, oldest wish first; `per_s` of them a second, in rounds about 100 ms apart.

    A view that comes by itself takes a row out of the line (`probing` is cleared by whoever takes the view in). Its
    place stays behind, told by the time of the wish; a line of many such places is closed up, so it costs 12 bytes for
    each row that waits, and a round costs no more however long the line is.
    """

    def __init__(self, table: MonitorTable, per_s: float) -> None:
        self._table = table
        self._round = max(1, int(per_s * _ROUND_NS / 1e9))
        self._pause_ns = round(self._round / per_s * 1e9)
        self._next_ns = 0
        self._granted = False
        self._line = array("i")  # rows, oldest wish first
        self._since = array("q")  # and the times of their wishes
        self._front = 0  # places already dealt with
        self._close_up_at = _STALE_ALLOWED

    def want(self, now_ns: int, rows: Rows) -> None:
        """Let rows stand in line; those that do so already keep their place."""
        new = rows[~self._table.probing[rows]]
        self._table.wanted_ns[new] = now_ns
        self._table.probing[new] = True
        self._line.extend(new.tolist())
        self._since.extend([now_ns] * len(new))
        if len(self._line) > self._close_up_at:
            self._close_up()

    def due_ns(self) -> int:
        """Return when the next round may be granted; NEVER if nobody waits, or the last one was not taken yet."""
        return self._next_ns if self._front < len(self._line) and not self._granted else NEVER

    def grant(self, now_ns: int) -> None:
        """Allow `take` one round, if it is time."""
        if now_ns >= self.due_ns():
            self._granted = True
            self._next_ns = now_ns + self._pause_ns

    def take(self) -> Rows:
        """Return the rows of the round that was granted, and take them out of the line; empty without a grant."""
        if not self._granted:
            return np.empty(0, np.intp)
        taken: list[int] = []
        while self._front < len(self._line) and len(taken) < self._round:
            row = self._line[self._front]
            if self._table.probing[row] and self._table.wanted_ns[row] == self._since[self._front]:
                self._table.probing[row] = False
                taken.append(row)
            self._front += 1
        self._granted = False
        return np.array(taken, np.intp)

    def _close_up(self) -> None:
        """Forget the places dealt with, and those of rows that have left the line."""
        rows = np.array(self._line, np.intp)[self._front :]
        since = np.array(self._since, np.int64)[self._front :]
        waiting = self._table.probing[rows] & (self._table.wanted_ns[rows] == since)
        self._line = array("i", rows[waiting].astype(np.int32).tobytes())
        self._since = array("q", since[waiting].tobytes())
        self._front = 0
        self._close_up_at = 2 * len(self._line) + _STALE_ALLOWED
