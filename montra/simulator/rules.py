"""How each family of clients behaves, as measured on real ones or read in their sources.

Numbers marked [M] were measured on real clients, [S] read in the source; the others are assumed, and said to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from montra.simulator.settings import Family


class Entry(Enum):
    """When a peer that sent a query, unasked, is handed out."""

    AT_ONCE = auto()  # aria2, webtorrent [M]
    SECOND_QUERY = auto()  # libtorrent [M]: unpinged at first; at its second query, or an answered ping
    ANSWERED_PING = auto()  # rTorrent [M], mldht [S]: the node pings it, and it answers
    QUARANTINE = auto()  # uTorrent [S]: answered ping, and 120 s since it was first seen
    UNASKED_PONG = auto()  # jech [M]: an answered ping, or a "pong" that nobody asked for
    NEVER = auto()  # anacrolix [S]: starts from the bucket of the key and goes outwards; others' IDs must fit BEP 42


class Dedupe(Enum):
    """Of the contacts named in a lookup, which count as one."""

    ENDPOINT = auto()
    IP = auto()
    SLASH_24 = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A family's behaviour.

    version: `v` of its messages, empty = none; transaction_bytes: length of its transaction IDs.
    entry: see Entry; ping_s: how long after a query it pings an unknown sender, between these bounds; ping_every_s: how
    often a contact is asked whether it lives, in the mean; patience: failures in a row after which a contact is no
    longer handed out; handed_out: contacts in a reply.
    alpha, k, listed: queries open at once, answers that end a lookup, contacts kept in its list; soft_s, hard_s: when a
    query stops to count among the open ones, and when it has failed; dedupe; announces: to how many; by_find_node: the
    search is one of find_node; only_valid_ids: skips contacts whose ID does not fit their IP (BEP 42); aggressive: open
    queries to contacts behind those next in the list do not count (`dht_aggressive_lookups`).
    """

    version: bytes
    transaction_bytes: int
    entry: Entry
    ping_s: tuple[float, float]
    ping_every_s: float
    patience: int
    alpha: int
    k: int
    listed: int
    soft_s: float
    hard_s: float
    dedupe: Dedupe
    handed_out: int = 8
    announces: int = 8
    by_find_node: bool = False
    only_valid_ids: bool = False
    aggressive: bool = False


#: libtorrent asks one contact every 5 s, the one asked longest ago (routing_table.cpp, `next_refresh`) [S]. A table in
#: a large network holds 128 + 64 + 32 + 16 and 8 for each further bit, 350 contacts at two million nodes: half an hour.
LIBTORRENT_TICK_S = 5.0
LIBTORRENT_CONTACTS = 350

RULES: Mapping[Family, Rules] = {
    # 1 s and 15 s: rpc_manager.cpp [S]. The next tick pings an unpinged contact of the last bucket: 0.6-40 s [M].
    Family.LIBTORRENT: Rules(
        version=b"LT\x02\x11",
        transaction_bytes=2,
        entry=Entry.SECOND_QUERY,
        ping_s=(0.6, 40.0),
        ping_every_s=LIBTORRENT_CONTACTS * LIBTORRENT_TICK_S,
        patience=1,
        alpha=5,
        k=8,
        listed=100,
        soft_s=1.0,
        hard_s=15.0,
        dedupe=Dedupe.SLASH_24,
        aggressive=True,
    ),
    # One ping in 6 s over a table of some 150 contacts [S, size assumed]; 2 failures, 1 where there are replacements.
    Family.UTORRENT: Rules(
        version=b"UT\xb4\x1e",
        transaction_bytes=4,
        entry=Entry.QUARANTINE,
        ping_s=(1.0, 12.0),
        ping_every_s=900.0,
        patience=1,
        alpha=4,
        k=8,
        listed=100,
        soft_s=1.0,
        hard_s=4.0,
        dedupe=Dedupe.IP,
    ),
    # Handed out while a message came within 15 minutes (dht.c, `node_good`) [S]. 14 s, or not within 250 s [M].
    Family.JECH: Rules(
        version=b"",
        transaction_bytes=4,
        entry=Entry.UNASKED_PONG,
        ping_s=(14.0, 250.0),
        ping_every_s=600.0,
        patience=2,
        alpha=4,
        k=8,
        listed=14,
        soft_s=10.0,
        hard_s=30.0,
        dedupe=Dedupe.ENDPOINT,
    ),
    # One timeout removes [S]; how often it meets a contact again is assumed.
    Family.WEBTORRENT: Rules(
        version=b"",
        transaction_bytes=2,
        entry=Entry.AT_ONCE,
        ping_s=(0.1, 1.0),
        ping_every_s=900.0,
        patience=1,
        alpha=16,
        k=20,
        listed=200,
        soft_s=2.0,
        hard_s=2.0,
        dedupe=Dedupe.ENDPOINT,
        handed_out=20,
        announces=20,
    ),
    # Bad after 5 timeouts, buckets refreshed every 15 minutes [S].
    Family.ARIA2: Rules(
        version=b"A2\x00\x03",
        transaction_bytes=4,
        entry=Entry.AT_ONCE,
        ping_s=(0.1, 1.0),
        ping_every_s=900.0,
        patience=5,
        alpha=3,
        k=8,
        listed=8,
        soft_s=10.0,
        hard_s=10.0,
        dedupe=Dedupe.ENDPOINT,
    ),
    # Bad after 5 failures [S]; 3 at once, 4 s and 30 s [S]; announces to 3 [M].
    Family.RTORRENT: Rules(
        version=b"lt\x0d\x80",
        transaction_bytes=1,
        entry=Entry.ANSWERED_PING,
        ping_s=(0.1, 0.9),
        ping_every_s=900.0,
        patience=5,
        alpha=3,
        k=8,
        listed=100,
        soft_s=4.0,
        hard_s=30.0,
        dedupe=Dedupe.ENDPOINT,
        announces=3,
        by_find_node=True,
    ),
    # Handed out while failures < 2 [S].
    Family.MLDHT: Rules(
        version=b"Az\x0b\x0c",
        transaction_bytes=6,
        entry=Entry.ANSWERED_PING,
        ping_s=(1.0, 20.0),
        ping_every_s=600.0,
        patience=2,
        alpha=10,
        k=8,
        listed=100,
        soft_s=1.0,
        hard_s=10.0,
        dedupe=Dedupe.IP,
    ),
    # A response or a query within 15 minutes; skips IDs that do not fit (anacrolix/torrent) [S].
    Family.ANACROLIX: Rules(
        version=b"",
        transaction_bytes=3,
        entry=Entry.NEVER,
        ping_s=(1.0, 10.0),
        ping_every_s=900.0,
        patience=1,
        alpha=3,
        k=8,
        listed=100,
        soft_s=2.0,
        hard_s=2.0,
        dedupe=Dedupe.ENDPOINT,
        only_valid_ids=True,
    ),
}

#: uTorrent hands nobody out who was first seen less than this ago [S].
QUARANTINE_S = 120.0


def bucket_limit(bit: int, family: Family) -> int:
    """Return how many contacts a bucket holds whose members share `bit` bits with the node: libtorrent's first four
    buckets are larger (routing_table.cpp, `bucket_limit`) [S].
    """
    return (128, 64, 32, 16)[bit] if family is Family.LIBTORRENT and bit < 4 else 8
