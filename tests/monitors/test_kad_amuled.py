"""The fleet before real nodes: aMule hands a monitor out after two hellos and a confirmation, and not without."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from random import Random

import pytest

from montra.datagrams import Datagram, DatagramBatch, ip_number
from montra.endpoint.plan import CRAWLER, AddressPlan
from montra.lab.clients.namespace import Namespace
from montra.lab.kad.population import KadNode
from montra.monitors.fleet import Fleet
from montra.monitors.settings import settings_of
from montra.overlays.base import Message, Overlay, Peer
from montra.overlays.kad import OVERLAY
from montra.overlays.kad.overlay import Kad
from tests.overlays.kad.daemons import connected, nodes_of
from zone_store.captures import Attachment
from zone_store.keyspace.zone import Zone

pytestmark = [pytest.mark.clients, pytest.mark.netns, pytest.mark.slow]

NODES = nodes_of(4, 2000)


class Unconfirmed(Kad):
    """Owes the target its confirmation, and shows no key in the second hello."""

    def greeting(self, monitor_id: bytes, target: Peer, reply: Message) -> bytes | None:
        return None

    def introduction(self, monitor_id: bytes, target: Peer, transaction: bytes) -> bytes:
        return super().introduction(monitor_id, target._replace(key=0), transaction)


class Unrepeated(Kad):
    """Says hello only once; further ones go out as pings."""

    def introduction(self, monitor_id: bytes, target: Peer, transaction: bytes) -> bytes:
        hello = super().introduction(monitor_id, target, transaction)
        return hello if not target.key else hello[:20] + b"\xe4\x60"


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """A network of four nodes."""
    with connected("montra-fleet", NODES, tmp_path_factory) as made:
        yield made


class Post:
    """A fleet on real sockets, with a crawler beside it that does no more than to fetch the views it wants."""

    def __init__(self, inside: Namespace, stack: ExitStack, overlay: Overlay, network: int) -> None:
        self.plan = AddressPlan(f"100.{network}.255.1:5671", [f"100.{network}.1.1-4"], "5672", overlay.monitors_per_ip)
        self.fleet = Fleet(overlay, Zone.parse("a4/6", 128), self.plan, Random(1), settings_of(overlay))
        self.attachments: dict[int, Attachment] = {}
        self.views = 0
        self._wire = overlay.wire(b"secret", Random(2))
        self._own_id = b"\x11" * 16
        self._sockets: dict[int, socket.socket] = {}
        for local in range(self.plan.pairs + 1):
            ip, port = self.plan.address(local)
            self._sockets[local] = stack.enter_context(inside.socket(socket.AF_INET, socket.SOCK_DGRAM))
            self._sockets[local].bind((socket.inet_ntoa(ip.to_bytes(4, "big")), port))

    def run(self, seconds: float) -> None:
        """Let real time pass."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            readable, _, _ = select.select(list(self._sockets.values()), [], [], 0.02)
            for local, one in self._sockets.items():
                if one in readable:
                    data, (host, port) = one.recvfrom(8192)
                    self._hear(local, ip_number(host), port, data)
            now = time.time_ns()
            if self.fleet.due(now) <= now:
                self._send(self.fleet.tick(now))
                for ip, port, node_id in self.fleet.take_probes():
                    query = OVERLAY.crawl_query(self._own_id, node_id, b"", node_id)
                    self._send([Datagram(CRAWLER, ip, port, query)])
        self.attachments.update({one.number: one for one in self.fleet.take_changed()})

    def _hear(self, local: int, ip: int, port: int, data: bytes) -> None:
        assert self._wire is not None
        now = time.time_ns()
        batch = DatagramBatch.of([(now, local, ip, port, data)])
        ids = self.fleet.ids_at(batch.local)
        if local == CRAWLER:
            ids[:] = list(self._own_id)
        batch = self._wire.open(batch, ids)
        if local != CRAWLER:
            self._send(self.fleet.feed(now, batch, OVERLAY.scan(batch)).outgoing)
            return
        reply = OVERLAY.parse(batch.payload(0))
        if reply.type == "reply":
            self.views += 1
            own = tuple(contact for contact in reply.contacts if self.plan.is_own(contact[1], contact[2]))
            self.fleet.own_view(now, ip, port, own, reply.transaction)

    def _send(self, outgoing: list[Datagram]) -> None:
        assert self._wire is not None
        for one in self._wire.seal(outgoing):
            host = socket.inet_ntoa(one.ip.to_bytes(4, "big"))
            self._sockets[one.local].sendto(one.payload, (host, one.port))


def attach(inside: Namespace, overlay: Overlay, network: int, nodes: tuple[KadNode, ...], seconds: float) -> Post:
    with ExitStack() as stack:
        post = Post(inside, stack, overlay, network)
        for node in nodes:
            post.fleet.found(time.time_ns(), node.node_id, ip_number(node.ip), node.udp_port)
        end = time.monotonic() + seconds
        while time.monotonic() < end and post.fleet.states()["visible"] < len(nodes):
            post.run(0.5)
        return post


def test_two_hellos_and_a_confirmation_make_monitors_visible(inside: Namespace) -> None:
    post = attach(inside, OVERLAY, 96, NODES[:2], 40)
    counts = post.fleet.counters.counts
    assert post.fleet.states()["visible"] == 2
    assert counts["introductions"] - 2 * counts.get("not_visible", 0) == 2 * 2  # a busy machine may need another pair
    assert counts["greetings"] >= 2
    for one in post.attachments.values():
        assert one.version == 8 << 24
        assert one.visible


@pytest.mark.parametrize(("overlay", "network", "node"), [(Unconfirmed(), 97, 2), (Unrepeated(), 98, 3)])
def test_without_one_of_them_they_stay_hidden(inside: Namespace, overlay: Kad, network: int, node: int) -> None:
    post = attach(inside, overlay, network, NODES[node : node + 1], 7)
    assert post.views > 0
    assert post.fleet.states()["hidden"] == 1
    assert post.fleet.counters.counts["not_visible"] >= 1
