"""What a target says to its monitor, and what the monitor says back: the only packets parsed whole, the only answers.

The source address is all that tells a target from a stranger, and it can be forged. So a reply counts only with the
transaction of our query; a query under another ID than the target's is not believed but asked about; and what a
target can make us do, parsing included, is bounded by its packet allowance. In a DHT without transactions whose nodes
give each address a key, who once showed our key must go on to show it.
"""

from __future__ import annotations

from typing import NamedTuple

from montra.datagrams import Counters
from montra.monitors.roster import Roster
from montra.monitors.table import ACCEPTED, FIRST, INTRODUCED, KEEP_ALIVE, LINGERING, VISIBLE
from montra.monitors.timetable import Timetable
from montra.monitors.visibility import Visibility
from montra.overlays.base import Message, Overlay, Peer, version_number


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
        awaited = table.outstanding[row] > 0 and self._overlay.may_answer(data, self.transaction(row))
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
        table = self._roster.table
        if query.sender_id not in (b"", table.target(row)):
            self._ask(now_ns, row, "foreign_id_query")
            return _NOTHING
        if self._believed(row, query):
            self._alive(now_ns, row)
        else:
            self._ask(now_ns, row, "unproved_query")
        answer = self._overlay.answer(query, table.monitor(row), self._peer(row))
        self._counters.add("target_queries" if answer is None else "answered_queries")
        return Heard(answer)

    def _reply(self, now_ns: int, row: int, reply: Message) -> Heard:
        table = self._roster.table
        awaited = self._overlay.introduction_echo(self.transaction(row))
        if not table.outstanding[row] or reply.transaction != awaited:
            self._counters.add("unmatched_reply")
            return _NOTHING
        if len(reply.sender_id) not in (0, self._overlay.id_bytes):
            self._counters.add("malformed_id")
            return _NOTHING
        foreign = reply.sender_id not in (b"", table.target(row))
        if not reply.verified and (foreign or table.proved[row]):
            self._counters.add("unproved_reply")
            return _NOTHING
        table.outstanding[row] -= 1
        if foreign:
            return Heard(other_id=reply.sender_id)
        self._believed(row, reply)
        self._counters.add("replies" if reply.type == "reply" else "error_replies")
        first_word = table.round[row] == FIRST and not table.heard_ns[row]
        self._alive(now_ns, row)
        if reply.contacts and self._roster.contact(row) in reply.contacts:
            self._visibility.told(now_ns, row)
        first_word = first_word and table.state[row] != VISIBLE
        if reply.wants_confirmation or (first_word and reply.type == "reply"):
            return self._greet(now_ns, row, reply)
        return _NOTHING

    def _greet(self, now_ns: int, row: int, reply: Message) -> Heard:
        """Say what is owed for a reply: if it asks, or is the first word of a target that does not hand us out."""
        greeting = self._overlay.greeting(self._roster.table.monitor(row), self._peer(row), reply)
        if greeting is None or not self._timetable.allows(now_ns, row):
            return _NOTHING
        self._counters.add("greetings")
        return Heard(greeting)

    def _peer(self, row: int) -> Peer:
        table = self._roster.table
        return Peer(table.target(row), int(table.peer_key[row]))

    def _believed(self, row: int, message: Message) -> bool:
        """Tell whether a message is the target's own, and learn from it what it says of itself."""
        table = self._roster.table
        if message.verified:
            table.proved[row] = True
        elif table.proved[row]:
            return False
        if message.peer_key:
            table.peer_key[row] = message.peer_key
        if message.version:
            version = version_number(message.version)
            if version != table.version[row] or message.status != table.status[row]:
                table.version[row], table.status[row] = version, message.status
                self._roster.mark(row)
        return True

    def _ask(self, now_ns: int, row: int, why: str) -> None:
        """A query is not believed: the reply to one of ours will tell, unless one is under way."""
        table = self._roster.table
        self._counters.add(why)
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
