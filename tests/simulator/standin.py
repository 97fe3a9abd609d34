"""A network of a few nodes that know one another, in virtual time: what `drive` is tested on, quick and without chance.

Nodes hand out the eight nearest of all nodes and of those who queried them twice, as libtorrent does with a full table.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field

from montra.overlays.mainline import OVERLAY
from zone_store.keyspace.zone import Zone

SECOND = 1_000_000_000
DELAY_NS = 20_000_000
NEVER_NS = (1 << 63) - 1

Address = tuple[int, int]


@dataclass
class Node:
    node_id: bytes
    address: Address
    heard: dict[tuple[bytes, Address], int] = field(default_factory=dict)


def contact(node_id: bytes, address: Address) -> bytes:
    return node_id + address[0].to_bytes(4, "big") + address[1].to_bytes(2, "big")


def nearest(key: bytes, peers: set[tuple[bytes, Address]]) -> list[tuple[bytes, Address]]:
    number = int.from_bytes(key, "big")
    return sorted(peers, key=lambda peer: int.from_bytes(peer[0], "big") ^ number)[:8]


class StandIn:
    """`nodes` nodes with IDs in the zone, at 203.0.0.9 and the /24s after it."""

    def __init__(self, zone: Zone, nodes: int, begin_ns: int, seed: int = 1) -> None:
        rng = random.Random(seed)
        self.nodes = [Node(zone.random_id(rng), (0xCB000009 + (i << 8), 6881)) for i in range(nodes)]
        self.at = {node.address: node for node in self.nodes}
        self.now_ns = begin_ns
        self.sent = self.lost = self.arrived = 0
        self._events: list[tuple[int, int, tuple[int, int, int, int, bytes]]] = []
        self._order = 0
        self._planned: list[tuple[int, Address, bytes, bytes]] = []

    def send(self, now_ns: int, source: Address, ip: int, port: int, payload: bytes) -> None:
        assert now_ns >= self.now_ns
        self.sent += 1
        node = self.at.get((ip, port))
        if node is None:
            self.lost += 1
            return
        query = OVERLAY.parse(payload)
        if query.type == "query":
            self.arrive(now_ns + 2 * DELAY_NS, source, node.address, self._reply(node, query, source))

    def arrive(self, at_ns: int, ours: Address, source: Address, payload: bytes) -> None:
        self._order += 1
        heapq.heappush(self._events, (at_ns, self._order, (*ours, *source, payload)))

    def next_ns(self) -> int:
        return min(self._events[0][0] if self._events else NEVER_NS, self._planned[0][0] if self._planned else NEVER_NS)

    def advance(self, until_ns: int) -> list[tuple[int, int, int, int, int, bytes]]:
        self.now_ns = until_ns
        while self._planned and self._planned[0][0] <= until_ns:
            self._look_up(*self._planned.pop(0))
        rows = []
        while self._events and self._events[0][0] <= until_ns:
            at_ns, _, row = heapq.heappop(self._events)
            rows.append((at_ns, *row))
        self.arrived += len(rows)
        return rows

    def plan_look_up(self, at_ns: int, source: Address, requester_id: bytes, key: bytes) -> None:
        """At this time a user asks the eight monitors nearest to a key that the nodes then hand out."""
        self._planned.append((at_ns, source, requester_id, key))

    def _look_up(self, at_ns: int, source: Address, requester_id: bytes, key: bytes) -> None:
        monitors = {peer for node in self.nodes for peer, n in node.heard.items() if n >= 2}
        for _node_id, address in nearest(key, monitors):
            query = b"d1:ad2:id20:" + requester_id + b"9:info_hash20:" + key
            self.arrive(at_ns, address, source, query + b"e1:q9:get_peers1:t2:aa1:v4:LT\x02\x01" + b"1:y1:qe")

    def _reply(self, node: Node, query, source: Address) -> bytes:  # type: ignore[no-untyped-def]
        if not query.flags & 1:  # BEP 43: read-only nodes stay out of the table
            peer = (query.sender_id, source)
            node.heard[peer] = node.heard.get(peer, 0) + 1
        body = b"2:id20:" + node.node_id
        if query.key:
            known = {(other.node_id, other.address) for other in self.nodes if other is not node}
            known |= {peer for peer, n in node.heard.items() if n >= 2}
            nodes = b"".join(contact(*peer) for peer in nearest(query.key, known))
            body += b"5:nodes%d:" % len(nodes) + nodes
        return b"d1:rd" + body + b"e1:t%d:" % len(query.transaction) + query.transaction + b"1:y1:re"
