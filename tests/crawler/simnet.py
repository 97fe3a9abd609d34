"""A Kademlia network in memory, in virtual time: what the crawler's tests crawl.

Speaks a wire format of its own (`SimOverlay`), as short as the crawler's protocol allows, or any other overlay that can
also play the node's part (`SimWire`). Nodes have tables of k-buckets and answer with the k nearest of their contacts,
as BEP 5 nodes do; delay and loss are drawn from a seed.
"""

from __future__ import annotations

import heapq
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

from crawler.crawl import NEVER_NS
from crawler.events import CrawlDone, Event
from crawler.overlay import CrawlOverlay
from crawler.settings import CrawlSettings
from crawler.zone_crawler import ZoneCrawler
from zone_store.keyspace.zone import Zone

ID_BYTES = 20
K = 8
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
OWN_ID = b"\x5c" * ID_BYTES
VERSION = b"SIM1"
ZONE = Zone.parse("a4/6")
MONITOR = (0x7B000001, 20000)


class SimContact(NamedTuple):
    node_id: bytes
    ip: int
    port: int


@dataclass(slots=True)
class SimMessage:
    type: str
    transaction: bytes = b""
    sender_id: bytes = b""
    contacts: tuple[SimContact, ...] = ()
    version: bytes = b""
    reason: str = ""
    contact_versions: tuple[bytes, ...] = ()
    verified: bool = True


class SimWire(CrawlOverlay, Protocol):
    """An overlay that can also read the crawler's query, (transaction, target, recipient), and write the node's reply.

    recipient: the ID that the query is meant for, b"" for anybody's.
    """

    def query_of(self, payload: bytes) -> tuple[bytes, bytes, bytes]: ...

    def reply(self, transaction: bytes, sender_id: bytes, contacts: Iterable[SimContact]) -> bytes: ...


class SimOverlay:
    """type byte, transaction 4, ID 20; then the target of a query, or version 4 and contacts of 26 of a reply."""

    id_bytes = ID_BYTES
    addressed = False

    def crawl_query(self, own_id: bytes, target: bytes, transaction: bytes, node_id: bytes = b"") -> bytes:
        return b"q" + transaction + own_id + target

    def crawl_echo(self, transaction: bytes, target: bytes, node_id: bytes) -> bytes:
        return transaction

    def parse(self, data: bytes) -> SimMessage:
        kind, transaction, sender_id = data[:1], data[1:5], data[5:25]
        if kind == b"e":
            return SimMessage("error", transaction)
        if len(data) < 29 or kind not in (b"q", b"r"):
            return SimMessage("malformed", reason="garbage")
        if kind == b"q":
            return SimMessage("query", transaction, sender_id)
        body = data[29:]
        contacts = tuple(
            SimContact(body[i : i + 20], int.from_bytes(body[i + 20 : i + 24]), int.from_bytes(body[i + 24 : i + 26]))
            for i in range(0, len(body) - 25, 26)
        )
        return SimMessage("reply", transaction, sender_id, contacts, data[25:29])

    def query_of(self, payload: bytes) -> tuple[bytes, bytes, bytes]:
        return payload[1:5], payload[25:45], b""

    def reply(self, transaction: bytes, sender_id: bytes, contacts: Iterable[SimContact]) -> bytes:
        packed = b"".join(c.node_id + c.ip.to_bytes(4) + c.port.to_bytes(2) for c in contacts)
        return b"r" + transaction + sender_id + VERSION + packed


WIRE = SimOverlay()


def reply(transaction: bytes, sender_id: bytes, contacts: Iterable[SimContact] = ()) -> bytes:
    return WIRE.reply(transaction, sender_id, contacts)


