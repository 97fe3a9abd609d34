"""The fleet that the benchmarks use: monitors attached to nodes that exist in virtual time only.

The same number of monitors gives the same fleet in every process, so the traffic can be addressed before the receiver
is started. Everything lives in 127.150.0.0/15: the monitors in 16 /24s from 127.150.1.0 on, the crawler at an address
of its own, the nodes from 127.150.32.0 on at one port, and the requesters (blast.c) at some of the nodes' addresses,
but never at their port.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from bench.common.compiler import BenchError
from montra.datagrams import Datagram, DatagramBatch, ip_number
from montra.endpoint.plan import AddressPlan
from montra.monitors.fleet import Fleet
from montra.monitors.settings import FleetSettings
from montra.overlays import base as overlays
from montra.overlays.base import Overlay
from montra.overlays.mainline import bencode
from zone_store.captures import Attachment
from zone_store.keyspace.zone import Zone

ZONE = Zone.parse("a4/6")
CRAWLER = "127.150.0.1"
SUBNETS = 16
#: The first node's address; 120,000 have room.
NODES = ip_number("127.150.32.0")
MOST_MONITORS = 120_000
_HOSTS = 254
_ROUND_TRIP_NS = 30_000_000
_SETTLED_NS = 20_000_000_000
_ATTACH_S = 280.0


@dataclass(slots=True)
class World:
    """A fleet and what it needs. node_port: of all nodes."""

    overlay: Overlay
    plan: AddressPlan
    fleet: Fleet
    node_port: int


def build(monitors: int, port: int, ports: int, replies: str = "paper") -> World:
    """Return a fleet without monitors and an address plan with room for so many, on so many ports from `port` on.

    replies: what strangers get, a mode of [replies]; the receivers are compared in silence. The crawler's port is the
    one below, the nodes' the one behind. Raises BenchError if that many have no room.
    """
    each = -(-monitors // (SUBNETS * ports))
    if each > _HOSTS or monitors > MOST_MONITORS:
        raise BenchError(
            f"{monitors} monitors on {ports} ports: at most {min(MOST_MONITORS, SUBNETS * _HOSTS * ports)} have room"
        )
    plan = AddressPlan(
        f"{CRAWLER}:{port - 1}",
        [f"127.150.{subnet}.1-{each}" for subnet in range(1, SUBNETS + 1)],
        f"{port}-{port + ports - 1}",
    )
    overlay = overlays.load("mainline")
    settings = FleetSettings(
        max_monitors=monitors,
        # slowly enough that keep-alives come evenly later, and that none is due before all are attached
        attach_rate=max(250.0, monitors / _ATTACH_S),
        # the crawler rests here, nobody is asked for a view
        max_probes_per_s=1e6,
        view_every_s=1e9,
    )
    courtesy = overlay.courtesy(overlay.reply_table(replies, {}), b"benchmark")
    return World(overlay, plan, Fleet(overlay, ZONE, plan, Random(1), settings, courtesy), port + ports)


def node_ids(monitors: int) -> dict[int, bytes]:
    """Return the nodes that so many monitors are attached to: address -> ID."""
    rng = Random(2)
    return {NODES + i: ZONE.random_id(rng) for i in range(monitors)}


def attach(world: World, monitors: int, end_ns: int) -> list[Attachment]:
    """Attach so many monitors to nodes that hand them out, so that at `end_ns` all is quiet; return the attachments."""
    fleet, overlay, plan = world.fleet, world.overlay, world.plan
    nodes = node_ids(monitors)
    now_ns = end_ns - _SETTLED_NS - int(1e9 * min(monitors / 250, _ATTACH_S))
    for ip, node_id in nodes.items():
        fleet.found(now_ns, node_id, ip, world.node_port)
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
