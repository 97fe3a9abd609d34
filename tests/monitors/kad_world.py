"""A fleet on Kad and its targets, which follow aMule's rules; packets go through the real wire on both sides."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import numpy as np

from montra.datagrams import Datagram, DatagramBatch, ip_number
from montra.endpoint.plan import AddressPlan
from montra.monitors.fleet import Fleet, FleetOutput
from montra.monitors.settings import settings_of
from montra.overlays.base import Message, Peer
from montra.overlays.kad import OVERLAY, messages
from montra.overlays.kad.messages import Hello
from montra.overlays.kad.opcodes import Misc, Op
from montra.overlays.kad.parse import parse
from montra.overlays.kad.wire import KadWire, envelope
from zone_store.captures import Attachment, Captures
from zone_store.keyspace.zone import Zone

START_NS = 1_700_000_000 * 10**9
ROUND_TRIP_NS = 40_000_000
MINUTE_NS, HOUR_NS = 60 * 10**9, 3600 * 10**9
HELLOS_A_MINUTE = 3


@dataclass
class Entry:
    """A contact of a node's table."""

    ip: int
    port: int
    created_ns: int
    expires_ns: int
    key: int = 0
    type: int = 3
    verified: bool = False


@dataclass
class KadNode:
    """A target with the contact rules of aMule 2.3.3 (`Contact.cpp`, `RoutingZone.cpp`, `PacketTracking.cpp`).

    A contact is handed out if its type is 2 or less and it is verified; the second hello sets the type, a packet with
    the node's own key for its address verifies. One contact for each IP. Of HELLO_REQ three are let in at once, and one
    in 20 s. A contact that expired is asked, and removed if it stays silent for two minutes.
    """

    node_id: bytes
    ip: int
    port: int = 4672
    version: int = 8
    misc: int = 0
    answers: bool = True
    table: dict[bytes, Entry] = field(default_factory=dict)
    hellos: list[int] = field(default_factory=list)
    dropped: int = 0
    acks: int = 0
    heard: list[Message] = field(default_factory=list)
    _owed_ns: int = 0

    def __post_init__(self) -> None:
        self.wire = KadWire(self.node_id[:4], Random(self.port))

    def hear(self, now_ns: int, ip: int, port: int, data: bytes) -> list[bytes]:
        """Take a datagram in and return what is answered."""
        batch = DatagramBatch.of([(now_ns, 0, ip, port, data)])
        message = parse(self.wire.open(batch, np.frombuffer(self.node_id, np.uint8)[None]).payload(0))
        self.heard.append(message)
        if message.type == "malformed" or not self.answers:
            return []
        if message.method == "hello":
            return self._hello(now_ns, ip, port, message)
        if message.method == "hello_ack":
            self.acks += 1
            if message.verified and message.sender_id in self.table:
                self.table[message.sender_id].verified = True
        elif message.type == "reply" and message.transaction == b"hello":
            self._update(now_ns, ip, port, message)
        return []

    def ask(self, now_ns: int) -> list[tuple[int, int, bytes]]:
        """Ask expired contacts and remove silent ones: (ip, port, datagram) to send."""
        asked = []
        for node_id, entry in list(self.table.items()):
            if entry.expires_ns > now_ns:
                continue
            if entry.type == 4:
                del self.table[node_id]
                continue
            entry.type, entry.expires_ns = min(entry.type + 1, 4), now_ns + 2 * MINUTE_NS
            hello = self.says(entry.ip, entry.port, Peer(node_id, entry.key), self._own(Op.HELLO_REQ))
            asked.append((entry.ip, entry.port, hello))
        return asked

    def says(self, ip: int, port: int, peer: Peer, packet: bytes) -> bytes:
        """Return a packet of this node as it goes out to an address."""
        return self.wire.seal([Datagram(0, ip, port, envelope(packet, node_id=peer.node_id, key=peer.key))])[0].payload

    def hands_out(self, node_id: bytes) -> bool:
        """Tell whether a RES of this node would name a contact."""
        entry = self.table.get(node_id)
        return entry is not None and entry.type <= 2 and entry.verified

    def _own(self, op: Op, misc: int = 0) -> bytes:
        return messages.hello(op, Hello(self.node_id, 4662, self.version, self.misc | misc))

    def _hello(self, now_ns: int, ip: int, port: int, message: Message) -> list[bytes]:
        self._owed_ns = max(self._owed_ns, now_ns) + MINUTE_NS // HELLOS_A_MINUTE
        if self._owed_ns > now_ns + MINUTE_NS:
            self.dropped += 1
            return []
        self.hellos.append(now_ns)
        known = self._update(now_ns, ip, port, message)
        misc = Misc.ACK_WANTED if known and not message.verified else 0
        return [self.says(ip, port, Peer(message.sender_id, message.peer_key), self._own(Op.HELLO_RES, misc))]

    def _update(self, now_ns: int, ip: int, port: int, message: Message) -> bool:
        entry = self.table.get(message.sender_id)
        if entry is None:
            if any(other.ip == ip for other in self.table.values()):
                return False
            entry = Entry(ip, port, now_ns, now_ns, message.peer_key, verified=message.verified)
            self.table[message.sender_id] = entry
            entry.expires_ns = now_ns + 2 * MINUTE_NS  # a new contact is asked soon
            return True
        if entry.key and entry.key != message.peer_key:
            return False
        entry.ip, entry.port, entry.key = ip, port, message.peer_key
        entry.verified |= message.verified
        age = now_ns - entry.created_ns
        entry.type, life = (2, 1.0) if age < HOUR_NS else (1, 1.5) if age < 2 * HOUR_NS else (0, 2.0)
        entry.expires_ns = now_ns + round(life * HOUR_NS)
        return True


