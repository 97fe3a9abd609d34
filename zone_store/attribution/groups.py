"""From copies to groups: all copies of one (source address, port, key, kind) with no gap longer than a span.

One step takes a table of rows in time order and gives back the groups in it. Rows that were carried over from an
earlier step stand for what is known of a group that is still open: one row for each monitor it has reached, all with
the time of the group's last copy, so that the next gap is measured from there.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from zone_store.attribution.targets import Targets
from zone_store.attribution.words import Words, same
from zone_store.captures import Captures
from zone_store.keyspace import ids as keyspace

_MIX = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5)
_MIX_SHIFT = np.uint64(29)


@dataclass(slots=True)
class Copies:
    """n copies, or sums of copies of one open group at one monitor; columns as in `Captures`.

    begin_ns int64: first copy of the group; packets uint32: datagrams summed up in the row; target int32: row of the
    attachment in `Targets`.
    """

    time_ns: NDArray[np.int64]
    begin_ns: NDArray[np.int64]
    source_ip: NDArray[np.uint32]
    source_port: NDArray[np.uint16]
    kind: NDArray[np.uint8]
    key: NDArray[np.uint8]
    requester_id: NDArray[np.uint8]
    flags: NDArray[np.uint16]
    version: NDArray[np.uint32]
    packets: NDArray[np.uint32]
    target: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.time_ns)

    @classmethod
    def of(cls, captures: Captures, target: NDArray[np.int32]) -> Copies:
        """Return captured copies as rows of their own; `target` is each copy's row in `Targets`."""
        return cls(
            captures.time_ns,
            captures.time_ns,
            captures.source_ip,
            captures.source_port,
            captures.kind,
            captures.key,
            captures.requester_id,
            captures.flags,
            captures.version,
            np.ones(len(captures), np.uint32),
            target,
        )

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Copies:
        """Return the table of these rows (indices or a mask)."""
        return Copies(*(getattr(self, f.name)[rows] for f in fields(self)))

    @classmethod
    def concat(cls, parts: list[Copies]) -> Copies:
        """Return one table of all parts (at least one), in order."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))


@dataclass(slots=True)
class Groups:
    """The groups of one step.

    rows: one row for each (group, monitor), groups one after the other, within a group by rising XOR distance of the
    monitor's target from the key; flags and packets are those of the pair, the other columns those of the group.
    first intp[g]: each group's first row, so the row of its destination; copies intp[g]: how many rows it has.
    """

    rows: Copies
    first: NDArray[np.intp]
    copies: NDArray[np.intp]

    def take(self, mask: NDArray[np.bool_]) -> Groups:
        """Return the groups of a mask bool[g]."""
        copies = self.copies[mask]
        return Groups(self.rows.take(np.repeat(mask, self.copies)), np.cumsum(copies) - copies, copies)


def group(copies: Copies, targets: Targets, span_ns: int, longest_ns: int) -> Groups:
    """Sort `copies` (in time order, carried rows first) into groups.

    A copy belongs to the group of the copy before it if the gap is at most `span_ns`, and if the group then lasts at
    most `longest_ns`; otherwise it begins the next group. Of a group's requester ID and version the first copy's count.
    """
    if not len(copies):
        return Groups(copies, np.empty(0, np.intp), np.empty(0, np.intp))
    order, start = _lookups_of(copies, span_ns, longest_ns)
    rows = copies.take(order)
    number = np.cumsum(start) - 1
    first = np.flatnonzero(start)
    last = np.append(first[1:], len(rows)) - 1
    rows.begin_ns = rows.begin_ns[first][number]
    rows.time_ns = rows.time_ns[last][number]
    rows.requester_id = rows.requester_id[first][number]
    rows.version = rows.version[first][number]
    return _by_monitor(rows, number, targets)


def _mixed(columns: Words) -> NDArray[np.uint64]:
    """Return one word for each row (uint64[W, n]) that equal rows share and others rarely do."""
    total = np.zeros(columns.shape[1], np.uint64)
    for i, column in enumerate(columns):
        total = (total ^ column) * np.uint64(_MIX[i % len(_MIX)])
        total ^= total >> _MIX_SHIFT
    return total


def _lookups_of(copies: Copies, span_ns: int, longest_ns: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return an order that puts each group's rows together in time order, and where in it groups begin."""
    address = copies.source_ip.astype(np.uint64) << np.uint64(32)
    address |= copies.source_port.astype(np.uint64) << np.uint64(16)
    address |= copies.kind
    columns = np.vstack([address, keyspace.words(copies.key)])
    # One stable sort of a mixed word instead of a sort by four columns; only rows whose mixed words collide (by chance
    # never, by malice possible) need the long way.
    mixed = _mixed(columns)
    order = np.argsort(mixed, kind="stable")
    alike = same(columns, order[1:], order[:-1])
    if (mixed[order[1:]] == mixed[order[:-1]]).sum() > alike.sum():
        order = np.lexsort(columns)
        alike = same(columns, order[1:], order[:-1])
    time = copies.time_ns[order]
    start = np.ones(len(order), np.bool_)
    start[1:] = ~(alike & (np.diff(time) <= span_ns))
    _cut_long(start, time, copies.begin_ns[order], longest_ns)
    return order, start


def _cut_long(start: NDArray[np.bool_], time: NDArray[np.int64], begin: NDArray[np.int64], longest_ns: int) -> None:
    """Begin a new group at each copy that is more than `longest_ns` after the beginning of its own."""
    first = np.flatnonzero(start)
    over = np.flatnonzero(time - begin[first][np.cumsum(start) - 1] > longest_ns)
    while len(over):
        # Of the copies that come too late, each group's first one begins a group; the rest are measured from where it
        # began: for a row carried over that is before its own time.
        groups = np.cumsum(start)[over]
        cuts = over[np.append(True, groups[1:] != groups[:-1])]
        start[cuts] = True
        latest = cuts[np.searchsorted(cuts, over, side="right") - 1]
        over = over[time[over] - begin[latest] > longest_ns]


def _by_monitor(rows: Copies, number: NDArray[np.intp], targets: Targets) -> Groups:
    """Sum the rows of each group and monitor, and order them by XOR distance; `number` is each row's group."""
    distance = keyspace.words(keyspace.distance(targets.ids[rows.target], rows.key))
    # Nearly always the distances' first word decides; only if two targets of a group share it are all columns sorted.
    order = np.lexsort((distance[0], number))
    changed = number[order[1:]] != number[order[:-1]]
    tied = ~changed & (distance[0][order[1:]] == distance[0][order[:-1]])
    if (tied & (rows.target[order[1:]] != rows.target[order[:-1]])).any():
        order = np.lexsort((rows.target, *distance[::-1], number))
    rows, number = rows.take(order), number[order]
    identity = targets.identity[rows.target]
    new_group = np.append(True, changed)
    new_pair = new_group.copy()
    new_pair[1:] |= identity[1:] != identity[:-1]
    pair = np.flatnonzero(new_pair)
    merged = rows.take(pair)
    merged.flags = np.bitwise_or.reduceat(rows.flags, pair)
    merged.packets = np.add.reduceat(rows.packets, pair, dtype=np.uint32)
    first = np.flatnonzero(new_group[pair])
    return Groups(merged, first, np.diff(np.append(first, len(merged))))
