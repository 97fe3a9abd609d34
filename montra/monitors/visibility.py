"""Does the target hand its monitor out? Two kinds of evidence, of different weight.

The target's own reply to the monitor may list the monitor: that opens a visible interval at once. Its absence there
proves nothing, since clients may leave the requester out of their reply. A view is what the target told the crawler,
from another address, when asked for its own ID: it opens intervals too, and only it closes them, after several views
without us in a row. An interval then ends at the first of those.
"""

from __future__ import annotations

import numpy as np

from montra.datagrams import Counters
from montra.monitors.roster import Roster
from montra.monitors.settings import FleetSettings
from montra.monitors.table import HIDDEN, VISIBLE
from montra.monitors.timetable import Timetable


class Visibility:
    """Judges the evidence, keeps the visible intervals, and plans re-introductions."""

    def __init__(self, roster: Roster, timetable: Timetable, settings: FleetSettings, counters: Counters) -> None:
        self._roster = roster
        self._timetable = timetable
        self._settings = settings
        self._counters = counters

    def told(self, now_ns: int, row: int) -> None:
        """The target's reply to the monitor lists the monitor."""
        if self._roster.table.state[row] != VISIBLE:
            self._counters.add("visible_by_reply")
            self._show(now_ns, row)

    def view(self, now_ns: int, row: int, own: tuple[tuple[bytes, int, int], ...]) -> bool:
        """Take a view in, `own` = our contacts in it; True asks for another address for this monitor."""
        table = self._roster.table
        table.seen_ns[row] = now_ns
        table.doubted[row] = False
        move = False
        if self._roster.contact(row) in own:
            table.unseen[row] = table.absent[row] = 0
            table.judged[row] = True
            if table.state[row] != VISIBLE:
                self._counters.add("visible_by_view")
                self._show(now_ns, row)
        elif table.state[row] == VISIBLE:
            move = self._absent(now_ns, row)
        elif table.accepted_ns[row] and self._timetable.verifiable(now_ns, row):
            move = self._unseen(now_ns, row)
        self._timetable.viewed(now_ns, row)
        self._timetable.arm(now_ns, np.array([row]))
        return move

    def hides(self, now_ns: int, row: int) -> bool:
        """Tell whether the target had time enough, and was seen several times in a row not handing the monitor out."""
        table = self._roster.table
        return int(table.unseen[row]) >= self._settings.absent_views and self._timetable.patient(now_ns, row)

    def _show(self, now_ns: int, row: int) -> None:
        self._roster.open_visible(now_ns, row)
        self._timetable.shown(now_ns, row)

    def _absent(self, now_ns: int, row: int) -> bool:
        table = self._roster.table
        if not table.absent[row]:
            table.absent_ns[row] = now_ns
        table.absent[row] += 1
        if table.absent[row] < self._settings.absent_views:
            return False
        self._counters.add("dropped")
        self._roster.close_visible(int(table.absent_ns[row]), row, HIDDEN)
        return self._unseen(now_ns, row)

    def _unseen(self, now_ns: int, row: int) -> bool:
        """Plan another introduction; tell whether another address is due instead."""
        table = self._roster.table
        self._counters.add("not_visible")
        table.state[row] = HIDDEN
        table.judged[row] = True
        table.unseen[row] = min(int(table.unseen[row]) + 1, 255)
        self._timetable.again(now_ns, row, int(table.unseen[row]))
        return int(table.unseen[row]) >= self._settings.move_after and self._timetable.patient(now_ns, row)
