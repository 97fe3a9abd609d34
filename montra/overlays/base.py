"""The few questions the rest of montra asks a DHT. Each overlay package answers them; nothing else is overlay-specific.

Implementations have no clock, no socket and no random source of their own: times, transactions, IDs and chance are
handed in.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import Counters, Datagram, DatagramBatch, StrangerReply
from zone_store.contents import Content


@dataclass(slots=True)
class Scan:
    """What a batch scan found, one row for each datagram (columns as in `zone_store.captures.Captures`).

    kind: uint8[n] (Kind; OTHER where the row is no lookup of the overlay, or needs a full parse);
    requester_id, key: uint8[n, L], zero where kind is OTHER, requester_id also where lookups do not name it;
    flags uint16[n]; version uint32[n], 0 for none; port uint16[n].
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
    answers, or what stands for it in a DHT without transactions (`introduction_echo`, `crawl_echo`); sender_id: b"" if
    absent; key: target or info_hash of a query, b"" if none; contacts: nodes of a reply; version: of the sender's
    client (Mainline's `v`), b"" if none; flags: zone_store.captures.Flag bits; port: announced port; reason: why
    malformed, from a small fixed set of names, "" otherwise.

    Where a DHT proves addresses by keys: peer_key, the sender's key for us, 0 for none; verified: the datagram carried
    our own key for its source, so the source is not forged; wants_confirmation: the sender asks us to prove ours.
    status: what the sender says of its reachability (Kad: 1 UDP-firewalled, 2 TCP-firewalled). contact_versions: of the
    clients of `contacts`, () where contacts are named without.
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
    peer_key: int = 0
    verified: bool = True
    status: int = 0
    wants_confirmation: bool = False
    contact_versions: Sequence[bytes] = ()


class Peer(NamedTuple):
    """A node as we address it: its ID, and its key for our address as far as we have learnt it, 0 for none."""

    node_id: bytes
    key: int = 0


#: Counts the targets nearer to keys than monitors are: keys and monitors' IDs, both uint8[n, L], to intp[n].
Nearer: TypeAlias = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.intp]]


class Asked(NamedTuple):
    """Lookups of strangers.

    rows: intp[n], of a batch and of what the scan found in it; monitor_ids: uint8[n, L], of the monitors that got them;
    nearer: tells how many targets are nearer to a key than a monitor, None where nobody knows.
    """

    batch: DatagramBatch
    scan: Scan
    rows: NDArray[np.intp]
    monitor_ids: NDArray[np.uint8]
    nearer: Nearer | None = None


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


class Said(NamedTuple):
    """Datagrams of strangers that are no lookups.

    rows: intp[n], of a batch; attachments: uint32[n], of the monitors that got them; invited: tells by source IP and
    content ID which are wanted (`Courtesy.invited`), asked before one is read, lest strangers make us read.
    """

    batch: DatagramBatch
    rows: NDArray[np.intp]
    attachments: NDArray[np.uint32]
    invited: Callable[[int, bytes], bool]


#: For how long a key that was answered is not answered again, where a configuration is silent.
ONCE_NS = 24 * 3600 * 10**9


def _every(_: bytes) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Scope:
    """Which keys one part of a fleet answers, where the fleet answers each key once.

    once_ns: for how long a key is not answered again; mine: tells the keys that are this part's, so that no other part
    answers them, too; answered: keys that were, and when, by who had this part before.
    """

    once_ns: int = ONCE_NS
    mine: Callable[[bytes], bool] = _every
    answered: Mapping[bytes, int] = field(default_factory=dict)


#: A fleet that is all in one.
EVERYTHING = Scope()


class Courtesy(Protocol):
    """What monitors of one fleet say to strangers who ask them, so that nobody waits for them in vain.

    policies: names, for counters; policy 0 is silence.
    """

    policies: tuple[str, ...]

    def answer(self, now_ns: int, asked: Asked) -> Replies:
        """Reply to lookups of strangers.

        Each of them has at most one reply, never longer than it, sent to where it came from. Never raises over their
        bytes.
        """
        ...

    def invited(self, now_ns: int, ip: int, key: bytes) -> bool:
        """Tell whether a datagram in which an address speaks of a key is wanted, and count it.

        It is if it follows from an answer of ours, and is not too much of it.
        """
        ...


