"""One get_peers lookup as libtorrent makes it: whom to ask next, whom to wait for, when it is over.

Rules of libtorrent 2.1 (`src/kademlia/traversal_algorithm.cpp`, `rpc_manager.cpp`; measured, see ARCHITECTURE): five
queries at a time, until the eight nearest contacts have answered; a contact that is silent for 1 s lets one more be
asked, after 15 s it has failed; of each IP address and of each /24 only the first contact is taken in; who answers
under another ID than it was named by is sorted anew.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field

from montra.overlays.base import Contact

#: Queries under way at first; nearest contacts that must have answered.
BRANCHES = 5
WANTED = 8
SOFT_NS = 1_000_000_000
HARD_NS = 15_000_000_000
#: Contacts kept; farther ones are not looked at.
MOST_CONTACTS = 100
#: Queries of one lookup: some twenty are usual, but who names ever nearer contacts must not make us ask for ever.
MOST_ASKED = 100
#: A lookup is given up then: each of its contacts in turn could be silent.
LONGEST_NS = 120_000_000_000
_NEVER = (1 << 63) - 1


@dataclass(slots=True, eq=False)
class Entry:
    """A contact of a lookup. distance: of its ID from the key; times are 0 until it happens."""

    node_id: bytes
    ip: int
    port: int
    distance: int
    asked_ns: int = 0
    answered_ns: int = 0
    slow: bool = False
    failed: bool = False

    @property
    def awaited(self) -> bool:
        """Whether it was asked and may still answer."""
        return bool(self.asked_ns) and not self.answered_ns and not self.failed


@dataclass(slots=True)
class Lookup:
    """A lookup for `key` (20 bytes) that began at begun_ns. Whoever drives it sends what `next` returns.

    results: contacts by distance; answered: (ID, ip, port, time) of all who answered under the ID they were named by.
    """

    key: bytes
    begun_ns: int
    results: list[Entry] = field(default_factory=list)
    asked: list[Entry] = field(default_factory=list)
    answered: list[tuple[bytes, int, int, int]] = field(default_factory=list)
    over: bool = False
    _branches: int = BRANCHES
    _ips: set[int] = field(default_factory=set)
    _subnets: set[int] = field(default_factory=set)

    def add(self, contacts: Iterable[Contact]) -> None:
        """Take contacts in, as far as the rules do; an ID b"" (a bootstrap node's) is as far away as can be."""
        for node_id, ip, port in contacts:
            distance = self._distance(node_id)
            full = len(self.results) >= MOST_CONTACTS
            if ip in self._ips or ip >> 8 in self._subnets or (full and distance >= self.results[-1].distance):
                continue
            if full:
                last = self.results.pop()
                self._ips.discard(last.ip)
                self._subnets.discard(last.ip >> 8)
            self._ips.add(ip)
            self._subnets.add(ip >> 8)
            self._insert(Entry(node_id, ip, port, distance))

    def next(self, now_ns: int) -> list[Entry]:
        """Return whom to ask now, marked as asked; sets `over` when nothing is left to ask or to wait for."""
        if len(self.asked) >= MOST_ASKED or now_ns - self.begun_ns >= LONGEST_NS:
            self.over = True
            return []
        wanted, awaited, asking = WANTED, 0, []
        for entry in self.results:
            if not wanted or awaited >= self._branches:
                break
            if entry.answered_ns:
                wanted -= 1
            elif entry.awaited:
                awaited += 1
            elif not entry.asked_ns:
                entry.asked_ns = now_ns
                asking.append(entry)
                awaited += 1
        self.asked += asking
        self.over = not awaited and (not wanted or not any(entry.awaited for entry in self.asked))
        return asking

    def take(self, now_ns: int, entry: Entry, sender_id: bytes, contacts: Iterable[Contact]) -> None:
        """Take in the answer of somebody who was asked."""
        if not entry.awaited:
            return
        entry.answered_ns = now_ns
        self._settle(entry)
        if sender_id == entry.node_id:
            self.answered.append((sender_id, entry.ip, entry.port, now_ns))
        elif entry in self.results:
            self.results.remove(entry)
            entry.node_id, entry.distance = sender_id, self._distance(sender_id)
            self._insert(entry)
        self.add(contacts)

    def fail(self, entry: Entry) -> None:
        """Somebody who was asked will not answer: an error came back."""
        if entry.awaited:
            entry.failed = True
            self._settle(entry)

    def expire(self, now_ns: int) -> None:
        """Let go of those who have been silent for too long."""
        for entry in self.asked:
            if not entry.awaited:
                continue
            if now_ns - entry.asked_ns >= HARD_NS:
                self.fail(entry)
            elif now_ns - entry.asked_ns >= SOFT_NS and not entry.slow:
                entry.slow = True
                self._branches += 1

    def due(self) -> int:
        """Return when `expire` has something to do."""
        waits = (entry.asked_ns + (HARD_NS if entry.slow else SOFT_NS) for entry in self.asked if entry.awaited)
        return min(waits, default=_NEVER)

    def _settle(self, entry: Entry) -> None:
        if entry.slow:
            self._branches -= 1

    def _insert(self, entry: Entry) -> None:
        insort(self.results, entry, key=lambda one: one.distance)

    def _distance(self, node_id: bytes) -> int:
        if not node_id:
            return 1 << 8 * len(self.key)
        return int.from_bytes(node_id, "big") ^ int.from_bytes(self.key, "big")