@dataclass(slots=True, eq=False)
class SimNode:
    """A node; `natted` ones are in tables but never answer; `answer` replaces the honest behaviour."""

    node_id: bytes
    ip: int
    port: int
    natted: bool = False
    alive: bool = True
    table: list[SimContact] = field(default_factory=list)
    answer: Callable[[SimNode, bytes, bytes], list[bytes]] | None = None

    @property
    def contact(self) -> SimContact:
        return SimContact(self.node_id, self.ip, self.port)

    def nearest(self, target: bytes, count: int = K) -> list[SimContact]:
        wanted = int.from_bytes(target)
        return heapq.nsmallest(count, self.table, key=lambda c: int.from_bytes(c.node_id) ^ wanted)

    def replies(self, wire: SimWire, payload: bytes) -> list[bytes]:
        transaction, target, recipient = wire.query_of(payload)
        if recipient not in (b"", self.node_id):
            return []
        if self.answer is not None:
            return self.answer(self, transaction, target)
        return [wire.reply(transaction, self.node_id, self.nearest(target))]


class SimNet:
    """Nodes by address, and the packets between them and the crawler."""

    def __init__(
        self, seed: int, loss: float = 0.0, delay_s: tuple[float, float] = (0.02, 0.2), wire: SimWire = WIRE
    ) -> None:
        self.rng = random.Random(seed)
        self.loss = loss
        self.delay_s = delay_s
        self.wire = wire
        self.nodes: dict[tuple[int, int], SimNode] = {}
        self.sent: Counter[tuple[int, int]] = Counter()
        self.last_sent: dict[tuple[int, int], int] = {}
        self.closest_spacing = NEVER_NS
        self.ticks = 0
        self._flying: list[tuple[int, int, bool, tuple[int, int], bytes]] = []
        self._sequence = 0

    def add(self, node_id: bytes, natted: bool = False) -> SimNode:
        """Add a node at an address, and in a /24, of its own."""
        number = len(self.nodes) + 1
        node = SimNode(node_id, 0x14000001 + (number << 8), 6881, natted)
        self.nodes[node.ip, node.port] = node
        return node

    def fill_tables(self, nodes: Iterable[SimNode] | None = None, k: int = K) -> None:
        """Give nodes (all, by default) full tables: in each bucket k of the nodes that belong there, at random."""
        everybody = sorted(self.nodes.values(), key=lambda n: n.node_id)
        ids = [int.from_bytes(n.node_id) for n in everybody]
        for node in nodes if nodes is not None else everybody:
            own = int.from_bytes(node.node_id)
            node.table = []
            for bit in range(8 * self.wire.id_bytes):
                tail = 8 * self.wire.id_bytes - bit - 1
                first = (own >> tail ^ 1) << tail
                low, high = bisect_left(ids, first), bisect_left(ids, first + (1 << tail))
                chosen = self.rng.sample(range(low, high), min(k, high - low))
                node.table.extend(everybody[i].contact for i in chosen)
                alone = bisect_left(ids, (own >> tail) << tail), bisect_left(ids, ((own >> tail) + 1) << tail)
                if alone[1] - alone[0] <= 1:
                    break

    def populate(self, zone: Zone, inside: int, outside: int = 0, natted: int = 0, k: int = K) -> None:
        """Add nodes in the zone, nodes anywhere, and NATed nodes in the zone, and fill all tables."""
        for _ in range(inside):
            self.add(zone.random_id(self.rng))
        for _ in range(natted):
            self.add(zone.random_id(self.rng), natted=True)
        for _ in range(outside):
            self.add(self.rng.randbytes(self.wire.id_bytes))
        self.fill_tables(k=k)

    def reachable(self, zone: Zone) -> list[SimNode]:
        """Return the nodes of the zone that a crawler can find."""
        return [n for n in self.nodes.values() if n.alive and not n.natted and zone.contains(n.node_id)]

    def announce(self, node: SimNode, count: int = 2 * K) -> None:
        """Let a newcomer into the tables of its nearest neighbours."""
        wanted = int.from_bytes(node.node_id)
        for other in heapq.nsmallest(count + 1, self.nodes.values(), key=lambda n: int.from_bytes(n.node_id) ^ wanted):
            if other is not node:
                other.table.append(node.contact)

    def run(
        self,
        crawler: ZoneCrawler,
        now: int,
        until: int = NEVER_NS,
        crawls: int | None = None,
        at: Iterable[tuple[int, Callable[[], None]]] = (),
    ) -> tuple[int, list[Event]]:
        """Drive the crawler until a time, or until so many crawls ended; return the time and the events.

        at: (time, action) pairs. Fails if `due` keeps naming a time at which nothing happens (a busy loop).
        """
        events: list[Event] = []
        actions = sorted(at, key=lambda pair: pair[0])
        ended = idle = 0
        while crawls is None or ended < crawls:
            wake = crawler.due(now)
            assert wake >= now
            flight = self._flying[0][0] if self._flying else NEVER_NS
            action = actions[0][0] if actions else NEVER_NS
            then = min(wake, flight, action)
            if then > until:
                return until, events
            now = then
            if action == now:
                actions.pop(0)[1]()
                continue
            arrived = self._arrivals(now)
            if not arrived and wake > now:
                continue  # a query reached a node
            out, fresh = crawler.feed(now, arrived) if arrived else crawler.tick(now)
            self.ticks += not arrived
            idle = 0 if out or fresh or crawler.due(now) > now else idle + 1
            assert idle < 2, "due names a time at which there is nothing to do"
            for ip, port, payload in out:
                self._send(now, (ip, port), payload)
            events.extend(fresh)
            ended += sum(isinstance(e, CrawlDone) for e in fresh)
        return now, events

    def inject(self, at_ns: int, address: tuple[int, int], payload: bytes) -> None:
        """Put a datagram to the crawler on the way."""
        self._fly(at_ns, True, address, payload)

    def _arrivals(self, now: int) -> list[tuple[int, int, bytes]]:
        arrived = []
        while self._flying and self._flying[0][0] <= now:
            _, _, inwards, address, payload = heapq.heappop(self._flying)
            if inwards:
                arrived.append((*address, payload))
                continue
            node = self.nodes.get(address)
            if node is None or not node.alive or node.natted:
                continue
            for answer in node.replies(self.wire, payload):
                if self.rng.random() >= self.loss:
                    self._fly(now + self._delay(), True, address, answer)
        return arrived

    def _send(self, now: int, address: tuple[int, int], payload: bytes) -> None:
        if address in self.last_sent:
            self.closest_spacing = min(self.closest_spacing, now - self.last_sent[address])
        self.last_sent[address] = now
        self.sent[address] += 1
        if self.rng.random() >= self.loss:
            self._fly(now + self._delay(), False, address, payload)

    def _delay(self) -> int:
        return round(self.rng.uniform(*self.delay_s) * SECOND / 2)

    def _fly(self, at_ns: int, inwards: bool, address: tuple[int, int], payload: bytes) -> None:
        self._sequence += 1
        heapq.heappush(self._flying, (at_ns, self._sequence, inwards, address, payload))


def crawler_of(
    net: SimNet, zone: Zone = ZONE, settings: CrawlSettings | None = None, seed: int = 1, bootstrap: int = 3
) -> ZoneCrawler:
    """Make a started crawler that knows a few nodes outside the zone (inside, if there are no others)."""
    known = sorted(net.nodes.values(), key=lambda n: zone.contains(n.node_id))[:bootstrap]
    crawler = ZoneCrawler(
        WIRE,
        zone,
        OWN_ID,
        [(n.ip, n.port) for n in known],
        random.Random(seed),
        settings,
        lambda ip, port: (ip, port) == MONITOR,
    )
    crawler.start(START)
    return crawler


E = TypeVar("E", bound=Event)


def of(kind: type[E], events: list[Event]) -> list[E]:
    """Return the events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def network(seed: int, inside: int, outside: int = 0, natted: int = 0, loss: float = 0.0) -> SimNet:
    """Make a network with so many nodes in ZONE, and more anywhere."""
    net = SimNet(seed, loss)
    net.populate(ZONE, inside, outside, natted)
    return net
