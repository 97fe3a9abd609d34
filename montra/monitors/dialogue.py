"""What a target says to its monitor, and what the monitor says back: the only packets parsed whole, the only answers.

The source address is all that tells a target from a stranger, and it can be forged. So a reply counts only with the
transaction of our query; a query under another ID than the target's is not believed but asked about; and what a
target can make us do, parsing included, is bounded by its packet allowance.
"""

from __future__ import annotations

from typing import NamedTuple

from montra.datagrams import Counters
from montra.monitors.roster import Roster
from montra.monitors.table import ACCEPTED, FIRST, INTRODUCED, KEEP_ALIVE, LINGERING, VISIBLE
from montra.monitors.timetable import Timetable
from montra.monitors.visibility import Visibility
from montra.overlays.base import Message, Overlay


class Heard(NamedTuple):
    """What follows from a target's packet: an answer to send, or the other ID its node answers under now."""

    answer: bytes | None = None
    other_id: bytes = b""


_NOTHING = Heard()


class Dialogue:
    """Takes in the packets of targets. Rows touched need `Timetable.arm` afterwards."""

    def __init__(
        self, overlay: Overlay, roster: Roster, timetable: Timetable, visibility: Visibility, counters: Counters
    ) -> None:
        self._overlay = overlay
        self._roster = roster
        self._timetable = timetable
        self._visibility = visibility
        self._counters = counters

    def transaction(self, row: int) -> bytes:
        """Return the transaction of the row's round."""
        return int(self._roster.table.transaction[row]).to_bytes(4, "big")

    def hear(self, now_ns: int, row: int, data: bytes) -> Heard:
        """Take in one packet from a target's address. Never raises over its bytes."""
        table = self._roster.table
        if table.state[row] == LINGERING:
            self._counters.add("late_target")
            return _NOTHING
        awaited = table.outstanding[row] > 0 and self.transaction(row) in data
        if not awaited and not self._timetable.allows(now_ns, row):
            self._counters.add("target_limited")
            return _NOTHING
        message = self._overlay.parse(data)
        if message.type == "query":
            return self._query(now_ns, row, message)
        if message.type in ("reply", "error"):
            return self._reply(now_ns, row, message)
        self._counters.add(f"malformed_{message.reason}")
        return _NOTHING

    def _query(self, now_ns: int, row: int, query: Message) -> Heard:
        target = self._roster.table.target(row)
        if query.sender_id != target:
            self._ask(now_ns, row)
            return _NOTHING
        self._alive(now_ns, row)
        answer = self._overlay.answer(query, self._roster.table.monitor(row))
        self._counters.add("target_queries" if answer is None else "answered_queries")
        return Heard(answer)

    def _reply(self, now_ns: int, row: int, reply: Message) -> Heard:
        table = self._roster.table
        if not table.outstanding[row] or reply.transaction != self.transaction(row):
            self._counters.add("unmatched_reply")
            return _NOTHING
        if len(reply.sender_id) not in (0, self._overlay.id_bytes):
            self._counters.add("malformed_id")
            return _NOTHING
        table.outstanding[row] -= 1
        if reply.sender_id and reply.sender_id != table.target(row):
            return Heard(other_id=reply.sender_id)
        self._counters.add("replies" if reply.type == "reply" else "error_replies")
        first_word = table.round[row] == FIRST and not table.heard_ns[row]
        self._alive(now_ns, row)
        if reply.contacts and self._roster.contact(row) in reply.contacts:
            self._visibility.told(now_ns, row)
        if first_word and reply.type == "reply" and table.state[row] != VISIBLE:
            return self._greet(now_ns, row, reply.version)
        return _NOTHING

    def _greet(self, now_ns: int, row: int, version: bytes) -> Heard:
        """The first word of the target ever, to our first round, is a reply, and it does not hand us out yet."""
        greeting = self._overlay.greeting(self._roster.table.monitor(row), version)
        if greeting is None or not self._timetable.allows(now_ns, row):
            return _NOTHING
        self._counters.add("greetings")
        return Heard(greeting)

    def _ask(self, now_ns: int, row: int) -> None:
        """The node queried us under another ID: its reply to a query will tell, unless one is under way."""
        table = self._roster.table
        self._counters.add("foreign_id_query")
        if table.round[row] == KEEP_ALIVE and table.step[row] == 0:
            self._timetable.ask(now_ns, row)

    def _alive(self, now_ns: int, row: int) -> None:
        table = self._roster.table
        self._timetable.heard(now_ns, row)
        if not table.accepted_ns[row]:
            table.accepted_ns[row] = now_ns
            if table.state[row] == INTRODUCED:
                table.state[row] = ACCEPTED
            self._roster.mark(row)
            self._counters.add("accepted")
            self._timetable.accepted(now_ns, row)
