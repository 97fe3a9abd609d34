"""The columns of captures, lookups and targets: the one vocabulary of store, attribution and analysis.

Times are integer nanoseconds since the Unix epoch; addresses are IPv4 as host-order uint32 (address family 4,
named in the manifest and in every stored block, so IPv6 can be added beside it); IDs and keys are rows of uint8.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag
from typing import Self

import numpy as np
from numpy.typing import NDArray

from zone_store.keyspace.ids import take


class Kind(IntEnum):
    """What a captured query was, as far as its own bytes tell.

    Mainline get_peers is LOOKUP (it precedes searches and publishes alike), find_node is NODE_LOOKUP,
    announce_peer is ANNOUNCE. SEARCH and PUBLISH are for overlays whose lookups tell (Kad's count byte).
    """

    OTHER = 0
    LOOKUP = 1
    NODE_LOOKUP = 2
    ANNOUNCE = 3
    SEARCH = 4
    PUBLISH = 5


class Flag(IntFlag):
    """Bits of the `flags` column."""

    READ_ONLY = 1  # BEP 43 ro=1
    BOOTSTRAP = 2  # libtorrent bs=1
    NO_SEED = 4  # BEP 33 noseed=1
    SCRAPE = 8  # BEP 33 scrape=1
    WANT_V4 = 16  # BEP 32 want n4
    WANT_V6 = 32  # BEP 32 want n6
    IMPLIED_PORT = 64  # BEP 5 implied_port=1
    SEED = 128  # BEP 33 seed=1
    FROM_TARGET = 256  # sent by the monitor's own target
    OWN = 512  # sent by ourselves (crawler, canary)


class Status(IntFlag):
    """Bits of an attachment's `status`: what a target says of its own reachability."""

    UDP_FIREWALLED = 1  # only who it spoke to before reaches it
    TCP_FIREWALLED = 2


class Maintenance(IntEnum):
    """Why a lookup is no user's lookup; NONE for those that count."""

    NONE = 0
    OWN_ID = 1  # key shares so much with the requester's ID that it refreshes its own table
    BOOTSTRAP = 2  # bs=1
    OUTSIDE_ZONE = 3  # key outside the monitored zone
    BUCKET_REFRESH = 4  # find_node nearer to the requester than to any monitor that heard it
    OWN_TRAFFIC = 5  # sent by ourselves
    NODE_ID = 6  # key is the ID of a monitored node or of its monitor, or next to one
    NODE_LOOKUP = 7  # a node lookup where users' lookups have kinds of their own: a table's upkeep, or a repeat
    BUDDY = 8  # looks for a helper of a firewalled node: what followed said so


@dataclass(slots=True)
class Captures:
    """n captured copies of lookups, one row for each datagram kept.

    time_ns int64; attachment uint32 (number of the target interval whose monitor got it); source_ip uint32;
    source_port uint16; requester_id uint8[n, L]; key uint8[n, L]; kind uint8 (Kind); flags uint16 (Flag);
    version uint32 (the `v` field's 4 bytes, big-endian; 0 = none); port uint16 (announced port; 0 = none).
    """

    time_ns: NDArray[np.int64]
    attachment: NDArray[np.uint32]
    source_ip: NDArray[np.uint32]
    source_port: NDArray[np.uint16]
    requester_id: NDArray[np.uint8]
    key: NDArray[np.uint8]
    kind: NDArray[np.uint8]
    flags: NDArray[np.uint16]
    version: NDArray[np.uint32]
    port: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.time_ns)

    @classmethod
    def empty(cls, id_bytes: int) -> Captures:
        """Return a table of no rows for IDs of `id_bytes` bytes."""
        ids = np.empty((0, id_bytes), np.uint8)
        return cls(
            np.empty(0, np.int64),
            np.empty(0, np.uint32),
            np.empty(0, np.uint32),
            np.empty(0, np.uint16),
            ids,
            ids.copy(),
            np.empty(0, np.uint8),
            np.empty(0, np.uint16),
            np.empty(0, np.uint32),
            np.empty(0, np.uint16),
        )

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Captures:
        """Return the table of these rows (indices or a mask)."""
        at = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.intp, copy=False)
        return Captures(*(take(getattr(self, f.name), at) for f in fields(self)))

    def between(self, start: int, stop: int) -> Captures:
        """Return the table of the rows from `start` to before `stop`, as views."""
        return Captures(*(getattr(self, f.name)[start:stop] for f in fields(self)))

    @classmethod
    def concat(cls, parts: list[Captures], id_bytes: int) -> Captures:
        """Return one table of all parts, in order."""
        if not parts:
            return cls.empty(id_bytes)
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))


