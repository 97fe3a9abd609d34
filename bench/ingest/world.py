"""The fleet that the benchmarks use: monitors attached to nodes that exist in virtual time only.

The same number of monitors gives the same fleet in every process, so the traffic can be addressed before the receiver
is started. Everything lives in 127.150.0.0/15: the monitors in 16 /24s from 127.150.1.0 on, the crawler, the nodes and
the sources of the traffic at addresses of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from montra.datagrams import Datagram, DatagramBatch, ip_number
from montra.endpoint.plan import AddressPlan
from montra.monitors.fleet import Fleet
from montra.overlays import base as overlays
from montra.overlays.base import Overlay
from montra.overlays.mainline import bencode
from zone_store.captures import Attachment
from zone_store.keyspace.zone import Zone

ZONE = Zone.parse("a4/6")
CRAWLER = "127.150.0.1"
SOURCES = tuple(f"127.151.0.{i}" for i in range(1, 9))
SUBNETS = 16
_NODES = ip_number("127.151.128.0")
_NODE_PORT = 6881
_ROUND_TRIP_NS = 30_000_000
_SETTLED_NS = 20_000_000_000


@dataclass(slots=True)
class World:
    """A fleet and what it needs."""

    overlay: Overlay
    plan: AddressPlan
    fleet: Fleet


def build(monitors: int, port: int, ports: int) -> World:
    """Return a fleet without monitors and an address plan with room for so many, on so many ports from `port` on.

    The crawler's port is the one below.
    """
    each = -(-monitors // (SUBNETS * ports))
    plan = AddressPlan(
        f"{CRAWLER}:{port - 1}",
        [f"127.150.{subnet}.1-{each}" for subnet in range(1, SUBNETS + 1)],
        f"{port}-{port + ports - 1}",
    )
    overlay = overlays.load("mainline")
    return World(overlay, plan, Fleet(overlay, ZONE, plan, Random(1)))


def attach(world: World, monitors: int, end_ns: int) -> list[Attachment]:
    """Attach so many monitors to nodes that hand them out, so that at `end_ns` all is quiet; return the attachments."""
    fleet, overlay, plan = world.fleet, world.overlay, world.plan
    rng = Random(2)
    nodes = {_NODES + i: ZONE.random_id(rng) for i in range(monitors)}
    now_ns = end_ns - _SETTLED_NS - monitors * 10_000_000
    for ip, node_id in nodes.items():
        fleet.found(now_ns, node_id, ip, _NODE_PORT)
    while fleet.due(now_ns) < end_ns:
        now_ns = fleet.due(now_ns)
        queries = fleet.tick(now_ns)
        while queries:
            now_ns += _ROUND_TRIP_NS
            replies = [(now_ns, q.local, q.ip, q.port, _reply(overlay, plan, nodes[q.ip], q)) for q in queries]
            batch = DatagramBatch.of(replies)
            queries = fleet.feed(now_ns, batch, overlay.scan(batch)).outgoing
        fleet.take_probes()
    if fleet.states()["visible"] != monitors:
        raise RuntimeError(f"{monitors} monitors wanted, but the fleet is {fleet.states()}")
    fleet.counters.take()
    return fleet.take_changed()


def _reply(overlay: Overlay, plan: AddressPlan, node_id: bytes, query: Datagram) -> bytes:
    """Return a node's reply, which names the monitor that asks."""
    message = overlay.parse(query.payload)
    ip, port = plan.address(query.local)
    contact = message.sender_id + ip.to_bytes(4, "big") + port.to_bytes(2, "big")
    return bencode.encode({b"r": {b"id": node_id, b"nodes": contact}, b"t": message.transaction, b"y": b"r"})
