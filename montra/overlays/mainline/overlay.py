"""Mainline as the rest of montra sees it: the answers to the questions of `montra.overlays.base.Overlay`."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from montra.datagrams import Counters, DatagramBatch
from montra.overlays.base import EVERYTHING, Courtesy, Message, Peer, Said, Scan, Scope, Wire
from montra.overlays.mainline import clients, courtesy, messages, replies
from montra.overlays.mainline.reading import READING
from montra.overlays.mainline.scan import Scanner
from zone_store.contents import Content

#: The transaction of every ping of jech/dht: "pn" and a sequence number that it leaves zero (dht.c, `send_ping`).
_JECH_PING: Final = b"pn\0\0"


class Mainline:
    """The Mainline DHT over IPv4.

    id_bytes: SHA-1 node IDs and info-hashes (BEP 5). bucket_size: K = 8 (BEP 5, "Routing Table").
    lookup_span_ns: 60 s. The most patient client, jech/dht, asks a silent node three times, 10 s or more apart;
    libtorrent gives it 15 s. refresh_bits: 96. libtorrent refreshes its own neighbourhood by looking for its own ID
    with the last 8 bytes changed (seen in packets of 2.1.1); another key agrees so far with a chance of 2**-96.
    contact_bits: libtorrent takes one contact of each /24 into a lookup (`traversal_algorithm::add_entry`), uTorrent
    and mldht one of each address; aria2, rTorrent, Transmission and webtorrent were seen to take all.
    addressed: whoever gets a query answers it. monitors_per_ip: any number. most_introductions: no client counts
    them; 4 is what the fleet sends in the first two minutes. public_nodes: 2026.
    """

    def __init__(self) -> None:
        self.name = "mainline"
        self.id_bytes = messages.ID_BYTES
        self.bucket_size = 8
        self.lookup_span_ns = 60 * 10**9
        self.refresh_bits = 96
        self.contact_bits: Mapping[int, int] = {0x4C54: 24, 0x5554: 32, 0x415A: 32, 0x417A: 32}  # LT, UT, AZ, Az
        self.contacts_taken = 1
        self.addressed = False
        self.monitors_per_ip = 0
        self.subnet_contacts = 0
        self.refused_blocks: Sequence[str] = ()
        self.most_introductions = 4
        self.public_nodes = 10_000_000
        self.reading = READING
        self.defaults: Mapping[str, Mapping[str, Any]] = {}
        self._scanner = Scanner()

    def wire(self, secret: bytes, rng: random.Random) -> Wire | None:
        """Return None: KRPC goes out as it is written."""
        return None

    def scan(self, batch: DatagramBatch) -> Scan:
        """Find the lookups in a batch (`scan.Scanner.scan`)."""
        return self._scanner.scan(batch)

    def parse(self, data: bytes) -> Message:
        """Parse one datagram whole (`messages.parse`; `replies.read` says the same of most replies, sooner)."""
        return replies.read(data) or messages.parse(data)

    def may_answer(self, data: bytes, transaction: bytes) -> bool:
        """Tell whether the transaction stands anywhere in a datagram."""
        return transaction in data

    def introduction(self, monitor_id: bytes, target: Peer, transaction: bytes) -> bytes:
        """Return find_node for the monitor's own ID.

        Any query introduces its sender (libtorrent takes it into its table on the second), and the reply to this one
        also tells whether the target hands the monitor out, which is the nearest of all nodes to the ID asked for.
        Not read-only, or no client would take the monitor in (BEP 43).
        """
        return messages.find_node(monitor_id, monitor_id, transaction)

    def introduction_echo(self, transaction: bytes) -> bytes:
        """Return the transaction: a reply has that of its query (BEP 5)."""
        return transaction

    def greeting(self, monitor_id: bytes, target: Peer, reply: Message) -> bytes | None:
        """Return a pong that nobody asked for, to clients that send no `v`: one of them is jech/dht (Transmission).

        It hands out only who has replied to it, and may take minutes to ask; but a reply with this transaction, which
        all its pings have, it takes without having asked (dht.c, `dht_periodic`). Others without `v` ignore it. Never
        to a client with `v`: rTorrent counts a reply that it does not await against its sender.
        """
        return None if reply.version else messages.reply(monitor_id, _JECH_PING, nodes=False)

    def keep_alive(self, monitor_id: bytes, target: Peer, transaction: bytes) -> bytes:
        """Return a ping: the least that keeps an entry fresh, and its reply tells of a changed ID."""
        return messages.ping(monitor_id, transaction)

    def answer(self, query: Message, monitor_id: bytes, target: Peer) -> bytes | None:
        """Return what keeps the monitor in the table of the target that sent `query`, None for silence.

        ping and announce_peer get our ID, find_node and get_peers an empty list of contacts with it: without `nodes`
        rTorrent's search stalls, and a token would make libtorrent and aria2 announce to the monitor. Other methods
        promise a service that a monitor does not have. The reply is never longer than the query: it lacks the method
        (`1:q4:ping` has as many bytes as our `v`) and the key, which is longer than `5:nodes0:`.
        """
        if query.type != "query":
            return None
        if query.method in ("ping", "announce_peer"):
            return messages.reply(monitor_id, query.transaction, nodes=False)
        if query.method in ("find_node", "get_peers"):
            return messages.reply(monitor_id, query.transaction, nodes=True)
        return None

    def reply_table(self, mode: str, families: Mapping[str, str]) -> dict[str, str]:
        """Return the reply policy of each family of clients (`courtesy.reply_table`)."""
        return courtesy.reply_table(mode, families)

    def courtesy(self, table: Mapping[str, str], secret: bytes, scope: Scope = EVERYTHING) -> Courtesy | None:
        """Return who replies to strangers by such a table (`courtesy.MainlineCourtesy`), None for silence.

        scope: not looked at. Who answers a key once holds it for a time of its own (`claims.CLAIM_NS`).
        """
        return courtesy.from_table(table, secret)

    def contents(self, said: Said, counters: Counters) -> tuple[list[Content], int]:
        """Return nothing: all that clients say of an info-hash is in get_peers and announce_peer, which are lookups."""
        return [], 0

    def keyword_id(self, word: str) -> bytes | None:
        """Return None: nothing is found by keywords."""
        return None

    def crawl_query(self, own_id: bytes, target: bytes, transaction: bytes, node_id: bytes = b"") -> bytes:
        """Return a read-only find_node (BEP 43): the crawler's address must not take a monitor's place in a table."""
        return messages.find_node(own_id, target, transaction, read_only=True)

    def crawl_echo(self, transaction: bytes, target: bytes, node_id: bytes) -> bytes:
        """Return the transaction: a reply has that of its query (BEP 5)."""
        return transaction

    def read_bootstrap(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Raise ValueError: clients agree on no file of nodes."""
        raise ValueError("mainline has no such file; name nodes as host:port")

    def lookup_query(self, own_id: bytes, key: bytes, transaction: bytes) -> bytes:
        """Return a read-only get_peers (BEP 43)."""
        return messages.get_peers(own_id, key, transaction)

    def version_name(self, version: int) -> str:
        """Name a client (`clients.version_name`)."""
        return clients.version_name(version)
