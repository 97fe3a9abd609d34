"""Users' lookups as they happen: who looks for what and when, and every packet of theirs."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

import numpy as np

from montra.simulator import wording
from montra.simulator.content import Content
from montra.simulator.crowd import Crowd
from montra.simulator.latency import Wire
from montra.simulator.lookups import Contact, JechSearch, LookupRecord, Search, State
from montra.simulator.population import Nodes
from montra.simulator.rules import RULES
from montra.simulator.settings import Family, SimSettings
from montra.simulator.tables import Tables

#: Contacts that a requester outside the zone has heard of when its lookup enters it: one answer's worth.
_ENTRY_CONTACTS = 8
#: jech's steps: this long after the last one, and up to as much more (dht.c, `dht_periodic`) [S].
_JECH_STEP_S = 10.0
#: How long an answer may come after the end of a lookup.
_LINGER_NS = 60 * 10**9


class Outlet(Protocol):
    """What users need of the network."""

    def later(self, at_ns: int, call: Callable[[int], None]) -> None:
        """Call back at a time."""
        ...

    def deliver(self, at_ns: int, own: tuple[int, int], source: tuple[int, int], payload: bytes) -> None:
        """Let a datagram arrive at the instrument."""
        ...

    def monitor(self, row: int) -> tuple[int, int, int]:
        """Return (ID, ip, port) of the monitor that a node hands out."""
        ...


class Lookup:
    """A lookup in progress.

    end_ns: the requester's access delay; head: first 64 bits of the key; heard: contacts among the instrument's
    addresses, by address; number: its own, for transactions; asks_peers: by get_peers, not find_node.
    """

    __slots__ = ("asks_peers", "end_ns", "head", "heard", "number", "record", "rules", "search")

    def __init__(self, record: LookupRecord, search: Search, end_ns: int, number: int) -> None:
        self.record = record
        self.search = search
        self.rules = RULES[Family(record.client)]
        self.end_ns = end_ns
        self.number = number
        self.heard: dict[tuple[int, int], Contact] = {}
        self.head = int.from_bytes(record.key[:8])
        self.asks_peers = not self.rules.by_find_node


class Users(Crowd[Lookup]):
    """All users. log: every lookup, in order of their beginnings."""

    def __init__(
        self,
        settings: SimSettings,
        nodes: Nodes,
        tables: Tables,
        ends_ns: list[int],
        wire: Wire,
        outlet: Outlet,
        rng: random.Random,
        draws: np.random.Generator,
    ) -> None:
        super().__init__(settings, nodes, ends_ns, wire, rng, draws)
        self.log: list[LookupRecord] = []
        self._settings = settings
        self._nodes = nodes
        self._tables = tables
        self._outlet = outlet
        self._number = 0
        self._content = Content(settings, rng) if settings.keys else None
        self._gap_s = self._lasts_s / settings.lookups if settings.lookups else 0.0
        if self._gap_s > 0:
            self._next(self._from_ns)

    def heard(self, now_ns: int, ip: int, port: int, source: tuple[int, int], payload: bytes) -> bool:
        """Take a reply of the instrument to a user at this address; False if nobody there waits for it."""
        lookups = self.searching.get((ip, port), ())
        for lookup in lookups:
            contact = lookup.heard.get(source)
            if contact is None:
                continue
            heard = wording.read(payload)
            if heard.kind == "reply":
                contact.token = wording.token_of(payload) if heard.token else b""
                self._answer(now_ns, lookup, contact, int.from_bytes(heard.sender_id))
            elif heard.kind == "error":
                self._refused(now_ns, lookup, contact)
            return True
        return False

    def _next(self, now_ns: int) -> None:
        at_ns = now_ns + round(self._rng.expovariate(1 / self._gap_s) * 1e9)
        if at_ns < self._until_ns:
            self._outlet.later(at_ns, self._begin)

    def _begin(self, now_ns: int) -> None:
        self._next(now_ns)
        zone, rng = self._settings.zone, self._rng
        known = self._tables.known
        if not len(known):
            return
        row = int(known[rng.randrange(len(known))])
        inside = rng.random() < self._inside
        if inside:
            ip, port, family = self._ips[row], self._ports[row], Family(int(self._nodes.client[row]))
            own_id, end_ns = self._nodes.node_id[row].tobytes(), self._ends_ns[row]
        else:
            ip, port, number = self._strangers.draw()
            family, end_ns = Family(number), self._wire.end_ns()
            own_id = self._outside_id()
        key = zone.random_id(rng) if self._content is None else self._content.keys[self._content.draw(rng)]
        announce = rng.random() < self._settings.announces
        record = LookupRecord(now_ns, own_id, ip, port, int(family), key, announce, row if inside else -1)
        kind = JechSearch if family is Family.JECH else Search
        search = kind(RULES[family], int.from_bytes(key), self._n)
        self._number += 1
        lookup = Lookup(record, search, end_ns, self._number)
        self.log.append(record)
        self._enter((ip, port), lookup)
        if inside:
            near = self._tables.nearest(row, int.from_bytes(key[:8]), max(8, RULES[family].handed_out))
            first = [self._contact(other) for other in near]
            for contact in first:
                contact.initial = True
        else:
            first = self._entry(row)
        search.learn(first)
        if family is Family.JECH:
            self._jech_step(now_ns, lookup)
        else:
            self._proceed(now_ns, lookup)

    def _entry(self, row: int) -> list[Contact]:
        """Return whom a requester outside hears of when it reaches the zone: contacts that some node has of all over
        the zone, the gone and the deaf among them as in its table.
        """
        held = self._tables.slots[row, : int(self._tables.begin[2])]
        rows = [*held[held >= 0].tolist(), row]
        return [self._contact(other) for other in self._rng.sample(rows, min(_ENTRY_CONTACTS, len(rows)))]

    def _contact(self, row: int) -> Contact:
        if row >= self._n:
            return Contact(row, *self._outlet.monitor(row - self._n))
        return Contact(row, self._ids[row], self._ips[row], self._ports[row])

    def _jech_step(self, now_ns: int, lookup: Lookup) -> None:
        if lookup.search.is_over():
            return
        for contact in lookup.search.step(now_ns):
            self._ask(now_ns, lookup, contact)
        if lookup.search.is_over():
            self._finish(now_ns, lookup)
        else:
            wait_s = _JECH_STEP_S * (1 + self._rng.random())
            self._outlet.later(now_ns + round(wait_s * 1e9), lambda at_ns: self._jech_step(at_ns, lookup))

    def _proceed(self, now_ns: int, lookup: Lookup) -> None:
        search = lookup.search
        if search.is_over():
            return
        asked = search.one_more(now_ns) if isinstance(search, JechSearch) else search.step(now_ns)
        for contact in asked:
            self._ask(now_ns, lookup, contact)
        if search.is_over():
            self._finish(now_ns, lookup)

    def _ask(self, now_ns: int, lookup: Lookup, contact: Contact) -> None:
        """Send a query, and see to it that its answer or its time-outs come."""
        rules = lookup.rules
        answer_ns = self._send(now_ns, lookup, contact, "get_peers" if lookup.asks_peers else "find_node")
        hard_ns = now_ns + round(rules.hard_s * 1e9)
        soft_ns = now_ns + round(rules.soft_s * 1e9)
        if answer_ns and answer_ns < hard_ns:
            row = contact.row
            self._outlet.later(answer_ns, lambda at_ns: self._named(at_ns, lookup, contact, row))
        elif not isinstance(lookup.search, JechSearch):
            self._outlet.later(hard_ns, lambda at_ns: self._silent(at_ns, lookup, contact))
        if soft_ns < hard_ns and (not answer_ns or answer_ns > soft_ns) and not isinstance(lookup.search, JechSearch):
            self._outlet.later(soft_ns, lambda at_ns: self._slow(at_ns, lookup, contact))

    def _send(self, now_ns: int, lookup: Lookup, contact: Contact, method: str) -> int:
        """Put a query on the wire; return when a simulated node's answer arrives, 0 for never or for a monitor."""
        record, wire = lookup.record, self._wire
        if contact.row >= self._n:
            own = (contact.ip, contact.port)
            record.asked.setdefault(own, now_ns)
            lookup.heard[own] = contact
            if wire.lost():
                return 0
            record.copies += 1
            family = Family(record.client)
            if method == "announce_peer":
                payload = wording.announcement(
                    family, record.requester_id, record.key, record.requester_port, contact.token, lookup.number
                )
            else:
                payload = wording.query(family, method, record.requester_id, record.key, lookup.number + contact.copies)
            source = (record.requester_ip, record.requester_port)
            self._outlet.deliver(now_ns + lookup.end_ns + wire.ours_ns, own, source, payload)
            return 0
        way_ns = lookup.end_ns + self._ends_ns[contact.row]
        reached = self._reachable[contact.row] and self._is_up(contact.row, now_ns + way_ns)
        if reached and not wire.lost():
            record.received.setdefault(contact.row, now_ns + way_ns)
            if not wire.lost():
                return now_ns + 2 * way_ns
        return 0

    def _named(self, now_ns: int, lookup: Lookup, contact: Contact, row: int) -> None:
        """A simulated node's answer has arrived."""
        if lookup.search.is_over():
            return
        handed_out = RULES[Family(int(self._nodes.client[row]))].handed_out
        search = lookup.search
        near = self._tables.nearest(row, lookup.head, handed_out)
        search.learn([self._contact(other) for other in near if other not in search.rows])
        contact.token = b"token"
        lookup.search.answered(contact, contact.node_id)
        self._proceed(now_ns, lookup)

    def _answer(self, now_ns: int, lookup: Lookup, contact: Contact, node_id: int) -> None:
        """A monitor's answer has arrived."""
        if lookup.search.is_over():
            return
        if not lookup.asks_peers and node_id != contact.node_id:
            return  # rTorrent waits all the same [M]
        lookup.search.answered(contact, node_id)
        self._proceed(now_ns, lookup)

    def _refused(self, now_ns: int, lookup: Lookup, contact: Contact) -> None:
        """An error has arrived: a failure to most; it breaks rTorrent's search [M]."""
        if lookup.search.is_over():
            return
        if lookup.rules.by_find_node:
            lookup.search.stop()
            self._close(now_ns, lookup)
            return
        lookup.search.failed(contact)
        self._proceed(now_ns, lookup)

    def _slow(self, now_ns: int, lookup: Lookup, contact: Contact) -> None:
        if contact.state is State.OPEN and not lookup.search.is_over():
            lookup.search.slow(contact)
            self._proceed(now_ns, lookup)

    def _silent(self, now_ns: int, lookup: Lookup, contact: Contact) -> None:
        if contact.state is State.OPEN and not lookup.search.is_over():
            lookup.search.failed(contact)
            self._proceed(now_ns, lookup)

    def _finish(self, now_ns: int, lookup: Lookup) -> None:
        """The search is over: announce to its result, if that is what it was for."""
        result = lookup.search.result()
        if lookup.record.requester >= 0:
            self._learn(now_ns, lookup.record.requester, lookup.search.found)
        if lookup.rules.by_find_node:  # only now it asks for peers
            for contact in result:
                self._send(now_ns, lookup, contact, "get_peers")
        if lookup.record.announce:
            for contact in result:
                if contact.token or contact.row < self._n:
                    lookup.record.announced_ns = lookup.record.announced_ns or now_ns
                    self._send(now_ns, lookup, contact, "announce_peer")
        self._close(now_ns, lookup)

    def _learn(self, now_ns: int, row: int, found: list[Contact]) -> None:
        """A node of the zone knows who has answered it; these take it in when they have asked it in turn."""
        alive = np.array([c.row for c in found if c.state is State.ALIVE and c.row < self._n], np.int64)
        own = np.full(len(alive), row)
        self._tables.add(own, alive)
        low, high = RULES[Family.LIBTORRENT].ping_s
        wait_ns = round(self._rng.uniform(low, high) * 1e9)
        self._outlet.later(now_ns + wait_ns, lambda _at_ns: self._tables.add(alive, own))

    def _close(self, now_ns: int, lookup: Lookup) -> None:
        record = lookup.record
        record.finished_ns = now_ns
        # late answers are still taken off the wire, then the address is free
        self._outlet.later(now_ns + _LINGER_NS, lambda _at_ns: self._forget(lookup))

    def _forget(self, lookup: Lookup) -> None:
        self._leave((lookup.record.requester_ip, lookup.record.requester_port), lookup)
