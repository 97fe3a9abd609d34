"""Kad as the rest of montra sees it: the answers to the questions of `montra.overlays.base.Overlay`."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from montra.datagrams import Counters, DatagramBatch
from montra.overlays.base import EVERYTHING, Courtesy, Message, Peer, Reading, Said, Scan, Scope, Wire
from montra.overlays.kad import clients, contents, courtesy, ids, messages, nodes_dat, parse
from montra.overlays.kad.defaults import DEFAULTS, PUBLIC_NODES, REFUSED_BLOCKS
from montra.overlays.kad.head import OPCODE_AT, Opening
from montra.overlays.kad.ids import ID_BYTES
from montra.overlays.kad.messages import Hello
from montra.overlays.kad.opcodes import MOST_COUNT, Op
from montra.overlays.kad.reading import READING
from montra.overlays.kad.scan import scan
from montra.overlays.kad.wire import KadWire, envelope
from zone_store.contents import Content

#: The TCP port that monitors name in their hello: eMule's own, where nobody listens.
_TCP_PORT: Final = 4662


class Kad:
    """Kad (eMule, aMule) over IPv4.

    id_bytes: 128-bit IDs. bucket_size: K = 10 (aMule `Defines.h`). lookup_span_ns: 45 s, the life of a search; a store
    lives 140 s, but asks a node that kept silent never again. refresh_bits: more than there are, since a REQ does not
    name its requester. contact_bits, contacts_taken: two contacts of each /24 from one RES (aMule
    `Search.cpp:ProcessResponse`) and in one bin of a table (`RoutingBin.cpp`). One of each address, too, but
    `monitors_per_ip` leaves no second there. subnet_contacts, refused_blocks: aMule `RoutingBin.cpp`,
    `NetworkFunctions.cpp:IsGoodIP`.
    """

    def __init__(self) -> None:
        self.name = "kad"
        self.id_bytes = ID_BYTES
        self.bucket_size = 10
        self.lookup_span_ns = 45 * 10**9
        self.refresh_bits = 8 * ID_BYTES + 1
        self.contact_bits: Mapping[int, int] = {0: 24}
        self.contacts_taken = 2
        self.addressed = True
        self.monitors_per_ip = 1
        self.subnet_contacts = 10
        self.refused_blocks: Sequence[str] = REFUSED_BLOCKS
        self.most_introductions = 3
        self.public_nodes = PUBLIC_NODES
        self.reading: Reading = READING
        self.defaults: Mapping[str, Mapping[str, Any]] = DEFAULTS

    def wire(self, secret: bytes, rng: random.Random) -> Wire | None:
        """Return what encrypts and unpacks (`wire.KadWire`)."""
        return KadWire(secret, rng)

    def scan(self, batch: DatagramBatch) -> Scan:
        """Find the lookups in a batch of opened datagrams (`scan.scan`)."""
        return scan(batch)

    def parse(self, data: bytes) -> Message:
        """Parse one opened datagram whole (`parse.parse`)."""
        return parse.parse(data)

    def may_answer(self, data: bytes, transaction: bytes) -> bool:
        """Tell whether a datagram is a HELLO_RES, the only reply that monitors wait for, and carries our key.

        Without transactions a forger needs to guess nothing else. Old clients, which know no keys, get no favour.
        """
        return len(data) > OPCODE_AT and data[OPCODE_AT] == Op.HELLO_RES and bool(data[0] & Opening.VERIFIED)

    def introduction(self, monitor_id: bytes, target: Peer, transaction: bytes) -> bytes:
        """Return HELLO_REQ: the first brings the monitor into the target's table, the second makes it one to hand out.

        Carries the target's key once it is known, which proves the monitor's address as HELLO_RES_ACK does.
        """
        return _to(target, messages.hello(Op.HELLO_REQ, _hello(monitor_id)))

    def introduction_echo(self, transaction: bytes) -> bytes:
        """Return what stands for the transaction of every HELLO_RES."""
        return parse.HELLO

    def greeting(self, monitor_id: bytes, target: Peer, reply: Message) -> bytes | None:
        """Return HELLO_RES_ACK if the target asks for it and told its key, without which it believes none."""
        key = reply.peer_key or target.key
        if not (reply.wants_confirmation and key):
            return None
        return envelope(messages.hello_ack(monitor_id), node_id=target.node_id, key=key)

    def keep_alive(self, monitor_id: bytes, target: Peer, transaction: bytes) -> bytes:
        """Return HELLO_REQ: nothing less keeps a contact's type."""
        return self.introduction(monitor_id, target, transaction)

    def answer(self, query: Message, monitor_id: bytes, target: Peer) -> bytes | None:
        """Return HELLO_RES and PONG to the target's HELLO_REQ and PING, None for silence to all else.

        A RES would make the monitor a node that the target publishes to and searches at. PONG is longer than PING by
        its port, and both are longer than a query that came plain if the target's key has them encrypted.
        """
        peer = Peer(target.node_id, query.peer_key or target.key)
        if query.type != "query":
            return None
        if query.method == "hello":
            return _to(peer, messages.hello(Op.HELLO_RES, _hello(monitor_id)))
        if query.method == "ping":
            return _to(peer, messages.pong(0))  # the wire knows the port
        return None

    def reply_table(self, mode: str, families: Mapping[str, str]) -> dict[str, str]:
        """Return the reply policy of the one family there is (`courtesy.reply_table`)."""
        return courtesy.reply_table(mode, families)

    def courtesy(self, table: Mapping[str, str], secret: bytes, scope: Scope = EVERYTHING) -> Courtesy | None:
        """Return who replies to strangers by such a table (`courtesy.KadCourtesy`), None for silence."""
        return courtesy.from_table(table, scope)

    def contents(self, said: Said, counters: Counters) -> tuple[list[Content], int]:
        """Return what is published and searched (`contents.contents`)."""
        return contents.contents(said, counters)

    def keyword_id(self, word: str) -> bytes | None:
        """Return the MD4 of the word (`ids.keyword_id`)."""
        return ids.keyword_id(word)

    def crawl_query(self, own_id: bytes, target: bytes, transaction: bytes, node_id: bytes = b"") -> bytes:
        """Return REQ for as many contacts as a node gives; BOOTSTRAP_REQ where its ID is not known."""
        if not node_id:
            return envelope(messages.packet(Op.BOOTSTRAP_REQ))
        return envelope(messages.request(MOST_COUNT, target, node_id), node_id=node_id)

    def crawl_echo(self, transaction: bytes, target: bytes, node_id: bytes) -> bytes:
        """Return what stands for the transaction: the target in RES, a fixed name for BOOTSTRAP_RES."""
        return target if node_id else parse.BOOTSTRAP

    def read_bootstrap(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Return the nodes of a nodes.dat (`nodes_dat.read`)."""
        return [(contact.ip, contact.port, contact.node_id) for contact in nodes_dat.read(data)]

    def lookup_query(self, own_id: bytes, key: bytes, transaction: bytes) -> bytes:
        """Raise ValueError: a REQ must name its recipient."""
        raise ValueError("kad has no lookup query that fits every node")

    def version_name(self, version: int) -> str:
        """Name a client (`clients.version_name`)."""
        return clients.version_name(version)


def _to(peer: Peer, packet: bytes) -> bytes:
    return envelope(packet, node_id=peer.node_id, key=peer.key)


def _hello(monitor_id: bytes) -> Hello:
    return Hello(monitor_id, _TCP_PORT)
