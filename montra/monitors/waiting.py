"""Targets that wait for a monitor: attached in ID order, at a limited rate.

The address pool spreads neighbours in ID space over different /24s if it sees them in order (measured on 16 /24s:
all destinations are told right, 80-85 % with random placement). So targets are handed out in sweeps that go up the ID
space; who comes behind the sweep waits for the next one. They are rows of columns, about 60 bytes each, and never
sorted as a whole: a crawl may find a million of them faster than they can be attached.
"""

from __future__ import annotations

from array import array

import numpy as np

from montra.monitors.address_index import AddressIndex
from montra.monitors.roster import Target
from montra.monitors.wheel import NEVER
from zone_store.keyspace.order import IdOrder

_ROUND_NS = 100_000_000


class WaitingList:
    """Waiting targets, one for each address; `rate` handed out a second, in rounds about 100 ms apart."""

    def __init__(self, rate: float, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._round = max(1, int(rate * _ROUND_NS / 1e9))
        self._pause_ns = round(self._round / rate * 1e9)
        self._order = IdOrder(max_waiting)
        # pages never written to take no memory; views give plain integers fast
        ip, port = np.zeros(max_waiting, np.uint32), np.zeros(max_waiting, np.uint16)
        self._index = AddressIndex(ip, port)
        self._ip, self._port = ip.data, port.data
        self._version = np.zeros(max_waiting, np.uint32).data
        self._found_ns = np.zeros(max_waiting, np.int64).data
        self._past: dict[
            int, tuple[frozenset[int], int, int]
        ] = {}  # tried, moves, changes of the few that had a monitor
        self._rows = 0  # ever used
        self._idle = array("i")  # of these, the rows given back
        self._swept = b""  # where the sweep stands
        self._next_ns = 0
        self._blocked = False

    def __len__(self) -> int:
        return len(self._order)

    def get(self, ip: int, port: int) -> Target | None:
        """Return who waits at this address."""
        row = self._index.row_of(ip, port)
        return None if row < 0 else self._target(row)

    def add(self, now_ns: int, target: Target) -> bool:
        """Let a target wait, in place of any other at its address; False when too many wait."""
        if not len(self._order):  # a crawl reply names several at once: sort those that come together
            self._next_ns = max(self._next_ns, now_ns + _ROUND_NS)
        self.discard(target.ip, target.port)
        return self._add(target)

    def discard(self, ip: int, port: int) -> None:
        """Forget who waits at this address."""
        row = self._index.row_of(ip, port)
        if row >= 0:
            self._order.remove(row)
            self._give_back(row)

    def clear(self) -> None:
        """Forget all."""
        for row in self._order.take_from(b"", len(self._order)):
            self._give_back(row)

    def due_ns(self) -> int:
        """Return when the next round may be taken, NEVER if nobody waits or there is no room for them."""
        return self._next_ns if len(self._order) and not self._blocked else NEVER

    def take(self, now_ns: int) -> list[Target]:
        """Return the next round's targets in ID order; empty before its time."""
        if now_ns < self.due_ns():
            return []
        self._next_ns = max(self._next_ns + self._pause_ns, now_ns)  # a round that is late is made up for
        rows = self._order.take_from(self._swept, self._round)
        if len(rows) < self._round:  # the sweep is at its end: the next one begins
            rows += self._order.take_from(b"", self._round - len(rows))
        taken = [self._target(row) for row in rows]
        for row in rows:
            self._give_back(row)
        self._swept = taken[-1].node_id
        return taken

    def block(self, targets: list[Target]) -> None:
        """Take back targets just taken that found no room, and hand out none until `unblock`."""
        for target in targets:
            self._add(target)
        self._swept = targets[0].node_id
        self._blocked = True

    def unblock(self) -> None:
        """Hand out targets again: there is room."""
        self._blocked = False

    def _add(self, target: Target) -> bool:
        if len(self._order) >= self._max_waiting:
            return False
        if self._idle:
            row = self._idle.pop()
        else:
            row = self._rows
            self._rows += 1
        self._ip[row], self._port[row] = target.ip, target.port
        self._version[row], self._found_ns[row] = target.version, target.found_ns
        if target.tried or target.moves or target.changes:
            self._past[row] = target.tried, target.moves, target.changes
        self._index.add(row)
        self._order.add(target.node_id, row)
        return True

    def _give_back(self, row: int) -> None:
        self._index.remove(row)
        self._past.pop(row, None)
        self._idle.append(row)

    def _target(self, row: int) -> Target:
        past = self._past.get(row, (frozenset(), 0, 0))
        node_id = self._order.id_of(row)
        return Target(node_id, self._ip[row], self._port[row], self._version[row], self._found_ns[row], *past)
