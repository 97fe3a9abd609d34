"""Searches by aMule's rules (Search.cpp): for files, for keywords, for who stores what, for nodes.

Sans-I/O: a search is told of answers and of passing seconds, and returns whom to ask and whom to send the packet of its
second phase. A client's time has whole seconds.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from montra.simulator.kad.rules import (
    ANSWER_SUBNET,
    POSSIBLE,
    REASK_COUNT,
    SECOND_NS,
    STALLED_S,
    TOLERANCE_BITS,
    SearchRules,
)
from montra.simulator.kad.settings import ID_BITS

_DISTANCE = attrgetter("distance")
_BEST = 2  # contacts that a search for files or keywords asks for, and that must not both be silent
_TRIED_ENOUGH = 3 * _BEST
_FARTHEST_STORE = 1 << (ID_BITS - TOLERANCE_BITS)


@dataclass(slots=True, eq=False)
class Contact:
    """A contact of a search. row: of the population, or plus its length for a monitor; distance: to the key."""

    row: int
    node_id: int
    ip: int
    port: int
    distance: int = 0
    responded: bool = False
    tried: bool = False


class Step(NamedTuple):
    """What a search does: whom it asks for how many contacts, and to whom it sends its second phase."""

    ask: list[tuple[Contact, int]]
    store: list[Contact]


class Search:
    """One search. answers: of its second phase; is_over: it sends nothing any more; rows: contacts it has heard of."""

    def __init__(self, rules: SearchRules, alpha: int, key: int, now_ns: int) -> None:
        self.answers = 0
        self.is_over = False
        self.rows: set[int] = set()
        self._rules = rules
        self._alpha = alpha
        self._key = key
        self._begun_s = self._last_s = now_ns // SECOND_NS
        self._possible: list[Contact] = []
        self._tried: list[Contact] = []
        self._best: list[Contact] = []
        self._seen: set[int] = set()
        self._reasked: Contact | None = None

    def begin(self, contacts: Iterable[Contact]) -> list[tuple[Contact, int]]:
        """Begin with contacts of the requester's own table; return whom to ask."""
        for contact in contacts:
            self._learn(contact)
        for far in self._possible[POSSIBLE:]:
            self._seen.discard(far.distance)
            self.rows.discard(far.row)
        del self._possible[POSSIBLE:]
        return [self._ask(contact) for contact in self._possible[: self._alpha]]

    def answered(
        self, now_ns: int, contact: Contact, named: Iterable[Contact], count: int
    ) -> list[tuple[Contact, int]]:
        """A contact has answered with `count` others, those new to the search among them; return whom to ask."""
        self._last_s = now_ns // SECOND_NS
        most = REASK_COUNT if contact is self._reasked else self._rules.wanted
        if count > most or self.is_over:
            return []
        if self._rules.first_only:
            self._possible.clear()
            return []
        ips, subnets = {contact.ip}, Counter((contact.ip >> 8,))
        asked = []
        for new in named:
            distance = new.node_id ^ self._key
            if distance in self._seen or new.ip in ips:
                continue
            ips.add(new.ip)
            if subnets[new.ip >> 8] >= ANSWER_SUBNET:
                continue
            subnets[new.ip >> 8] += 1
            self._learn(new)
            if distance < contact.distance and self._is_among_best(new):
                asked.append(self._ask(new))
        contact.responded = True
        if self._rules.counts_nodes:
            self.answers += 1
        return asked

    def jump(self, now_ns: int) -> Step:
        """A second has passed: go on if the search has stalled, end it if it is over."""
        now_s = now_ns // SECOND_NS
        if self.answers > self._rules.answers or self._begun_s + self._rules.lifetime_s < now_s:
            self.is_over = True
        if self.is_over or self._last_s + STALLED_S > now_s:
            return Step([], [])
        if not self._possible:
            self.is_over = True
            return Step([], [])
        wider = self._ask_wider()
        if wider is not None:
            return Step([(wider, REASK_COUNT)], [])
        store: list[Contact] = []
        while self._possible:
            contact = self._possible[0]
            if not contact.tried:
                return Step([self._ask(contact)], store)
            if contact.responded and contact.distance < _FARTHEST_STORE and not self._rules.counts_nodes:
                store.append(contact)
            del self._possible[0]
        return Step([], store)

    def _ask_wider(self) -> Contact | None:
        """Return the nearest responder of a search whose best two are silent, once."""
        if self._reasked is not None or self._rules.wanted != _BEST or len(self._tried) < _TRIED_ENOUGH:
            return None
        if any(contact.responded for contact in self._tried[:_BEST]):
            return None
        self._reasked = next((contact for contact in self._tried[_BEST:] if contact.responded), None)
        return self._reasked

    def _learn(self, contact: Contact) -> None:
        contact.distance = contact.node_id ^ self._key
        self.rows.add(contact.row)
        if contact.distance not in self._seen:
            self._seen.add(contact.distance)
            insort(self._possible, contact, key=_DISTANCE)

    def _is_among_best(self, contact: Contact) -> bool:
        if len(self._best) >= self._alpha:
            if contact.distance > self._best[-1].distance:
                return False
            del self._best[-1]
        insort(self._best, contact, key=_DISTANCE)
        return True

    def _ask(self, contact: Contact) -> tuple[Contact, int]:
        contact.tried = True
        insort(self._tried, contact, key=_DISTANCE)
        return contact, self._rules.wanted
