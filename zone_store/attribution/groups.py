"""From copies to groups: all copies of one (source address, requester ID, key, kind) with no gap longer than a span.

The port does not tell requesters apart: a symmetric NAT gives each monitor another one to see.

A step joins a table of new copies, in time order, to the groups that were open. What is known of a group is one row, so
that a step sorts the new copies and one entry for each open group, however many copies those have had. Which monitors a
group has reached is a list of pairs beside the table, touched only when the group is complete.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zone_store.attribution.words import packed_words, same_as_before, settle_ties, stable_order
from zone_store.captures import Captures
from zone_store.keyspace import ids as keyspace

_MIX = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5)
_MIX_SHIFT = np.uint64(29)
_BUT_PORT = np.uint64(0xFFFFFFFF0000FFFF)


@dataclass(slots=True)
class Groups:
    """g groups, a row each, and p pairs of a group and a monitor that got copies of it.

    begin_ns, last_ns int64[g]: first and last copy; address uint64[g]: of the source, see `addresses`, with the port of
    the first copy; key, requester_id uint8[g, L]; version uint32[g]: as of the first copy; flags uint16[g]: of any
    copy; packets uint32[g].
    owner int32[p]: the group's row; target int32[p]: the monitor's row in `Targets`. Pairs stand in any order, and a
    pair may stand more than once.
    """

    begin_ns: NDArray[np.int64]
    last_ns: NDArray[np.int64]
    address: NDArray[np.uint64]
    key: NDArray[np.uint8]
    requester_id: NDArray[np.uint8]
    flags: NDArray[np.uint16]
    version: NDArray[np.uint32]
    packets: NDArray[np.uint32]
    owner: NDArray[np.int32]
    target: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.begin_ns)

    @classmethod
    def of(cls, captures: Captures, target: NDArray[np.int32]) -> Groups:
        """Return each copy as a group of its own; `target` is its row in `Targets`."""
        return cls(
            captures.time_ns,
            captures.time_ns,
            addresses(captures.source_ip, captures.source_port, captures.kind),
            captures.key,
            captures.requester_id,
            captures.flags,
            captures.version,
            np.ones(len(captures), np.uint32),
            np.arange(len(captures), dtype=np.int32),
            target,
        )

    @classmethod
    def concat(cls, first: Groups, second: Groups) -> Groups:
        """Return one table of both."""
        columns: dict[str, NDArray[Any]] = {
            f.name: np.concatenate([getattr(first, f.name), getattr(second, f.name)]) for f in fields(cls)
        }
        columns["owner"][len(first.owner) :] += np.int32(len(first))
        return cls(**columns)

    def where(self, mask: NDArray[np.bool_]) -> Groups:
        """Return the groups of a mask bool[g], with their pairs."""
        rows = np.flatnonzero(mask)
        pairs = np.flatnonzero(mask[self.owner])
        number = (np.cumsum(mask) - 1).astype(np.int32)
        columns = {f.name: keyspace.take(getattr(self, f.name), rows) for f in fields(self)[:-2]}
        return Groups(**columns, owner=number[self.owner[pairs]], target=self.target[pairs])

    def without_repeats(self) -> Groups:
        """Return the same groups with each pair once."""
        pairs = np.sort(self.owner.astype(np.uint64) << np.uint64(32) | self.target.astype(np.uint64))
        pairs = pairs[np.append(pairs[:1] == pairs[:1], pairs[1:] != pairs[:-1])]
        columns = {f.name: getattr(self, f.name) for f in fields(self)[:-2]}
        owner, target = (pairs >> np.uint64(32)).astype(np.int32), pairs.astype(np.uint32).astype(np.int32)
        return Groups(**columns, owner=owner, target=target)


def addresses(
    source_ip: NDArray[np.uint32], source_port: NDArray[np.uint16], kind: NDArray[np.uint8]
) -> NDArray[np.uint64]:
    """Return address, port and kind of copies as one word each, ordered as (address, port, kind)."""
    address = source_ip.astype(np.uint64) << np.uint64(32)
    address |= source_port.astype(np.uint64) << np.uint64(16)
    address |= kind
    return address


def mixed(columns: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Return one word for each row (columns uint64[n]) that equal rows share and others rarely do."""
    total = np.zeros(len(columns[0]), np.uint64)
    for i, column in enumerate(columns):
        total ^= column
        total *= np.uint64(_MIX[i % len(_MIX)])
        total ^= total >> _MIX_SHIFT
    return total


def join(groups: Groups, span_ns: int, longest_ns: int) -> Groups:
    """Join what is of one group: `groups` stand by rising last copy where they share requester and key.

    So do open groups before new copies as groups of their own. A copy belongs to the group of the copy before it if the
    gap is at most `span_ns`, and if the group then lasts at most `longest_ns`; otherwise it begins the next group.
    """
    if not len(groups):
        return groups
    order, start = _together(groups, span_ns, longest_ns)
    number = np.empty(len(order), np.int32)
    number[order] = np.cumsum(start, dtype=np.int32) - np.int32(1)
    begins = np.flatnonzero(start)
    first, last = order[begins], order[np.append(begins[1:], len(order)) - 1]
    return Groups(
        groups.begin_ns[first],
        groups.last_ns[last],
        groups.address[first],
        keyspace.take(groups.key, first),
        keyspace.take(groups.requester_id, first),
        np.bitwise_or.reduceat(groups.flags[order], begins),
        groups.version[first],
        np.add.reduceat(groups.packets[order], begins, dtype=np.uint32),
        number[groups.owner],
        groups.target,
    )


def _together(groups: Groups, span_ns: int, longest_ns: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return an order that puts what is of one group together in time order, and where in it groups begin."""
    columns = [groups.address & _BUT_PORT, *packed_words(groups.key), *packed_words(groups.requester_id)]
    # A sort by one mixed word instead of seven columns. Rows whose words collide (by chance rarely, by malice possible)
    # are put in order by the columns themselves.
    word = mixed(columns) >> np.uint64(16)
    order = stable_order(word)
    ordered = word[order]
    together = ordered[1:] == ordered[:-1]
    alike = same_as_before(columns, order)
    collided = together & ~alike
    if collided.any():
        order = settle_ties(order, together, collided, columns)
        alike = same_as_before(columns, order)
    time = groups.last_ns[order]
    start = np.ones(len(order), np.bool_)
    start[1:] = ~(alike & (np.diff(time) <= span_ns))
    _cut_long(start, time, groups.begin_ns[order], longest_ns)
    return order, start


def _cut_long(start: NDArray[np.bool_], time: NDArray[np.int64], begin: NDArray[np.int64], longest_ns: int) -> None:
    """Begin a new group at each copy that is more than `longest_ns` after the beginning of its own."""
    first = np.flatnonzero(start)
    last = np.append(first[1:], len(start)) - 1
    if (time[last] - begin[first] <= longest_ns).all():
        return  # the common case, told from the groups alone
    over = np.flatnonzero(time - begin[first][np.cumsum(start) - 1] > longest_ns)
    while len(over):
        # Of the copies that come too late, each group's first one begins a group; the rest are measured from where it
        # began: for a group that was open that is before its own time.
        groups = np.cumsum(start)[over]
        cuts = over[np.append(True, groups[1:] != groups[:-1])]
        start[cuts] = True
        latest = cuts[np.searchsorted(cuts, over, side="right") - 1]
        over = over[time[over] - begin[latest] > longest_ns]
