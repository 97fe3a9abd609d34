"""Lookups of users: iterative searches by the rules of each family of clients.

Sans-I/O: a search is told of answers and of time-outs, and returns the contacts to ask next.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from operator import attrgetter

from montra.simulator.rules import Dedupe, Rules

_DISTANCE = attrgetter("distance")
_SECOND_NS = 1_000_000_000
#: jech (dht.c) [S]: copies sent to a silent contact, seconds between them, contacts that must have answered, queries
#: sent by one step.
JECH_COPIES, JECH_RETRANSMIT_NS, JECH_ANSWERS, JECH_STEP = 3, 10 * _SECOND_NS, 8, 4


class State(IntEnum):
    """Of a contact in a search."""

    NEW = 0
    OPEN = 1
    ALIVE = 2
    FAILED = 3


@dataclass(slots=True, eq=False)
class Contact:
    """A contact of a search. row: of the population, or plus its length for a monitor; distance: to the key."""

    row: int
    node_id: int
    ip: int
    port: int
    distance: int = 0
    initial: bool = False
    state: State = State.NEW
    is_slow: bool = False
    copies: int = 0
    asked_ns: int = -(1 << 62)
    token: bytes = b""


class Search:
    """A search of all families but jech: asks the nearest contacts, `alpha` of them at once, until the nearest `k` that
    are alive have answered and none before them is open (libtorrent's traversal_algorithm.cpp [S]; for the others the
    same with their numbers).
    """

    #: An answer under another ID counts under that ID: the contact goes to where that belongs (`resort_result`).
    resorts = True

    def __init__(self, rules: Rules, key: int, monitors_from: int) -> None:
        self.found: list[Contact] = []
        self.rows: set[int] = set()  # of all contacts taken or refused: they need not be offered again
        self._over = False
        self._rules = rules
        self._key = key
        self._monitors_from = monitors_from
        self._ids: set[int] = set()
        self._places: set[int] = set()
        self._open = 0
        self._alpha = rules.alpha

    def learn(self, contacts: Iterable[Contact]) -> None:
        """Take contacts named in an answer, or (`initial`) of the requester's own table."""
        for contact in contacts:
            self.rows.add(contact.row)
            if contact.node_id in self._ids or (self._rules.only_valid_ids and contact.row >= self._monitors_from):
                continue
            place = self._place(contact)
            if not contact.initial:  # libtorrent spares its own contacts from the rule
                if place in self._places:
                    continue
                self._places.add(place)
            self._ids.add(contact.node_id)
            contact.distance = contact.node_id ^ self._key
            insort(self.found, contact, key=_DISTANCE)
        for dropped in self.found[self._rules.listed :]:
            self.failed(dropped)
        del self.found[self._rules.listed :]

    def step(self, now_ns: int) -> list[Contact]:
        """Return whom to ask now; then `is_over` tells whether the search has ended."""
        asked = []
        wanted, outstanding = self._rules.k, 0
        for contact in self.found:
            if not wanted or (outstanding if self._rules.aggressive else self._open) >= self._alpha:
                break
            if contact.state is State.ALIVE:
                wanted -= 1
            elif contact.state is State.OPEN:
                outstanding += 1
            elif contact.state is State.NEW:
                contact.state, contact.asked_ns, contact.copies = State.OPEN, now_ns, 1
                self._open += 1
                outstanding += 1
                asked.append(contact)
        self._over = (not wanted and not outstanding) or not self._open
        return asked

    def is_over(self) -> bool:
        """Tell whether the search has ended."""
        return self._over

    def stop(self) -> None:
        """End the search."""
        self._over = True

    def answered(self, contact: Contact, node_id: int) -> None:
        """The contact has answered, under this ID."""
        if contact.state is not State.OPEN:
            return
        self._close(contact)
        contact.state = State.ALIVE
        if node_id != contact.node_id and self.resorts and contact in self.found:
            self.found.remove(contact)
            contact.distance = node_id ^ self._key
            insort(self.found, contact, key=_DISTANCE)

    def slow(self, contact: Contact) -> None:
        """The contact has not answered soon: another may be asked beside it."""
        if contact.state is State.OPEN and not contact.is_slow:
            contact.is_slow = True
            self._alpha += 1

    def failed(self, contact: Contact) -> None:
        """The contact has not answered, or with an error."""
        if contact.state is State.OPEN:
            self._close(contact)
            contact.state = State.FAILED

    def result(self) -> list[Contact]:
        """Return whom to announce to, nearest first."""
        return [contact for contact in self.found if contact.state is State.ALIVE][: self._rules.announces]

    def _close(self, contact: Contact) -> None:
        self._open -= 1
        if contact.is_slow:
            self._alpha -= 1
            contact.is_slow = False

    def _place(self, contact: Contact) -> int:
        if self._rules.dedupe is Dedupe.SLASH_24:
            return contact.ip >> 8
        return contact.ip if self._rules.dedupe is Dedupe.IP else contact.ip << 16 | contact.port


