"""A small world for fleets: an address pool, scripted targets, and virtual time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from montra.datagrams import Datagram, DatagramBatch, ip_number
from montra.monitors.fleet import Fleet, FleetOutput
from montra.monitors.settings import FleetSettings
from montra.overlays.mainline import OVERLAY
from zone_store.captures import Attachment, Captures
from zone_store.keyspace.zone import Zone

START_NS = 1_700_000_000 * 10**9
ROUND_TRIP_NS = 30_000_000


def query(method: bytes, sender: bytes, transaction: bytes = b"aa", arguments: bytes = b"") -> bytes:
    """Return a KRPC query; `arguments` are bencoded pairs that sort behind `id`."""
    return b"d1:ad2:id20:%b%be1:q%d:%b1:t%d:%b1:y1:qe" % (
        sender,
        arguments,
        len(method),
        method,
        len(transaction),
        transaction,
    )


def reply(
    sender: bytes, transaction: bytes, contacts: tuple[tuple[bytes, int, int], ...] = (), version: bytes = b""
) -> bytes:
    """Return a KRPC reply with a `nodes` string, and with `v` if there is a version."""
    nodes = b"".join(i + ip.to_bytes(4, "big") + port.to_bytes(2, "big") for i, ip, port in contacts)
    v = b"1:v%d:%b" % (len(version), version) if version else b""
    head = b"d1:rd2:id20:%b5:nodes%d:%be" % (sender, len(nodes), nodes)
    return head + b"1:t%d:%b%b1:y1:re" % (len(transaction), transaction, v)


class Pool:
    """Locals 1..n, each at an IP of its own, handed out in order."""

    def __init__(self, n: int) -> None:
        self.free = list(range(n, 0, -1))
        self.held: set[int] = set()
        self.asked: list[tuple[bytes, frozenset[int]]] = []

    def acquire(self, target_id: bytes, avoid: frozenset[int] = frozenset()) -> int | None:
        self.asked.append((target_id, avoid))
        local = next((local for local in reversed(self.free) if local not in avoid), None)
        if local is not None:
            self.free.remove(local)
            self.held.add(local)
        return local

    def release(self, local: int) -> None:
        self.held.remove(local)
        self.free.append(local)

    def address(self, local: int) -> tuple[int, int]:
        return ip_number("127.181.0.0") + local, 6881

    def group(self, local: int) -> int:
        return self.address(local)[0] >> 8

    def is_own(self, ip: int, port: int) -> bool:
        return port == 6881 and 0 <= ip - ip_number("127.181.0.0") < 1 << 16

    def are_own(self, ip: NDArray[np.uint32], port: NDArray[np.uint16]) -> NDArray[np.bool_]:
        return np.array([self.is_own(int(i), int(p)) for i, p in zip(ip, port, strict=True)], np.bool_)


@dataclass
class Node:
    """A scripted target: answers queries (if it does), hands the asking monitor out in its replies (if it does).

    wants_replies: it does so only after a reply of the monitor, as jech/dht.
    """

    node_id: bytes
    ip: int
    port: int = 7000
    answers: bool = True
    lists: bool = False
    wants_replies: bool = False
    version: bytes = b""
    queries: list[tuple[int, bytes]] = field(default_factory=list)  # (time, monitor's query)
    replies: list[tuple[int, bytes]] = field(default_factory=list)  # (time, monitor's reply)


class World:
    """A fleet, its targets and a clock. Datagrams to a node are answered one round trip later."""

    def __init__(
        self, pool: int = 100, seed: int = 1, zone: str = "a4/6", replies: str = "paper", **settings: Any
    ) -> None:
        self.now = START_NS
        self.pool = Pool(pool)
        courtesy = OVERLAY.courtesy(OVERLAY.reply_table(replies, {}), b"secret")
        self.fleet = Fleet(OVERLAY, Zone.parse(zone), self.pool, Random(seed), FleetSettings(**settings), courtesy)
        self.nodes: dict[tuple[int, int], Node] = {}
        self.sent: list[tuple[float, Datagram]] = []
        self.captures: list[Captures] = []
        self.attachments: dict[int, Attachment] = {}
        self._arrivals: list[tuple[int, int, tuple[int, int, int, bytes]]] = []
        self._sequence = count()

    def node(self, last: int, **behaviour: Any) -> Node:
        """Add a node of zone a4/6 at 10.0.0.`last` that nobody has found yet."""
        node = Node(b"\xa4" + bytes(17) + bytes((last, 0)), ip_number("10.0.0.0") + last, **behaviour)
        self.nodes[node.ip, node.port] = node
        return node

    def attached(self, last: int, **behaviour: Any) -> Node:
        """Add a node, find it, and let its monitor send the first introduction."""
        node = self.node(last, **behaviour)
        self.found(node)
        self.run(0.1)
        return node

    def found(self, node: Node, version: bytes = b"") -> None:
        self.fleet.found(self.now, node.node_id, node.ip, node.port, version)

    def view(self, node: Node, *, listed: bool) -> None:
        """The crawler got the node's own view, with or without its monitor."""
        attachment = self.attachment(node)
        own = ((attachment.monitor_id, attachment.monitor_ip, attachment.monitor_port),) if listed else ()
        self.fleet.own_view(self.now, node.ip, node.port, own)

    def attachment(self, node: Node) -> Attachment:
        """Return the last attachment at the node's address."""
        self.collect()
        return max(
            (a for a in self.attachments.values() if (a.target_ip, a.target_port) == (node.ip, node.port)),
            key=lambda a: a.number,
        )

    def collect(self) -> None:
        self.attachments.update({a.number: a for a in self.fleet.take_changed()})

    def local(self, node: Node) -> int:
        return self.attachment(node).monitor_ip - ip_number("127.181.0.0")

    def from_node(self, node: Node, data: bytes, local: int | None = None) -> list[Datagram]:
        """Deliver a datagram from a node to its monitor now; returns what is sent at once."""
        return self.deliver(self.local(node) if local is None else local, node.ip, node.port, data).outgoing

    def deliver(self, local: int, ip: int, port: int, data: bytes) -> FleetOutput:
        batch = DatagramBatch.of([(self.now, local, ip, port, data)])
        output = self.fleet.feed(self.now, batch, OVERLAY.scan(batch))
        self.captures.append(output.captures)
        self._send(output.outgoing)
        return output

    def run(self, seconds: float) -> None:
        """Let time pass, waking the fleet exactly when it is due."""
        end = self.now + round(seconds * 1e9)
        while True:
            arrival = self._arrivals[0][0] if self._arrivals else end + 1
            at = min(arrival, self.fleet.due(self.now))
            if at > end:
                break
            self.now = at
            if at == arrival:
                self.deliver(*heapq.heappop(self._arrivals)[2])
            else:
                self._send(self.fleet.tick(self.now))
        self.now = end

    def times(self, node: Node) -> list[float]:
        """Return when queries reached the node, in seconds since the first."""
        return [round((at - node.queries[0][0]) / 1e9, 3) for at, _ in node.queries]

    def count(self, name: str) -> int:
        return self.fleet.counters.counts.get(name, 0)

    def _send(self, outgoing: list[Datagram]) -> None:
        for datagram in outgoing:
            self.sent.append(((self.now - START_NS) / 1e9, datagram))
            node = self.nodes.get((datagram.ip, datagram.port))
            message = OVERLAY.parse(datagram.payload)
            if node is None:
                continue
            if message.type != "query":
                node.replies.append((self.now, datagram.payload))
                continue
            node.queries.append((self.now, datagram.payload))
            if node.answers:
                lists = node.lists and (not node.wants_replies or bool(node.replies))
                own = ((message.sender_id, *self.pool.address(datagram.local)),) if lists else ()
                answer = reply(node.node_id, message.transaction, own, node.version)
                arrival = (datagram.local, node.ip, node.port, answer)
                heapq.heappush(self._arrivals, (self.now + ROUND_TRIP_NS, next(self._sequence), arrival))


@pytest.fixture
def world() -> World:
    """A world with the default settings."""
    return World()


@pytest.fixture
def make_world() -> Callable[..., World]:
    """Build a world: keywords pool, seed, zone, replies, and those of FleetSettings."""
    return World


@pytest.fixture
def krpc() -> Krpc:
    """Builders of KRPC messages."""
    return Krpc()


class Krpc:
    """The builders above, for tests (which cannot import a conftest)."""

    query = staticmethod(query)
    reply = staticmethod(reply)
