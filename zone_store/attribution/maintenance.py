"""Which lookups are no user's: our own, a table's upkeep, or outside the zone.

On Mainline, upkeep comes as the same queries as real lookups. libtorrent refreshes its table by get_peers for keys that
share at least 96 bits with its own ID (`refresh_bits`), starts up with `bs=1`, and all clients refresh buckets by
find_node for random keys near their own ID.

"The key shares more bits with the requester's ID than with the monitor's" is a sure sign only where the chance of it is
small. For a user's key, independent of the requester's ID, P[cpl(key, ID) > c] = 2^-(c+1), where c is what the key
shares with the monitor that got the copy. At the key's destination c is near log2 N, so marking by this rule would
throw away about 1/N of true lookups (0.2 % in a private network of 300 nodes), and up to half of those of which only
a monitor far from the key got a copy. So the rule holds for find_node, where refreshes are most of the traffic, and
for get_peers the key must share `OWN_ID_EXCESS` = 16 bits more with the requester than with the monitor: a true lookup
does so with probability 2^-(c+16), at most 1.5e-5 for any monitor and below 1e-9 at a destination among 2^14 nodes.

One more shape is libtorrent's: it refreshes a bucket by a single get_peers to one node of it, for a random key on its
own side of the bucket (`node::send_single_refresh`). A monitor that the client only heard of gets it: one packet, no
other monitor asked, the key nearer to the requester than to the monitor. Real lookups go to seven or eight monitors,
so a true one is marked by this rule with about 1/N of the probability that all its copies but one are missing.
Measured on a private network of 128 libtorrent nodes: without it 49 of 479 rows were such refreshes.

A query for the ID of a monitored node, or of its monitor, looks for that node and for no content: whoever walks the
keyspace or checks whether a node lives sends such. A user's key falls so near to one of N nodes with probability
N * 2^(8 - bits of an ID), so never. Marking them also keeps those IDs out of all tables of keys.

Where queries do not name their sender's ID (Kad), nothing can be compared with it. There the kind tells: keys are asked
for by searches and publishes, so a node lookup is a table's upkeep, or repeats to nodes that answered what a search or
publish asked them before. A firewalled node looks for its helper as if it published; where a monitor was told, the
lookup is marked.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zone_store.captures import Flag, Kind, Lookups, Maintenance
from zone_store.keyspace import ids as keyspace
from zone_store.keyspace.ids import common_prefix_lengths
from zone_store.keyspace.zone import Zone

OWN_ID_EXCESS = 16
"""Bits that a get_peers key shares with its requester beyond the monitor's before it counts as the requester's own."""


class NodeIds:
    """The IDs of the monitored nodes and their monitors, uint8[m, L], each with the 256 IDs that share all but a byte.

    Monitors sit at XOR 1 from their target; those who look for the neighbourhood of a node change its last bits.
    """

    def __init__(self, ids: NDArray[np.uint8]) -> None:
        self._ids = ids
        # Strings of bytes compare slowly; nearly all keys differ from all IDs in their first word.
        self._words = np.unique(_first_word(ids[:, :-1]))

    @cached_property
    def _heads(self) -> NDArray[np.bytes_]:
        return np.unique(_heads(self._ids))

    def near(self, keys: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Tell which keys uint8[n, L] are one of the IDs or next to one, bool[n]."""
        if not len(self._words):
            return np.zeros(len(keys), np.bool_)
        words = _first_word(keys[:, :-1])
        at = np.minimum(np.searchsorted(self._words, words), len(self._words) - 1)
        near = np.asarray(self._words[at] == words, np.bool_)
        rows = np.flatnonzero(near)
        if not len(rows):
            return near
        heads = _heads(keys[rows])
        at = np.minimum(np.searchsorted(self._heads, heads), len(self._heads) - 1)
        near[rows] = self._heads[at] == heads
        return near


def _heads(ids: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """Return all bytes but the last of each ID as one value."""
    heads = np.ascontiguousarray(ids[:, :-1])
    values: NDArray[np.bytes_] = heads.view(f"S{heads.shape[1]}")[:, 0]
    return values


def _first_word(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the first eight bytes of each row uint8[n, L] as one value, of shorter rows zero-padded."""
    words = keyspace.words(rows[:, :8])
    return words[0] if len(words) else np.zeros(len(rows), np.uint64)


class Marks(NamedTuple):
    """What lookups are marked by: the run's zone and node IDs, the overlay's refresh_bits, our host-order addresses.

    refresh_bits above the length of IDs: queries do not name their sender's ID. buddies: host-order source addresses
    and keys of those who told that they looked for a helper.
    """

    zone: Zone
    refresh_bits: int
    own_ips: Collection[int]
    node_ids: NodeIds
    buddies: frozenset[tuple[int, bytes]] = frozenset()


def mark(lookups: Lookups, monitor_ids: NDArray[np.uint8], marks: Marks) -> NDArray[np.uint8]:
    """Return each lookup's Maintenance, uint8[n]; where several fit, the first of the order below.

    monitor_ids uint8[n, L]: of each lookup's destination.
    """
    own = np.isin(lookups.source_ip, np.array(sorted(marks.own_ips), np.uint32)) | (lookups.flags & Flag.OWN != 0)
    reasons = [
        (own, Maintenance.OWN_TRAFFIC),
        (lookups.flags & Flag.BOOTSTRAP != 0, Maintenance.BOOTSTRAP),
        (~marks.zone.contains_many(lookups.key), Maintenance.OUTSIDE_ZONE),
    ]
    near = (marks.node_ids.near(lookups.key), Maintenance.NODE_ID)
    if marks.refresh_bits <= 8 * lookups.key.shape[1]:
        reasons += [*_by_requester(lookups, monitor_ids, marks.refresh_bits), near]
    else:
        reasons += [near, (lookups.kind == Kind.NODE_LOOKUP, Maintenance.NODE_LOOKUP)]
        reasons.append((_of_buddies(lookups, marks.buddies), Maintenance.BUDDY))
    found = np.select([where for where, _ in reasons], [int(reason) for _, reason in reasons], int(Maintenance.NONE))
    return found.astype(np.uint8)


def _by_requester(
    lookups: Lookups, monitor_ids: NDArray[np.uint8], refresh_bits: int
) -> list[tuple[NDArray[np.bool_], Maintenance]]:
    """Return what the ID of who asks tells: which lookups are for its own ID, and which refresh its table."""
    with_requester = common_prefix_lengths(lookups.key, lookups.requester_id).astype(np.int32)
    excess = with_requester - common_prefix_lengths(lookups.key, monitor_ids)
    own_id = with_requester >= refresh_bits
    own_id |= (lookups.kind == Kind.LOOKUP) & (excess >= OWN_ID_EXCESS)
    alone = (lookups.kind == Kind.LOOKUP) & (lookups.copies == 1) & (lookups.packets == 1)
    refresh = ((lookups.kind == Kind.NODE_LOOKUP) | alone) & (excess > 0)
    return [(own_id, Maintenance.OWN_ID), (refresh, Maintenance.BUCKET_REFRESH)]


def _of_buddies(lookups: Lookups, buddies: frozenset[tuple[int, bytes]]) -> NDArray[np.bool_]:
    """Tell which lookups are for a helper, bool[n]."""
    found: NDArray[np.bool_] = lookups.kind == Kind.PUBLISH
    found &= np.isin(lookups.source_ip, np.array(sorted({ip for ip, _ in buddies}), np.uint32))
    rows = np.flatnonzero(found)
    found[rows] = [(int(lookups.source_ip[row]), lookups.key[row].tobytes()) in buddies for row in rows]
    return found
