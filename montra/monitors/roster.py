"""Which monitors there are: attach, end, give back; and the attachments the store is told about.

One dictionary entry (two integers) per target finds its row by address; everything else is in the table. A monitor
that ended keeps its row and address while it lingers, but is no longer found by its target's address.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import Counters, Datagram
from montra.monitors.pool import AddressPool
from montra.monitors.settings import FleetSettings
from montra.monitors.table import REASONS, MonitorTable, State
from montra.monitors.wheel import NEVER, Rows
from zone_store.captures import Attachment


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
        self._row_of: dict[int, int] = {}
        self._at_ip: dict[int, int] = {}
        self._row_at_local = np.full(1, -1, np.int32)
        self._tried: dict[int, frozenset[int]] = {}  # of the few that moved or changed their ID
        self._past: dict[int, list[tuple[int, int]]] = {}  # of the few that were visible before
        self._ended: list[Attachment] = []
        self._numbers = 0

    def __len__(self) -> int:
        """Return the number of attached targets."""
        return len(self._row_of)

    def row_of(self, ip: int, port: int) -> int:
        """Return the row of the monitor attached to the target at this address, -1 if none is."""
        return self._row_of.get(address_key(ip, port), -1)

    def rows_at(self, local: NDArray[np.int32]) -> Rows:
        """Return for each local index the row of the monitor that holds it, -1 where none does."""
        inside = (local >= 0) & (local < len(self._row_at_local))
        return np.where(inside, self._row_at_local[np.where(inside, local, 0)], -1).astype(np.intp)

    def at_ip(self, ip: int) -> int:
        """Return how many targets at this IP have a monitor."""
        return self._at_ip.get(ip, 0)

    def attach(self, target: Target, local: int) -> int:
        """Give a target a monitor at an acquired local address and return its row; the table must not be full."""
        table = self.table
        row = table.take()
        self._numbers += 1
        table.state[row] = State.INTRODUCED
        table.number[row] = self._numbers
        table.target_id[row] = np.frombuffer(target.node_id, np.uint8)
        table.target_ip[row] = target.ip
        table.target_port[row] = target.port
        table.version[row] = target.version
        table.found_ns[row] = target.found_ns
        table.moves[row] = target.moves
        table.changes[row] = target.changes
        table.local[row] = local
        self._hold(local, row)
        self._row_of[target.address] = row
        self._at_ip[target.ip] = self._at_ip.get(target.ip, 0) + 1
        if target.tried:
            self._tried[row] = target.tried
        self.mark(row)
        return row

    def end(self, now_ns: int, row: int, reason: str) -> None:
        """End an attachment; its monitor lingers until `give_back`."""
        table = self.table
        if table.state[row] == State.VISIBLE:
            self.close_visible(now_ns, row, State.ACCEPTED)
        table.state[row] = State.LINGERING
        table.lost_ns[row] = now_ns
        table.reason[row] = REASONS.index(reason)
        table.send_ns[row] = table.probe_ns[row] = NEVER
        table.probing[row] = False
        ip = int(table.target_ip[row])
        del self._row_of[address_key(ip, table.target_port[row])]
        self._at_ip[ip] -= 1
        if not self._at_ip[ip]:
            del self._at_ip[ip]
        self._ended.append(self._attachment(row))
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
        self.table.state[row] = State.VISIBLE
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
        rows = np.flatnonzero(table.changed)
        taken = self._ended + [self._attachment(row) for row in rows.tolist()]
        table.changed[rows] = False
        self._ended = []
        return sorted(taken, key=lambda attachment: attachment.number)

    def _hold(self, local: int, row: int) -> None:
        if local >= len(self._row_at_local):
            grown = np.full(max(local + 1, 2 * len(self._row_at_local)), -1, np.int32)
            grown[: len(self._row_at_local)] = self._row_at_local
            self._row_at_local = grown
        self._row_at_local[local] = row

    def _attachment(self, row: int) -> Attachment:
        table = self.table
        visible = list(self._past.get(row, ()))
        if table.state[row] == State.VISIBLE:
            visible.append((int(table.visible_ns[row]), 0))
        monitor_id, monitor_ip, monitor_port = self.contact(row)
        return Attachment(
            number=int(table.number[row]),
            target_id=table.target(row),
            target_ip=int(table.target_ip[row]),
            target_port=int(table.target_port[row]),
            monitor_id=monitor_id,
            monitor_ip=monitor_ip,
            monitor_port=monitor_port,
            found_ns=int(table.found_ns[row]),
            introduced_ns=int(table.introduced_ns[row]),
            accepted_ns=int(table.accepted_ns[row]),
            visible=tuple(visible),
            lost_ns=int(table.lost_ns[row]),
            reason=REASONS[int(table.reason[row])],
        )
