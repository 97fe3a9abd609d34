"""Users' lookups as they happen: who searches or publishes what and when, and every packet of theirs.

Between nodes of the network no packet is made: who is asked, who answers and who is told are calls. What the instrument
gets is what a client writes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import numpy as np

from montra.overlays.kad import messages
from montra.overlays.kad.messages import Hello
from montra.overlays.kad.opcodes import Op
from montra.overlays.kad.reader import KadError
from montra.simulator.content import Content
from montra.simulator.crowd import Crowd
from montra.simulator.kad.endpoints import open_packet, seal_packet
from montra.simulator.kad.guests import Guests
from montra.simulator.kad.keepers import Met
from montra.simulator.kad.lookups import KadRecord, Lookup, Requester, second_phase
from montra.simulator.kad.population import KadNodes
from montra.simulator.kad.rules import ALPHA, MINUTE_NS, POSSIBLE, SEARCHES, SECOND_NS, STALLED_S
from montra.simulator.kad.searches import Contact, Search
from montra.simulator.kad.settings import VERSIONS, KadSettings, Purpose
from montra.simulator.kad.tables import KadTables
from montra.simulator.latency import Wire

#: Contacts that a requester outside the zone has of it when its lookup enters it: a bin's.
_ENTRY_CONTACTS = 10
#: Chance that a table outside the zone has room for a contact in it [assumed]: bins so far away are full.
_ROOM_OUTSIDE = 0.02
#: How long an answer may come after the end of a lookup.
_LINGER_NS = 60 * SECOND_NS
#: Keys drawn for a node until one is new to it.
_DRAWS = 8
#: Results of one node to a popular search, and to any other.
_MANY, _FEW = 100, 2
#: Minutes until a table says HELLO to somebody new: his turn in a bin of up to ten, one a minute.
_TURN_MIN = (1.0, 10.0)


class Outlet(Protocol):
    """What users need of the network."""

    def later(self, at_ns: int, call: Callable[[int], None]) -> None:
        """Call back at a time."""
        ...

    def deliver(self, at_ns: int, own: tuple[int, int], source: tuple[int, int], payload: bytes) -> None:
        """Let a datagram arrive at the instrument."""
        ...

    def met(self, row: int) -> Met | None:
        """Return the monitor in a node's table, None if there is none."""
        ...


