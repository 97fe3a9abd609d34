"""The few questions the rest of montra asks a DHT. Each overlay package answers them; nothing else is overlay-specific.

Implementations are pure: no clock, no random source, no socket. Transactions and IDs are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import Counters, DatagramBatch, StrangerReply


@dataclass(slots=True)
class Scan:
    """What a batch scan found, one row for each datagram (columns as in `zone_store.captures.Captures`).

    kind: uint8[n] (Kind; OTHER where the row is no lookup of the overlay, or needs a full parse);
    requester_id, key: uint8[n, L], zero where kind is OTHER; flags uint16[n]; version uint32[n]; port uint16[n].
    transaction_at, transaction_bytes: uint16[n], where in a lookup the transaction lies that a reply must echo;
    transaction_at 0 where the scan does not know, or there is none.
    malformed: the rows found to be no message of the overlay, with `Message.reason` as `parse` names it. Rows of kind
    OTHER that are not among them were not read to the end: pings, replies, errors, or junk that resembles them.
    """

    kind: NDArray[np.uint8]
    requester_id: NDArray[np.uint8]
    key: NDArray[np.uint8]
    flags: NDArray[np.uint16]
    version: NDArray[np.uint32]
    port: NDArray[np.uint16]
    transaction_at: NDArray[np.uint16]
    transaction_bytes: NDArray[np.uint16]
    malformed: dict[int, str] = field(default_factory=dict)


#: A node as others name it: ID, IPv4 address as host-order integer, UDP port.
Contact = tuple[bytes, int, int]


@dataclass(slots=True)
class Message:
    """One fully parsed datagram.

    type: "query", "reply", "error" or "malformed"; method: the query's name ("" otherwise); transaction: echoed in
    answers; sender_id: b"" if absent; key: target or info_hash of a query, b"" if none; contacts: nodes of a reply;
    version: the `v` field, b"" if none; flags: zone_store.captures.Flag bits; port: announced port;
    reason: why malformed, from a small fixed set of names, "" otherwise.
    """

    type: str
    method: str = ""
    transaction: bytes = b""
    sender_id: bytes = b""
    key: bytes = b""
    contacts: tuple[Contact, ...] = ()
    version: bytes = b""
    flags: int = 0
    port: int = 0
    reason: str = ""


@dataclass(slots=True)
class Replies:
    """Replies to strangers, m of them.

    rows: intp[m], the datagrams answered, as rows of their batch; payloads: m; policy: uint8[m], by which each was
    made, an index of `Courtesy.policies`; aside: bool[m], to be sent from another address than the one that was asked.
    late: replies to earlier datagrams, held back until now, to be sent before these; policy of each: late_policy.
    dropped: replies that were not made after all, and why.
    """

    rows: NDArray[np.intp]
    payloads: list[bytes]
    policy: NDArray[np.uint8]
    aside: NDArray[np.bool_]
    late: list[StrangerReply] = field(default_factory=list)
    late_policy: int = 0
    dropped: Counters = field(default_factory=Counters)


#: Counts the targets nearer to keys than monitors are: keys and monitors' IDs, both uint8[n, L], to intp[n].
Nearer: TypeAlias = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.intp]]


class Courtesy(Protocol):
    """What monitors of one fleet say to strangers who ask them, so that nobody waits for them in vain.

    policies: names, for counters; policy 0 is silence.
    """

    policies: tuple[str, ...]

    def answer(
        self,
        now_ns: int,
        batch: DatagramBatch,
        scan: Scan,
        rows: NDArray[np.intp],
        monitor_ids: NDArray[np.uint8],
        nearer: Nearer | None = None,
    ) -> Replies:
        """Reply to lookups of strangers.

        rows: intp[n], lookups of the batch; monitor_ids: uint8[n, L], of the monitors that got them; nearer: tells how
        many targets are nearer to a key than a monitor, None where nobody knows. Each row has at most one reply, never
        longer than it, sent to where it came from. Never raises over their bytes.
        """
        ...


class Overlay(Protocol):
    """What differs between DHTs.

    Attributes: name ("mainline"), id_bytes (20), bucket_size (8), lookup_span_ns (longest gap between the copies of one
    lookup), refresh_bits (a key sharing at least so many bits with the requester's ID is its own table's refresh),
    contact_bits (leading bits of IPv4 addresses that clients compare, of which they take one contact only into a
    lookup, by the first two bytes of their version; clients not named take any).
    """

    name: str
    id_bytes: int
    bucket_size: int
    lookup_span_ns: int
    refresh_bits: int
    contact_bits: Mapping[int, int]

    def scan(self, batch: DatagramBatch) -> Scan:
        """Find the lookups in a batch, vectorised; called for every batch received."""
        ...

    def parse(self, data: bytes) -> Message:
        """Parse one datagram whole. Never raises and always ends: bad bytes give type "malformed" and a reason."""
        ...

    def introduction(self, monitor_id: bytes, target_id: bytes, transaction: bytes) -> bytes:
        """Return the query by which a monitor introduces itself to its target."""
        ...

    def greeting(self, monitor_id: bytes, version: bytes) -> bytes | None:
        """Return what a monitor says to a target that just answered its introduction, None for nothing.

        For targets that want more than queries before they hand anybody out; `version` is that of the answer, b"" if it
        names none. Expects no answer.
        """
        ...

    def keep_alive(self, monitor_id: bytes, target_id: bytes, transaction: bytes) -> bytes:
        """Return the query that keeps the monitor in its target's table."""
        ...

    def answer(self, query: Message, monitor_id: bytes) -> bytes | None:
        """Return the reply to the target's own query that keeps the monitor in its table, None for silence.

        Never anything that routes or stores; never longer than the query that caused it.
        """
        ...

    def reply_table(self, mode: str, families: Mapping[str, str]) -> dict[str, str]:
        """Return the reply policy of each family of clients, by name.

        mode: "least" is what disturbs each family least, "paper" is silence to all, the name of a policy is that for
        all; families: exceptions, family -> policy. Raises ValueError in one line for unknown names, and for exceptions
        from "paper".
        """
        ...

    def courtesy(self, table: Mapping[str, str], secret: bytes) -> Courtesy | None:
        """Return who replies to strangers by such a table, None where all of it is silence.

        secret: makes tokens, so that nobody else can; the same for all processes of a run. Raises ValueError.
        """
        ...

    def crawl_query(self, own_id: bytes, target: bytes, transaction: bytes) -> bytes:
        """Return the read-only query that asks a node for its contacts near `target`."""
        ...

    def lookup_query(self, own_id: bytes, key: bytes, transaction: bytes) -> bytes:
        """Return the read-only query with which a user's client looks a key up."""
        ...

    def version_name(self, version: int) -> str:
        """Name the client of a `version` column value ("libtorrent 2.1", "unknown 5a5a", "none" for 0)."""
        ...


def version_number(version: bytes) -> int:
    """Return `v` as the number of the captures' version column: 4 bytes big-endian, short ones padded, none = 0."""
    return int.from_bytes(version[:4].ljust(4, b"\0"), "big")


OVERLAYS: Mapping[str, str] = {"mainline": "montra.overlays.mainline"}
"""Known overlays and the module whose `OVERLAY` object answers for them."""


def load(name: str) -> Overlay:
    """Return the overlay of this name; raises KeyError for an unknown one."""
    from importlib import import_module

    overlay: Overlay = import_module(OVERLAYS[name]).OVERLAY
    return overlay
