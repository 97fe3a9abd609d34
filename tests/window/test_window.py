"""The window as one machine, in virtual time, over nodes that treat a monitor as libtorrent does."""

import random
from dataclasses import dataclass, field

import pytest

from crawler.settings import CrawlSettings
from crawler.zone_crawler import ZoneCrawler
from montra.datagrams import Datagram, DatagramBatch, ip_number
from montra.endpoint.plan import AddressPlan
from montra.monitors.fleet import Fleet
from montra.monitors.settings import FleetSettings
from montra.overlays.base import Message
from montra.overlays.mainline import OVERLAY
from montra.window.window import Window
from zone_store.captures import Attachment, Captures, CrawlRow, Kind, Loss
from zone_store.contents import Content
from zone_store.keyspace.ids import xor_distance
from zone_store.keyspace.zone import Zone
from zone_store.losses import is_loss

SECOND = 1_000_000_000
ZONE = Zone.parse("a4/6")
PLAN = [f"198.51.{100 + i}.1-4" for i in range(16)]


@dataclass
class Recorder:
    """Keeps what a window records."""

    kept: list[Captures] = field(default_factory=list)
    attachments: dict[int, Attachment] = field(default_factory=dict)
    crawls: list[CrawlRow] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)

    def captures(self, captures: Captures) -> None:
        self.kept.append(captures)

    def attachment(self, attachment: Attachment) -> None:
        self.attachments[attachment.number] = attachment

    def crawl(self, row: CrawlRow) -> None:
        self.crawls.append(row)

    def loss(self, loss: Loss) -> None:
        self.losses.append(loss)

    def content(self, content: Content) -> None:
        raise NotImplementedError("Mainline has none")


@dataclass
class Node:
    """Knows the whole network; shows a peer that queried it twice without ro, as libtorrent does."""

    node_id: bytes
    ip: int
    port: int = 6881
    queries: dict[tuple[bytes, int, int], int] = field(default_factory=dict)

    def contacts(self, target: bytes, network: list["Node"]) -> list[tuple[bytes, int, int]]:
        shown = [peer for peer, n in self.queries.items() if n >= 2]
        known = [(n.node_id, n.ip, n.port) for n in network if n is not self] + shown
        return sorted(known, key=lambda c: xor_distance(c[0], target))[:8]


def compact(contacts: list[tuple[bytes, int, int]]) -> bytes:
    return b"".join(i + ip.to_bytes(4, "big") + port.to_bytes(2, "big") for i, ip, port in contacts)