class Users(Crowd[Lookup]):
    """All users. log: every lookup of theirs, in order of their beginnings."""

    def __init__(
        self,
        settings: KadSettings,
        nodes: KadNodes,
        tables: KadTables,
        ends_ns: Sequence[int],
        wire: Wire,
        outlet: Outlet,
        rng: random.Random,
        draws: np.random.Generator,
    ) -> None:
        super().__init__(settings, nodes, ends_ns, wire, rng, draws)
        self.log: list[KadRecord] = []
        self._settings = settings
        self._nodes = nodes
        self._tables = tables
        self._outlet = outlet
        self._guests = Guests(tables, outlet.met, rng)
        self._wanted: set[tuple[int, Purpose, int]] = set()  # (row, purpose, rank), of nodes of the zone
        self._contents = [Content(settings, rng, kind) for kind in ("keywords", "files")]
        shares = sum(settings.purposes.values())
        for purpose, share in settings.purposes.items():
            rate = share / shares * settings.lookups / self._lasts_s
            if rate:
                self._arrive(Purpose(purpose), self._from_ns, rate)

    def left(self, row: int) -> None:
        """A node is gone."""
        self._guests.left(row)

    def look_up(self, now_ns: int, row: int, key: bytes, purpose: Purpose) -> None:
        """A node of the zone looks up an ID for its own table."""
        self._begin(now_ns, self._node(row), key, purpose, results=0)

    def heard(self, now_ns: int, place: tuple[int, int], source: tuple[int, int], payload: bytes) -> None:
        """Take an answer of the instrument to a user at this address, if somebody there waits for it."""
        for lookup in self.searching.get(place, ()):
            contact = lookup.heard.get(source)
            requester = lookup.record.requester
            opened = open_packet(payload, requester.node_id, requester.secret, source[0])
            if contact is None or opened is None or opened.op != Op.RES:
                continue
            try:
                found = messages.read_response(opened.packet)
            except KadError:
                continue
            if found.target == lookup.record.key:
                # what monitors name is not followed: they name nobody
                asked = lookup.search.answered(now_ns, contact, (), len(found.contacts))
                self._ask(now_ns, lookup, asked)
                return

    def _arrive(self, purpose: Purpose, from_ns: int, rate: float) -> None:
        """Let users begin with this, `rate` a second; those who repeat it began at some time in their last interval."""
        interval_ns = round(SEARCHES[purpose].interval_s * 1e9)
        until_ns = min(self._until_ns, from_ns + interval_ns) if interval_ns else self._until_ns

        def next_after(now_ns: int) -> None:
            at_ns = now_ns + round(self._rng.expovariate(rate) * 1e9)
            if at_ns < until_ns:
                self._outlet.later(at_ns, begin)

        def begin(now_ns: int) -> None:
            next_after(now_ns)
            self._want(now_ns, purpose, interval_ns)

        next_after(from_ns)

    def _want(self, now_ns: int, purpose: Purpose, interval_ns: int) -> None:
        known = self._tables.known
        if not len(known):
            return
        inside = self._rng.random() < self._inside
        requester = self._node(int(known[self._rng.randrange(len(known))])) if inside else self._stranger()
        rank, key = self._new_key(requester, purpose)
        results = _MANY if rank < self._settings.popular * self._settings.keys else _FEW
        results = results if purpose in (Purpose.KEYWORD, Purpose.SOURCE) else 1

        def again(at_ns: int) -> None:
            if at_ns >= self._until_ns or (inside and not self._is_up(requester.row, at_ns)):
                return
            self.log.append(self._begin(at_ns, requester, key, purpose, results))
            if interval_ns:
                self._outlet.later(at_ns + interval_ns, again)

        again(now_ns)

    def _new_key(self, requester: Requester, purpose: Purpose) -> tuple[int, bytes]:
        """Draw what it is for, if possible something that this node has not wanted before: (rank, key)."""
        content = self._contents[purpose not in (Purpose.KEYWORD, Purpose.STORE_KEYWORD)]
        for _ in range(_DRAWS):
            rank = content.draw(self._rng)
            if requester.row < 0 or (requester.row, purpose, rank) not in self._wanted:
                break
        if requester.row >= 0:
            self._wanted.add((requester.row, purpose, rank))
        return rank, content.keys[rank]

    def _begin(self, now_ns: int, requester: Requester, key: bytes, purpose: Purpose, results: int) -> KadRecord:
        rules = SEARCHES[purpose]
        alpha = 1 if rules.first_only else ALPHA[requester.client]
        record = KadRecord(now_ns, requester, purpose, key)
        lookup = Lookup(record, Search(rules, alpha, int.from_bytes(key), now_ns), results)
        self._enter(requester.place, lookup)
        row = requester.row
        first = self._tables.nearest(row, lookup.head, POSSIBLE) if row >= 0 else self._entry()
        self._ask(now_ns, lookup, lookup.search.begin(self._contact(row) for row in first))
        wait_ns = round((STALLED_S - 1 + self._rng.random()) * SECOND_NS)
        self._outlet.later(now_ns + wait_ns, lambda at_ns: self._jump(at_ns, lookup))
        return record

    def _node(self, row: int) -> Requester:
        nodes = self._nodes
        return Requester(
            row,
            nodes.node_id[row].tobytes(),
            self._ips[row],
            self._ports[row],
            int(nodes.client[row]),
            self._ends_ns[row],
            nodes.secret[row].tobytes(),
        )

    def _stranger(self) -> Requester:
        node_id = self._outside_id()
        ip, port, client = self._strangers.draw()
        return Requester(-1, node_id, ip, port, client, self._wire.end_ns(), self._rng.randbytes(4))

    def _entry(self) -> list[int]:
        """Return whom a requester outside knows or hears of when it reaches the zone: contacts that some node has of
        all over the zone, the gone among them as in its table.
        """
        known = self._tables.known
        row = int(known[self._rng.randrange(len(known))])
        held = self._tables.slots[row, : int(self._tables.begin[10])]
        rows = [*held[held >= 0].tolist(), row]
        return self._rng.sample(rows, min(_ENTRY_CONTACTS, len(rows)))

    def _contact(self, row: int) -> Contact:
        if row >= self._n:
            met = self._outlet.met(row - self._n)
            assert met is not None  # noqa: S101 - only who is in a table is named
            return Contact(row, int.from_bytes(met.monitor_id), met.ip, met.port)
        return Contact(row, self._ids[row], self._ips[row], self._ports[row])

    def _ask(self, now_ns: int, lookup: Lookup, asked: Sequence[tuple[Contact, int]]) -> None:
        for contact, count in asked:
            answer_ns = self._send(now_ns, lookup, contact, count)
            if answer_ns:
                self._outlet.later(answer_ns, partial(self._named, lookup=lookup, contact=contact, count=count))

    def _send(self, now_ns: int, lookup: Lookup, contact: Contact, count: int) -> int:
        """Put a REQ on the wire; return when a simulated node's answer arrives, 0 for never or for a monitor."""
        record, wire = lookup.record, self._wire
        if contact.row >= self._n:
            own = (contact.ip, contact.port)
            record.asked.setdefault(own, now_ns)
            lookup.heard[own] = contact
            packet = messages.request(count, record.key, contact.node_id.to_bytes(16))
            self._tell(now_ns, record.requester, contact, packet)
            return 0
        way_ns = record.requester.end_ns + self._ends_ns[contact.row]
        if self._is_up(contact.row, now_ns + way_ns) and self._reachable[contact.row] and not wire.lost():
            record.received.setdefault(contact.row, now_ns + way_ns)
            if not wire.lost():
                return now_ns + 2 * way_ns
        return 0

    def _tell(self, now_ns: int, requester: Requester, contact: Contact, packet: bytes) -> None:
        """Put a packet to a monitor on the wire."""
        if self._wire.lost():
            return
        node_id = contact.node_id.to_bytes(16)
        # a table knows its contacts' keys, those named by others come without
        met = self._outlet.met(requester.row) if contact.row - self._n == requester.row else None
        key = met.key if met else 0
        payload = seal_packet(packet, self._rng, node_id, key, requester.secret, contact.ip)
        at_ns = now_ns + requester.end_ns + self._wire.ours_ns
        self._outlet.deliver(at_ns, (contact.ip, contact.port), requester.place, payload)

    def _named(self, now_ns: int, lookup: Lookup, contact: Contact, count: int) -> None:
        """A simulated node's answer has arrived."""
        search = lookup.search
        if search.is_over:
            return
        rows = self._tables.nearest(contact.row, lookup.head, count)
        named = [self._contact(row) for row in rows if row not in search.rows]
        named = [new for new in named if self._meet(now_ns, lookup.record.requester, new)]
        self._ask(now_ns, lookup, search.answered(now_ns, contact, named, len(rows)))

    def _meet(self, now_ns: int, requester: Requester, contact: Contact) -> bool:
        """Somebody has been named: tell whether the requester's table allows him.

        A table that has room takes him in, and the requester says HELLO to him when his turn comes.
        """
        if contact.row < self._n:
            if requester.row >= 0:
                turn_ns = now_ns + round(self._rng.uniform(*_TURN_MIN) * MINUTE_NS)
                self._outlet.later(turn_ns, partial(self._take_in, row=requester.row, contact=contact.row))
            return True
        if requester.row < 0:
            turn_ns = now_ns + round(self._rng.uniform(*_TURN_MIN) * MINUTE_NS)
            turn_ns = turn_ns if self._rng.random() < _ROOM_OUTSIDE else 0
        elif not self._guests.accepts(now_ns, requester.row, contact):
            return False
        else:
            turn_ns = self._guests.admit(now_ns, requester.row, contact)
        if turn_ns:
            self._outlet.later(turn_ns, partial(self._say_hello, requester=requester, contact=contact))
        return True

    def _take_in(self, now_ns: int, row: int, contact: int) -> None:
        """A node has said HELLO to one that it was named: they know each other if both are up and have room."""
        if self._reachable[contact] and self._is_up(contact, now_ns) and self._is_up(row, now_ns):
            self._tables.add(np.array([row]), np.array([contact]))
            if self._reachable[row]:
                self._tables.add(np.array([contact]), np.array([row]))

    def _say_hello(self, now_ns: int, requester: Requester, contact: Contact) -> None:
        packet = messages.hello(Op.HELLO_REQ, Hello(requester.node_id, 4662, VERSIONS[requester.client]))
        if requester.row < 0 or self._is_up(requester.row, now_ns):
            self._tell(now_ns, requester, contact, packet)

    def _jump(self, now_ns: int, lookup: Lookup) -> None:
        step = lookup.search.jump(now_ns)
        for contact in step.store:
            self._store(now_ns, lookup, contact)
        self._ask(now_ns, lookup, step.ask)
        if not lookup.search.is_over:
            self._outlet.later(now_ns + SECOND_NS, lambda at_ns: self._jump(at_ns, lookup))
            return
        lookup.record.finished_ns = now_ns
        # late answers are still taken off the wire, then the address is free
        self._outlet.later(now_ns + _LINGER_NS, lambda _at_ns: self._forget(lookup))

    def _store(self, now_ns: int, lookup: Lookup, contact: Contact) -> None:
        """Send the packet of the second phase."""
        record = lookup.record
        if contact.row >= self._n:
            self._tell(now_ns, record.requester, contact, second_phase(record))
            return
        way_ns = record.requester.end_ns + self._ends_ns[contact.row]
        if not self._is_up(contact.row, now_ns + way_ns) or self._wire.lost():
            return
        record.stored.add(contact.row)
        if not self._wire.lost():
            self._outlet.later(now_ns + 2 * way_ns, lambda _at_ns: self._count(lookup))

    def _count(self, lookup: Lookup) -> None:
        lookup.search.answers += lookup.results

    def _forget(self, lookup: Lookup) -> None:
        self._leave(lookup.record.requester.place, lookup)