@dataclass(slots=True)
class Attachment:
    """One monitor beside one target, from discovery to loss. Zero times mean: has not happened.

    number: unique in the run, from 1; found_ns: the crawler first heard the target answer; introduced_ns: first
    introduction sent; accepted_ns: the target first answered or queried the monitor; visible: intervals (begin, end)
    in which the target was seen handing the monitor out, the last one open (end 0) while it lasts; lost_ns and reason:
    why it ended ("silent", "changed_id", "moved", "gone", "sealed"); version: the target's client, as in the captures'
    version column; status: Status bits by its own word, 0 where the overlay has none.
    """

    number: int
    target_id: bytes
    target_ip: int
    target_port: int
    monitor_id: bytes
    monitor_ip: int
    monitor_port: int
    found_ns: int
    introduced_ns: int = 0
    accepted_ns: int = 0
    visible: tuple[tuple[int, int], ...] = ()
    lost_ns: int = 0
    reason: str = ""
    version: int = 0
    status: int = 0


@dataclass(slots=True)
class CrawlRow:
    """One crawl of the zone.

    `estimate` is the population by capture-recapture (0 = not yet), `completeness` its share found.
    """

    number: int
    begin_ns: int
    end_ns: int
    seen: int
    answered: int
    new: int
    gone: int
    changed: int
    queries: int
    replies: int
    estimate: float
    completeness: float
    completeness_low: float
    completeness_high: float

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return (self.end_ns - self.begin_ns) / 1e9

    @property
    def nodes_per_second(self) -> float:
        """In-zone nodes that answered, a second."""
        return self.answered / self.seconds if self.end_ns > self.begin_ns else 0.0


@dataclass(slots=True)
class Loss:
    """A ledger row: `count` of `name` lost or refused between two times."""

    name: str
    begin_ns: int
    end_ns: int
    count: int


@dataclass(slots=True)
class Lookups:
    """n attributed lookups, sorted by (time_ns, source_ip, source_port, key).

    time_ns, last_ns int64 (first and last copy); source_ip uint32; source_port uint16; requester_id, key uint8[n, L];
    kind uint8; flags uint16 (OR of the copies'); version uint32; copies uint16 (distinct monitors); packets uint32;
    destination uint32 (attachment number of the closest monitor that received a copy); closest uint32 (attachment
    number of the closest target attached at time_ns); rank uint16 (of the destination among attached targets by XOR
    distance to the key, 0 = closest); margin float32 (log2 of runner-up's distance over the destination's, among
    monitors that received a copy; inf with one copy); maintenance uint8 (Maintenance); inferred uint32 (attachment
    number of the most probable true destination, a bare target's included); confidence float32 (the probability, in
    [0, 1], that it is right).
    """

    time_ns: NDArray[np.int64]
    last_ns: NDArray[np.int64]
    source_ip: NDArray[np.uint32]
    source_port: NDArray[np.uint16]
    requester_id: NDArray[np.uint8]
    key: NDArray[np.uint8]
    kind: NDArray[np.uint8]
    flags: NDArray[np.uint16]
    version: NDArray[np.uint32]
    copies: NDArray[np.uint16]
    packets: NDArray[np.uint32]
    destination: NDArray[np.uint32]
    closest: NDArray[np.uint32]
    rank: NDArray[np.uint16]
    margin: NDArray[np.float32]
    maintenance: NDArray[np.uint8]
    inferred: NDArray[np.uint32]
    confidence: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.time_ns)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """Return the table of these rows (indices or a mask)."""
        at = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.intp, copy=False)
        return type(self)(*(take(getattr(self, f.name), at) for f in fields(self)))

    def between(self, start: int, stop: int) -> Self:
        """Return the table of the rows from `start` to before `stop`, as views."""
        return type(self)(*(getattr(self, f.name)[start:stop] for f in fields(self)))