class Reading(NamedTuple):
    """How what was recorded of a DHT is to be read, for analysis and report.

    republish_s: seconds after which a client publishes again, by what it publishes ("file", "keyword"); empty where
    lookups do not tell publishes from searches. tells_clients: queries carry their client's version; tells_reach: nodes
    say whether they are behind a firewall; caveats: (heading, sentences) of what cannot be told.
    """

    republish_s: Mapping[str, float]
    tells_clients: bool
    tells_reach: bool
    caveats: tuple[tuple[str, str], ...]


class Wire(Protocol):
    """Between the machines and the network, for a DHT whose datagrams are encrypted or compressed on their way.

    counters: what could not be opened or sealed, and why, ever growing.
    """

    counters: Counters

    def open(self, batch: DatagramBatch, own_ids: NDArray[np.uint8]) -> DatagramBatch:
        """Return a batch of the same rows as the overlay's `scan` and `parse` read them. Never raises over their bytes.

        own_ids: uint8[n, L], the ID of our node at each row's local address, zeros where nobody is.
        """
        ...

    def seal(self, outgoing: list[Datagram]) -> list[Datagram]:
        """Return what the overlay wrote as it goes out: the same datagrams in the same order, each of its class."""
        ...


class Overlay(Protocol):
    """What differs between DHTs.

    Attributes: name ("mainline"), id_bytes (20), bucket_size (8), lookup_span_ns (longest gap between the copies of one
    lookup), refresh_bits (a key sharing at least so many bits with the requester's ID is its own table's refresh; above
    the length of IDs where queries do not name their sender's), contact_bits (leading bits of IPv4 addresses that
    clients compare, of which they take `contacts_taken` contacts only into a lookup, by the first two bytes of their
    version; clients not named take any).
    addressed: a query names the node it is meant for, and no other answers it, so a reply needs to name nobody.
    monitors_per_ip: monitors that may share an IP, because clients take no more contacts there; 0 for any number.
    subnet_contacts: contacts of one /24 that a client's table holds at most, 0 for any number.
    refused_blocks: CIDR blocks in which clients take no contacts, not even in a private network.
    most_introductions: that a node takes from one address in its first minute or two (a fleet's `early_s`).
    public_nodes: of the public network, about; what a zone's share of it is compared with before a run.
    reading: what its lookups and nodes tell, and what they do not.
    defaults: settings of a run that differ from montra's own, section -> name -> value, where its configuration is
    silent.
    """

    name: str
    id_bytes: int
    bucket_size: int
    lookup_span_ns: int
    refresh_bits: int
    contact_bits: Mapping[int, int]
    contacts_taken: int
    addressed: bool
    monitors_per_ip: int
    subnet_contacts: int
    refused_blocks: Sequence[str]
    most_introductions: int
    public_nodes: int
    reading: Reading
    defaults: Mapping[str, Mapping[str, Any]]

    def wire(self, secret: bytes, rng: random.Random) -> Wire | None:
        """Return what opens and seals datagrams; None where they are on the wire as the machines write them.

        secret: makes our keys, the same for all processes of a run; rng: for padding and the like.
        """
        ...

    def scan(self, batch: DatagramBatch) -> Scan:
        """Find the lookups in a batch, vectorised; called for every batch received."""
        ...

    def parse(self, data: bytes) -> Message:
        """Parse one datagram whole. Never raises and always ends: bad bytes give type "malformed" and a reason."""
        ...

    def may_answer(self, data: bytes, transaction: bytes) -> bool:
        """Tell without parsing whether a datagram can be the reply to an introduction with this transaction.

        One that can is read whatever else comes from its source, so forgers should not get through.
        """
        ...

    def introduction(self, monitor_id: bytes, target: Peer, transaction: bytes) -> bytes:
        """Return the query by which a monitor introduces itself to its target."""
        ...

    def introduction_echo(self, transaction: bytes) -> bytes:
        """Return the `Message.transaction` of the reply to an introduction or keep-alive with this transaction."""
        ...

    def greeting(self, monitor_id: bytes, target: Peer, reply: Message) -> bytes | None:
        """Return what a monitor owes a target for its reply to an introduction or keep-alive, None for nothing.

        For targets that want more than queries before they hand anybody out. Expects no answer.
        """
        ...

    def keep_alive(self, monitor_id: bytes, target: Peer, transaction: bytes) -> bytes:
        """Return the query that keeps the monitor in its target's table."""
        ...

    def answer(self, query: Message, monitor_id: bytes, target: Peer) -> bytes | None:
        """Return the reply to the target's own query that keeps the monitor in its table, None for silence.

        Never anything that routes or stores; longer than the query that caused it by some bytes at most.
        """
        ...

    def reply_table(self, mode: str, families: Mapping[str, str]) -> dict[str, str]:
        """Return the reply policy of each family of clients, by name.

        mode: "least" is what disturbs each family least, "paper" is silence to all, the name of a policy is that for
        all; families: exceptions, family -> policy. Raises ValueError in one line for unknown names, and for exceptions
        from "paper".
        """
        ...

    def courtesy(self, table: Mapping[str, str], secret: bytes, scope: Scope = EVERYTHING) -> Courtesy | None:
        """Return who replies to strangers by such a table, None where all of it is silence.

        secret: makes tokens, so that nobody else can; the same for all processes of a run. Raises ValueError.
        """
        ...

    def contents(self, said: Said, counters: Counters) -> tuple[list[Content], int]:
        """Return what these datagrams say of content IDs, in their order, and how many of them name one at all.

        Of the latter those not wanted ("uninvited") and those that cannot be read ("unreadable") are counted. Nothing
        in a DHT whose lookups say all there is. Never raises over their bytes.
        """
        ...

    def keyword_id(self, word: str) -> bytes | None:
        """Return the content ID of a keyword, None where content is not found by keywords."""
        ...

    def crawl_query(self, own_id: bytes, target: bytes, transaction: bytes, node_id: bytes = b"") -> bytes:
        """Return the read-only query that asks a node for its contacts near `target`.

        node_id: the node's own, b"" if not known; an `addressed` DHT may then ask for any contacts, and who it is.
        """
        ...

    def crawl_echo(self, transaction: bytes, target: bytes, node_id: bytes) -> bytes:
        """Return the `Message.transaction` of the reply to such a query."""
        ...

    def read_bootstrap(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Return the nodes, (ip, port, ID), of a client's file of nodes.

        Raises ValueError in one line for a file that cannot be read, and where clients have no such file.
        """
        ...

    def lookup_query(self, own_id: bytes, key: bytes, transaction: bytes) -> bytes:
        """Return the read-only query with which a user's client looks a key up, whoever is asked.

        Raises ValueError where a query names whom it is meant for (`addressed`).
        """
        ...

    def version_name(self, version: int) -> str:
        """Name the client of a `version` column value ("libtorrent 2.1", "unknown 5a5a", "none" for 0)."""
        ...


def version_number(version: bytes) -> int:
    """Return `v` as the number of the captures' version column: 4 bytes big-endian, short ones padded, none = 0."""
    return int.from_bytes(version[:4].ljust(4, b"\0"), "big")


OVERLAYS: Mapping[str, str] = {"mainline": "montra.overlays.mainline", "kad": "montra.overlays.kad"}
"""Known overlays and the module whose `OVERLAY` object answers for them."""


def load(name: str) -> Overlay:
    """Return the overlay of this name; raises KeyError for an unknown one."""
    from importlib import import_module

    overlay: Overlay = import_module(OVERLAYS[name]).OVERLAY
    return overlay