class World:
    """Moves datagrams between a window and its nodes, 1 ms each way."""

    def __init__(self, nodes: int = 24, seed: int = 1) -> None:
        rng = random.Random(seed)
        self.nodes = [Node(ZONE.random_id(rng), ip_number(f"203.0.{i}.9")) for i in range(nodes)]
        self.plan = AddressPlan("192.0.2.1:20880", PLAN, "20881")
        bootstrap = [(self.nodes[0].ip, self.nodes[0].port)]
        crawl = CrawlSettings(pause_s=3.0)
        self.crawler = ZoneCrawler(OVERLAY, ZONE, rng.randbytes(20), bootstrap, rng, crawl, self.plan.is_own)
        self.fleet = Fleet(OVERLAY, ZONE, self.plan, rng, FleetSettings())
        self.recorder = Recorder()
        self.window = Window(OVERLAY, self.crawler, self.fleet, self.recorder, losses=is_loss)
        self.now_ns = 1_700_000_000 * SECOND
        self.sent: list[Datagram] = []
        self._at_nodes: list[tuple[int, Datagram]] = []
        self._at_us: list[tuple[int, int, int, int, bytes]] = []

    def post(self, datagrams: list[Datagram]) -> None:
        self.sent += datagrams
        self._at_nodes += [(self.now_ns + SECOND // 1000, d) for d in datagrams]

    def deliver(self, local: int, ip: int, port: int, payload: bytes) -> None:
        self._at_us.append((self.now_ns + SECOND // 1000, local, ip, port, payload))

    def start(self) -> None:
        self.post(self.window.start(self.now_ns))

    def run(self, seconds: float) -> None:
        end_ns = self.now_ns + int(seconds * SECOND)
        for _ in range(1_000_000):
            due = [at for at, *_ in self._at_nodes] + [row[0] for row in self._at_us]
            self.now_ns = max(self.now_ns, min([end_ns, self.window.due(self.now_ns), *due]))
            if self.now_ns >= end_ns:
                return
            ready = [d for at, d in self._at_nodes if at <= self.now_ns]
            self._at_nodes = [(at, d) for at, d in self._at_nodes if at > self.now_ns]
            for datagram in ready:
                self._answer(datagram)
            rows = [row for row in self._at_us if row[0] <= self.now_ns]
            self._at_us = [row for row in self._at_us if row[0] > self.now_ns]
            if rows:
                self.post(self.window.feed(self.now_ns, DatagramBatch.of(rows)))
            if self.window.due(self.now_ns) <= self.now_ns:
                self.post(self.window.tick(self.now_ns))
        raise AssertionError("the world never ends")

    def _answer(self, datagram: Datagram) -> None:
        for node in self.nodes:
            if (node.ip, node.port) == (datagram.ip, datagram.port):
                query = OVERLAY.parse(datagram.payload)
                if query.type == "query":
                    self.deliver(datagram.local, node.ip, node.port, self._reply(node, query, datagram.local))

    def _reply(self, node: Node, query: Message, local: int) -> bytes:
        if not query.flags & 1:  # BEP 43: read-only nodes stay out of the table
            ip, port = self.plan.address(local)
            peer = (query.sender_id, ip, port)
            node.queries[peer] = node.queries.get(peer, 0) + 1
        nodes = compact(node.contacts(query.key, self.nodes)) if query.key else b""
        body = b"d2:id20:" + node.node_id + (b"5:nodes%d:" % len(nodes) + nodes if query.key else b"") + b"e"
        return b"d1:r" + body + b"1:t%d:" % len(query.transaction) + query.transaction + b"1:y1:re"


@pytest.fixture
def world() -> World:
    world = World()
    world.start()
    world.run(12)
    return world


def get_peers(requester_id: bytes, key: bytes) -> bytes:
    return (
        b"d1:ad2:id20:" + requester_id + b"9:info_hash20:" + key + b"e1:q9:get_peers1:t2:aa1:v4:LT\x02\x01" + b"1:y1:qe"
    )


def test_every_node_of_the_zone_gets_a_monitor_that_it_hands_out(world: World) -> None:
    assert world.fleet.states()["visible"] == len(world.nodes)
    world.window.seal(world.now_ns)
    found = {a.target_id: a for a in world.recorder.attachments.values()}
    assert set(found) == {n.node_id for n in world.nodes}
    for target_id, attachment in found.items():
        assert xor_distance(attachment.monitor_id, target_id) == 1
        assert attachment.found_ns <= attachment.introduced_ns <= attachment.accepted_ns <= attachment.visible[0][0]
        assert (attachment.lost_ns, attachment.reason) == (world.now_ns, "sealed")


def test_crawls_follow_one_another_and_are_recorded(world: World) -> None:
    numbers = [row.number for row in world.recorder.crawls]
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= 3
    assert world.recorder.crawls[-1].answered == len(world.nodes)
    assert world.window.totals.last_crawl == world.recorder.crawls[-1]


def test_a_strangers_lookup_is_captured_and_not_answered(world: World) -> None:
    key, requester = ZONE.random_id(random.Random(5)), bytes(range(20))
    monitor = min(
        world.fleet.take_changed() or world.recorder.attachments.values(), key=lambda a: xor_distance(a.monitor_id, key)
    )
    local = int(world.plan.locals_of(*columns(monitor.monitor_ip, monitor.monitor_port))[0])
    before = len(world.sent)
    world.deliver(local, ip_number("198.18.7.7"), 4444, get_peers(requester, key))
    world.run(0.01)
    (captures,) = world.recorder.kept
    assert (captures.key[0].tobytes(), captures.requester_id[0].tobytes()) == (key, requester)
    assert (captures.attachment[0], captures.kind[0], captures.source_port[0]) == (monitor.number, Kind.LOOKUP, 4444)
    assert world.window.totals.captures == 1
    assert all((d.ip, d.port) != (ip_number("198.18.7.7"), 4444) for d in world.sent[before:])


def columns(ip: int, port: int):  # type: ignore[no-untyped-def]
    import numpy as np

    return np.array([ip], np.uint32), np.array([port], np.uint16)


def test_what_is_no_message_goes_on_the_ledger_by_name(world: World) -> None:
    local = 1
    for payload in (b"", b"junk", b"d1:ai1e-6:", b"\xff" * 1500):
        world.deliver(0, 1, 1, payload)
        world.deliver(local, 1, 1, payload)
    world.run(11)
    names = {loss.name for loss in world.recorder.losses}
    assert any(name.startswith("crawl_malformed_") for name in names)
    assert any(name.startswith("monitor_malformed_") or name == "monitor_idle_local" for name in names)
    counted = sum(loss.count for loss in world.recorder.losses if "malformed" in loss.name or "idle" in loss.name)
    assert counted == 8


def test_outside_counters_reach_the_ledger_as_differences(world: World) -> None:
    dropped = {"kernel_drops": 5, "sent": 99}
    world.window.outside.append(lambda: dict(dropped))
    world.run(10.5)
    dropped["kernel_drops"] = 12
    world.run(10.5)
    rows = [(loss.count, loss.begin_ns < loss.end_ns) for loss in world.recorder.losses if loss.name == "kernel_drops"]
    assert rows == [(5, True), (7, True)]
    assert not [loss for loss in world.recorder.losses if loss.name == "sent"]
    assert world.window.totals.counters["sent"] == 99


def test_a_node_that_leaves_loses_its_monitor(world: World) -> None:
    gone = world.nodes.pop()
    world.run(60)
    ended = [a for a in world.recorder.attachments.values() if a.target_id == gone.node_id]
    assert [a.reason for a in ended] == ["gone"]
    assert all(a.visible[-1][1] > 0 for a in ended)


def test_the_same_seed_sends_the_same_bytes() -> None:
    runs = []
    for _ in range(2):
        world = World(seed=3)
        world.start()
        world.run(8)
        runs.append(world.sent)
    assert runs[0] == runs[1]
    assert len(runs[0]) > 100