class KadWorld:
    """A fleet, its targets, and a clock. The crawler answers each wish for a view with what the target hands out.

    lost: numbers of datagrams, counted from 0 in the order they are sent by anybody, that do not arrive.
    """

    def __init__(self, ports: str = "5672", monitors: str = "198.18.0.0/24", **settings: Any) -> None:
        self.now = START_NS
        self.plan = AddressPlan("192.0.2.1:5000", [monitors], ports, OVERLAY.monitors_per_ip)
        self.fleet = Fleet(OVERLAY, Zone.parse("a4/6", 128), self.plan, Random(1), settings_of(OVERLAY, **settings))
        self.wire = OVERLAY.wire(b"secret of the run", Random(2))
        assert self.wire is not None
        self.nodes: dict[tuple[int, int], KadNode] = {}
        self.attachments: dict[int, Attachment] = {}
        self.captures: list[Captures] = []
        self.lost: set[int] = set()
        self._sent = count()
        self._order = count()
        self._events: list[tuple[int, int, tuple[Any, ...]]] = []

    def node(self, last: int, **behaviour: Any) -> KadNode:
        """Add a node of zone a4/6 at 100.64.`last`.1, found by the crawl now."""
        node = KadNode(b"\xa4" + bytes(13) + bytes((last, 0)), ip_number(f"100.64.{last}.1"), **behaviour)
        self.nodes[node.ip, node.port] = node
        self.fleet.found(self.now, node.node_id, node.ip, node.port)
        self._at(self.now + MINUTE_NS, "ask", node)
        return node

    def attachment(self, node: KadNode) -> Attachment:
        """Return the last attachment of a node."""
        self.attachments.update({a.number: a for a in self.fleet.take_changed()})
        return max((a for a in self.attachments.values() if a.target_ip == node.ip), key=lambda a: a.number)

    def feed(self, local: int, ip: int, port: int, data: bytes) -> FleetOutput:
        """Deliver a datagram as it is on the wire to a local address; what is said in return goes out."""
        assert self.wire is not None
        batch = DatagramBatch.of([(self.now, local, ip, port, data)])
        batch = self.wire.open(batch, self.fleet.ids_at(batch.local))
        output = self.fleet.feed(self.now, batch, OVERLAY.scan(batch))
        self.captures.append(output.captures)
        self._send(output.outgoing)
        return output

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + round(seconds * 1e9)
        while True:
            at = min(self._events[0][0] if self._events else end + 1, self.fleet.due(self.now))
            if at > end:
                break
            self.now = at
            if self._events and self._events[0][0] == at:
                self._happen(*heapq.heappop(self._events)[2])
            else:
                self._send(self.fleet.tick(at))
                for ip, port, node_id in self.fleet.take_probes():
                    self._at(at + 2 * ROUND_TRIP_NS, "view", ip, port, node_id)
        self.now = end

    def count(self, name: str) -> int:
        """Return a counter of the fleet."""
        return self.fleet.counters.counts.get(name, 0)

    def _happen(self, what: str, *args: Any) -> None:
        if what == "arrive":
            self.feed(*args)
        elif what == "view":
            ip, port, node_id = args
            node = self.nodes[ip, port]
            if node.answers:
                own = [(i, e.ip, e.port) for i, e in node.table.items() if node.hands_out(i)]
                self.fleet.own_view(self.now, ip, port, tuple(own), node_id)
        elif what == "ask":
            (node,) = args
            for ip, port, data in node.ask(self.now):
                self._to_fleet(node, ip, port, data)
            self._at(self.now + MINUTE_NS, "ask", node)

    def _send(self, outgoing: list[Datagram]) -> None:
        assert self.wire is not None
        for datagram in self.wire.seal(outgoing):
            node = self.nodes.get((datagram.ip, datagram.port))
            if node is None or next(self._sent) in self.lost:
                continue
            for answer in node.hear(self.now, *self.plan.address(datagram.local), datagram.payload):
                self._to_fleet(node, *self.plan.address(datagram.local), answer)

    def _to_fleet(self, node: KadNode, ip: int, port: int, data: bytes) -> None:
        local = int(self.plan.locals_of(np.array([ip], np.uint32), np.array([port], np.uint16))[0])
        if local > 0 and next(self._sent) not in self.lost:
            self._at(self.now + ROUND_TRIP_NS, "arrive", local, node.ip, node.port, data)

    def _at(self, time_ns: int, *what: Any) -> None:
        heapq.heappush(self._events, (time_ns, next(self._order), what))
