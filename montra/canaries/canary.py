"""One canary address as a machine: an ordinary requester that looks up random keys of the zone, and keeps a log."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from montra.canaries.lookup import WANTED, Entry, Lookup
from montra.datagrams import Counters
from montra.overlays.base import Contact, Overlay
from zone_store.keyspace.zone import Zone
from zone_store.run.canaries import CanaryLookup

Rows = list[tuple[int, int, bytes]]
"""What a machine takes and gives: (ip, port, payload)."""

#: Nodes that answered and from which later lookups set out: its routing table.
MOST_KNOWN = 512
#: Lookups at a time: each may take as long as silent nodes make it.
MOST_OPEN = 64
_TRANSACTION_BYTES = 2


@dataclass(frozen=True, slots=True)
class Address:
    """Where a canary speaks from: its own node ID, host-order IP and port."""

    node_id: bytes
    ip: int
    port: int


class Canary:
    """Looks up a key every now and then (a Poisson process) and hands each finished lookup to `log`.

    bootstrap: (ip, port) of nodes to begin at; per_minute: lookups. It announces nothing, answers nobody, and marks its
    queries as read-only (BEP 43), so that nobody takes it into a table. It sets out from random nodes of those that
    answered it before: what a client whose own ID is elsewhere knows of a zone.
    counters: what went wrong, by name.
    """

    def __init__(
        self,
        overlay: Overlay,
        zone: Zone,
        own: Address,
        bootstrap: Iterable[tuple[int, int]],
        rng: random.Random,
        per_minute: float,
        log: Callable[[CanaryLookup], None],
    ) -> None:
        self.counters = Counters()
        self._overlay, self._zone, self._own, self._rng, self._log = overlay, zone, own, rng, log
        self._bootstrap: list[Contact] = [(b"", ip, port) for ip, port in bootstrap]
        self._known: dict[tuple[int, int], bytes] = {}
        self._mean_ns = 60e9 / per_minute
        self._next_ns = 0
        self._open: list[Lookup] = []
        self._pending: dict[tuple[int, int, bytes], tuple[Lookup, Entry]] = {}

    def start(self, now_ns: int) -> None:
        """Begin; the first lookup follows after a while."""
        self._next_ns = now_ns + self._pause_ns()

    def feed(self, now_ns: int, rows: Iterable[tuple[int, int, bytes]]) -> Rows:
        """Take what arrived, return what to send."""
        touched: dict[int, Lookup] = {}
        for ip, port, payload in rows:
            message = self._overlay.parse(payload)
            if message.type == "query":
                self.counters.add("query_ignored")
                continue
            found = self._pending.pop((ip, port, message.transaction), None)
            if found is None:
                self.counters.add("unmatched_reply")
                continue
            lookup, entry = found
            if message.type == "reply" and message.sender_id:
                lookup.take(now_ns, entry, message.sender_id, self._others(message.contacts))
                self._know(message.sender_id, ip, port)
            else:
                lookup.fail(entry)
            touched[id(lookup)] = lookup
        return [query for lookup in touched.values() for query in self._go_on(now_ns, lookup)]

    def tick(self, now_ns: int) -> Rows:
        """Do what is due, return what to send."""
        queries: Rows = []
        for lookup in [one for one in self._open if one.due() <= now_ns]:
            lookup.expire(now_ns)
            queries += self._go_on(now_ns, lookup)
        if self._next_ns <= now_ns:
            self._next_ns = now_ns + self._pause_ns()
            if len(self._open) < MOST_OPEN:
                queries += self._begin(now_ns)
            else:
                self.counters.add("busy")
        return queries

    def due(self, now_ns: int) -> int:
        """Return when `tick` has something to do."""
        return min([self._next_ns, *(lookup.due() for lookup in self._open)])

    def finish(self, now_ns: int) -> None:
        """Log the lookups under way as far as they came: the window is over."""
        for lookup in self._open:
            self._write(now_ns, lookup)
        self._open.clear()
        self._pending.clear()

    def _begin(self, now_ns: int) -> Rows:
        lookup = Lookup(self._zone.random_id(self._rng), now_ns)
        known = [(node_id, ip, port) for (ip, port), node_id in self._known.items()]
        lookup.add(self._rng.sample(known, min(WANTED, len(known))))
        if len(known) < WANTED:
            lookup.add(self._bootstrap)
        self._open.append(lookup)
        return self._go_on(now_ns, lookup)

    def _go_on(self, now_ns: int, lookup: Lookup) -> Rows:
        queries: Rows = []
        for entry in lookup.next(now_ns):
            transaction = self._rng.randbytes(_TRANSACTION_BYTES)
            self._pending[entry.ip, entry.port, transaction] = lookup, entry
            queries.append(
                (entry.ip, entry.port, self._overlay.lookup_query(self._own.node_id, lookup.key, transaction))
            )
        if lookup.over:
            self._end(now_ns, lookup)
        return queries

    def _end(self, now_ns: int, lookup: Lookup) -> None:
        if lookup in self._open:
            self._open.remove(lookup)
            self._pending = {place: one for place, one in self._pending.items() if one[0] is not lookup}
            for entry in lookup.asked:
                if not entry.answered_ns:
                    self._known.pop((entry.ip, entry.port), None)
            self._write(now_ns, lookup)

    def _write(self, now_ns: int, lookup: Lookup) -> None:
        self._log(
            CanaryLookup(
                t_ns=lookup.begun_ns,
                end_ns=now_ns,
                requester=self._own.node_id.hex(),
                ip=self._own.ip,
                port=self._own.port,
                key=lookup.key.hex(),
                asked=[(entry.ip, entry.port, entry.asked_ns) for entry in lookup.asked],
                answered=[(node_id.hex(), ip, port, t_ns) for node_id, ip, port, t_ns in lookup.answered],
            )
        )

    def _others(self, contacts: Iterable[Contact]) -> list[Contact]:
        return [contact for contact in contacts if contact[1] != self._own.ip]

    def _know(self, node_id: bytes, ip: int, port: int) -> None:
        if len(self._known) >= MOST_KNOWN and (ip, port) not in self._known:
            del self._known[self._rng.choice(list(self._known))]
        self._known[ip, port] = node_id

    def _pause_ns(self) -> int:
        return int(self._rng.expovariate(1 / self._mean_ns))
