"""Wishes for a view of a target: in line, and so few a second that the crawl, which grants them, is not starved."""

from __future__ import annotations

import numpy as np

from montra.monitors.table import MonitorTable
from montra.monitors.wheel import NEVER, Rows

_ROUND_NS = 100_000_000


class Probes:
    """The rows whose `probing` is set, oldest wish first; `per_s` of them a second, in rounds about 100 ms apart.

    A view that comes by itself takes a row out of the line (`probing` is cleared by whoever takes the view in).
    """

    def __init__(self, table: MonitorTable, per_s: float) -> None:
        self._table = table
        self._round = max(1, int(per_s * _ROUND_NS / 1e9))
        self._pause_ns = round(self._round / per_s * 1e9)
        self._next_ns = 0
        self._granted = False
        self._left = False  # whether some row may be in line

    def want(self, now_ns: int, rows: Rows) -> None:
        """Let rows stand in line; those that do so already keep their place."""
        new = rows[~self._table.probing[rows]]
        self._table.wanted_ns[new] = now_ns
        self._table.probing[new] = True
        self._left |= len(new) > 0

    def due_ns(self) -> int:
        """Return when the next round may be granted; NEVER if nobody waits, or the last one was not taken yet."""
        return self._next_ns if self._left and not self._granted else NEVER

    def grant(self, now_ns: int) -> None:
        """Allow `take` one round, if it is time."""
        if now_ns >= self.due_ns():
            self._granted = True
            self._next_ns = now_ns + self._pause_ns

    def take(self) -> Rows:
        """Return the rows of the round that was granted, and take them out of the line; empty without a grant."""
        if not self._granted:
            return np.empty(0, np.intp)
        rows: Rows = np.flatnonzero(self._table.probing)
        rows = rows[np.argsort(self._table.wanted_ns[rows], kind="stable")]
        taken, rest = rows[: self._round], rows[self._round :]
        self._table.probing[taken] = False
        self._granted, self._left = False, len(rest) > 0
        return taken
