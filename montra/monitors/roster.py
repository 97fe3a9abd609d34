"""Which monitors there are: attach, end, give back; and the attachments the store is told about.

Everything is in the table; two integers a row find it by its target's address and by its own. A monitor that ended
keeps its row and address while it lingers, but is no longer found by its target's address.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import Counters, Datagram
from montra.monitors.address_index import AddressIndex
from montra.monitors.pool import AddressPool
from montra.monitors.settings import FleetSettings
from montra.monitors.table import ACCEPTED, INTRODUCED, LINGERING, REASONS, VISIBLE, MonitorTable, State, beside
from montra.monitors.wheel import NEVER, Rows
from zone_store.captures import Attachment

#: Columns that an attachment is made of.
_REPORTED = (
    *("number", "target_ip", "target_port", "local"),
    *("found_ns", "introduced_ns", "accepted_ns", "visible_ns", "lost_ns", "reason", "version", "status"),
)
_CHUNK = 4096  # attachments made from one slice of them


@dataclass(slots=True)
class Target:
    """A node to attach a monitor to. `tried`: locals not to use again; `moves`, `changes`: what it went through."""

    node_id: bytes
    ip: int
    port: int
    version: int
    found_ns: int
    tried: frozenset[int] = frozenset()
    moves: int = 0
    changes: int = 0

    @property
    def address(self) -> int:
        """(ip, port) as one integer."""
        return address_key(self.ip, self.port)


def address_key(ip: int, port: int) -> int:
    """Return an (ip, port) as one integer."""
    return int(ip) << 16 | int(port)


class Roster:
    """The monitors of a fleet and their attachments, numbered from 1."""

    def __init__(self, pool: AddressPool, id_bytes: int, settings: FleetSettings, counters: Counters) -> None:
        self.table = MonitorTable(id_bytes, settings.max_monitors)
        self._pool = pool
        self._max_intervals = settings.max_visible_intervals
        self._counters = counters
        self._index = AddressIndex(self.table.target_ip, self.table.target_port)
        self._row_at_local = np.full(1, -1, np.int32)
        self._tried: dict[int, frozenset[int]] = {}  # of the few that moved or changed their ID
        self._past: dict[int, list[tuple[int, int]]] = {}  # of the few that were visible before
        self._ended: list[Attachment] = []
        self._numbers = 0

    def next_number(self) -> int:
        """Draw the next attachment number."""
        self._numbers += 1
        return self._numbers

    def __len__(self) -> int:
        """Return the number of attached targets."""
        return len(self._index)

    def row_of(self, ip: int, port: int) -> int:
        """Return the row of the monitor attached to the target at this address, -1 if none is."""
        return self._index.row_of(ip, port)

    def rows_at(self, local: NDArray[np.int32]) -> Rows:
        """Return for each local index the row of the monitor that holds it, -1 where none does."""
        inside = (local >= 0) & (local < len(self._row_at_local))
        return np.where(inside, self._row_at_local[np.where(inside, local, 0)], -1).astype(np.intp)

    def at_ip(self, ip: int) -> int:
        """Return how many targets at this IP have a monitor."""
        return self._index.at_ip(ip)

    def attach(self, target: Target, local: int) -> int:
        """Give a target a monitor at an acquired local address and return its row; the table must have room."""
        return int(self.attach_all([target], [local])[0])

    def attach_all(self, targets: Sequence[Target], locals_: Sequence[int]) -> Rows:
        """Give each target a monitor at its acquired local address and return their rows."""
        n, table = len(targets), self.table
        rows = table.take(n)
        if not n:
            return rows
        table.state[rows] = INTRODUCED
        table.number[rows] = np.arange(self._numbers + 1, self._numbers + 1 + n)
        self._numbers += n
        ids = b"".join([target.node_id for target in targets])
        table.target_id[rows] = np.frombuffer(ids, np.uint8).reshape(n, -1)
        table.target_ip[rows] = [target.ip for target in targets]
        table.target_port[rows] = [target.port for target in targets]
        table.version[rows] = [target.version for target in targets]
        table.found_ns[rows] = [target.found_ns for target in targets]
        table.moves[rows] = [target.moves for target in targets]
        table.changes[rows] = [target.changes for target in targets]
        table.local[rows] = locals_
        table.changed[rows] = True
        self._reach(max(locals_))
        self._row_at_local[np.array(locals_)] = rows
        for row, target in zip(rows.tolist(), targets, strict=True):
            self._index.add(row)
            if target.tried:
                self._tried[row] = target.tried
        return rows

    def end(self, now_ns: int, row: int, reason: str) -> None:
        """End an attachment; its monitor lingers until `give_back`."""
        table = self.table
        if table.state[row] == VISIBLE:
            self.close_visible(now_ns, row, ACCEPTED)
        table.state[row] = LINGERING
        table.lost_ns[row] = now_ns
        table.reason[row] = REASONS.index(reason)
        table.send_ns[row] = table.probe_ns[row] = NEVER
        table.probing[row] = False
        self._index.remove(row)
        self._ended.extend(self._attachments(np.array([row])))
        table.changed[row] = False
        self._past.pop(row, None)
        self._tried.pop(row, None)

    def give_back(self, row: int) -> None:
        """Give the address and the row of a monitor that ended back for reuse."""
        local = int(self.table.local[row])
        self._row_at_local[local] = -1
        self._pool.release(local)
        self.table.give_back(row)

    def target(self, row: int) -> Target:
        """Return a target as it was attached, with the address of its monitor among those tried."""
        table = self.table
        return Target(
            table.target(row),
            int(table.target_ip[row]),
            int(table.target_port[row]),
            int(table.version[row]),
            int(table.found_ns[row]),
            self._tried.get(row, frozenset()) | {int(table.local[row])},
            int(table.moves[row]),
            int(table.changes[row]),
        )

    def datagram(self, row: int, payload: bytes) -> Datagram:
        """Return a datagram from a monitor to its target."""
        table = self.table
        return Datagram(int(table.local[row]), int(table.target_ip[row]), int(table.target_port[row]), payload)

    def contact(self, row: int) -> tuple[bytes, int, int]:
        """Return the monitor as others name it: (ID, ip, port)."""
        return (self.table.monitor(row), *self._pool.address(int(self.table.local[row])))

    def open_visible(self, now_ns: int, row: int) -> None:
        """Begin an interval in which the target hands the monitor out."""
        self.table.state[row] = VISIBLE
        self.table.visible_ns[row] = now_ns
        self.table.absent[row] = 0
        self.mark(row)

    def close_visible(self, end_ns: int, row: int, state: State) -> None:
        """End the open interval and leave the row in `state`.

        Of more intervals than may be kept, the two with the shortest gap between them become one (counted).
        """
        table = self.table
        past = self._past.setdefault(row, [])
        past.append((int(table.visible_ns[row]), end_ns))
        if len(past) > self._max_intervals:
            at = min(range(1, len(past)), key=lambda i: past[i][0] - past[i - 1][1])
            past[at - 1 : at + 1] = [(past[at - 1][0], past[at][1])]
            self._counters.add("visible_gaps_merged")
        table.state[row] = state
        table.visible_ns[row] = 0
        self.mark(row)

    def mark(self, row: int) -> None:
        """Note that an attachment must be reported again."""
        self.table.changed[row] = True

    def take_changed(self) -> list[Attachment]:
        """Return what changed since the last call, in order of attachment number."""
        table = self.table
        rows = np.flatnonzero(table.changed[: table.rows])
        taken = [*self._ended, *self._attachments(rows)]
        table.changed[rows] = False
        self._ended = []
        return sorted(taken, key=lambda attachment: attachment.number)

    def end_all(self, now_ns: int, reason: str) -> tuple[Rows, Iterator[Attachment]]:
        """End every attachment; returns the rows, and these attachments and all not yet taken, by number.

        The attachments are made as they are asked for: all at once would take more memory than the table. Nothing else
        may happen meanwhile.
        """
        table = self.table
        ended = table.attached()
        for row in [row for row in self._past if table.state[row] != LINGERING]:
            self.end(now_ns, row, reason)
        rows = table.attached()
        rows = rows[np.argsort(table.number[rows])]
        table.lost_ns[rows] = now_ns
        table.reason[rows] = REASONS.index(reason)
        table.send_ns[rows] = table.probe_ns[rows] = NEVER
        table.probing[rows] = table.changed[rows] = False
        table.state[rows] = LINGERING
        self._index.clear()
        self._tried.clear()
        others, self._ended = sorted(self._ended, key=lambda attachment: attachment.number), []
        return ended, merge(others, self._attachments(rows), key=lambda attachment: attachment.number)

    def _reach(self, local: int) -> None:
        """Make room for locals up to this one; pages never written to take no memory."""
        if local >= len(self._row_at_local):
            grown = np.full(max(local + 1, 2 * len(self._row_at_local)), -1, np.int32)
            grown[: len(self._row_at_local)] = self._row_at_local
            self._row_at_local = grown

    def _attachments(self, rows: Rows) -> Iterator[Attachment]:
        """Yield the attachments of rows."""
        size = self.table.target_id.shape[1]
        for first in range(0, len(rows), _CHUNK):
            chunk = rows[first : first + _CHUNK]
            columns = [getattr(self.table, name)[chunk].tolist() for name in _REPORTED]
            ids = self.table.target_id[chunk].tobytes()
            for i, (row, values) in enumerate(zip(chunk.tolist(), zip(*columns, strict=True), strict=True)):
                number, ip, port, local, found, introduced, accepted, visible_ns, lost, reason, version, status = values
                visible = self._past.get(row, ())
                if visible_ns:
                    visible = (*visible, (visible_ns, lost))
                target_id = ids[i * size : (i + 1) * size]
                yield Attachment(
                    number,
                    target_id,
                    ip,
                    port,
                    beside(target_id),
                    *self._pool.address(local),
                    found,
                    introduced,
                    accepted,
                    tuple(visible),
                    lost,
                    REASONS[reason],
                    version,
                    status,
                )