class JechSearch(Search):
    """jech/dht, hence Transmission: a list of 14; each answer lets one more query go, the others wait for the next step
    10 to 20 s later; a silent contact is asked three times, and the search ends at a step at which the nearest eight
    that are not given up have answered (dht.c, `search_step`, `search_send_get_peers`) [S].
    """

    resorts = False

    def step(self, now_ns: int) -> list[Contact]:
        """Return whom to ask at a periodic step."""
        nearest = [contact for contact in self.found if contact.state is State.ALIVE or contact.copies < JECH_COPIES]
        if all(contact.state is State.ALIVE for contact in nearest[:JECH_ANSWERS]):
            self._over = True
            return []
        waiting = [contact for contact in self.found if self._may_ask(contact, now_ns)]
        return [self._ask(contact, now_ns) for contact in waiting[:JECH_STEP]]

    def one_more(self, now_ns: int) -> list[Contact]:
        """Return whom to ask after an answer: the farthest that may be asked (its loop does not stop at the first)."""
        for contact in reversed(self.found):
            if self._may_ask(contact, now_ns):
                return [self._ask(contact, now_ns)]
        return []

    def answered(self, contact: Contact, node_id: int) -> None:
        """Take an answer; under another ID it is some other contact's."""
        if node_id == contact.node_id:
            contact.state = State.ALIVE

    def slow(self, contact: Contact) -> None:
        """Nothing: it waits for its next step."""

    def failed(self, contact: Contact) -> None:
        """Nothing: errors are ignored, silence is seen at the next step."""

    def _may_ask(self, contact: Contact, now_ns: int) -> bool:
        return (
            contact.state is not State.ALIVE
            and contact.copies < JECH_COPIES
            and contact.asked_ns < now_ns - JECH_RETRANSMIT_NS
        )

    def _ask(self, contact: Contact, now_ns: int) -> Contact:
        contact.state, contact.asked_ns = State.OPEN, now_ns
        contact.copies += 1
        return contact


@dataclass(slots=True)
class LookupRecord:
    """A lookup of a user, for the truth.

    t_ns: its first query; requester_id, requester_ip, requester_port, client (`Family`): who asked; requester: the
    requester's row if it is a node of the zone, else -1; key: 20 bytes; announce: whether it is to end in
    announce_peer; announced_ns: the first one, 0 = none; finished_ns: the end of the search, 0 = still open.
    received: node's row -> when the first copy reached it; asked: (ip, port) of the instrument -> when a copy was first
    sent there, lost or not; copies: datagrams that reached the instrument's addresses.
    """

    t_ns: int
    requester_id: bytes
    requester_ip: int
    requester_port: int
    client: int
    key: bytes
    announce: bool
    requester: int = -1
    announced_ns: int = 0
    finished_ns: int = 0
    received: dict[int, int] = field(default_factory=dict)
    asked: dict[tuple[int, int], int] = field(default_factory=dict)
    copies: int = 0
