"""A window over two workers as machines in virtual time: with the real stream between them, without processes."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from crawler.settings import CrawlSettings
from crawler.zone_crawler import ZoneCrawler
from montra.datagrams import Datagram, DatagramBatch, ip_number
from montra.monitors.fleet import Fleet
from montra.overlays.mainline import OVERLAY
from montra.processes.messages import MAX_NEWS, Probes, Status, Tell, encode, orders, reports
from montra.processes.news import NewsCrawler
from montra.processes.relay import Relay
from montra.processes.share import Sectors, share_of
from montra.window.config import Addresses, Config, Processes
from montra.window.window import Window
from tests.window.test_window import Node, Recorder, compact
from zone_store.keyspace.ids import xor_distance
from zone_store.keyspace.zone import Zone
from zone_store.losses import is_loss

SECOND = 1_000_000_000
ZONE = Zone.parse("a4/6")
HALVES = ZONE.split(1)
CONFIG = Config(
    zone="a4/6",
    addresses=Addresses(crawler="192.0.2.1:20880", monitors=("198.51.0.0/17",), ports="20881-20884"),
    processes=Processes(workers=2),
)


class Worker:
    """One worker's machines, and its end of the stream."""

    def __init__(self, slot: int, seed: int, every: int, expected: Iterable[bytes] = ()) -> None:
        share = share_of(replace(CONFIG, monitors=replace(CONFIG.monitors, every=every)), ZONE, slot)
        self.plan = share.plan
        self.crawler = NewsCrawler()
        self.fleet = Fleet(OVERLAY, share.sector, share.plan, random.Random(seed), share.monitors, expected=expected)
        self.recorder = Recorder()
        self.window = Window(OVERLAY, self.crawler, self.fleet, self.recorder, losses=is_loss)
        self.orders, self.reports = orders(), reports()


class Together:
    """The parent, its workers, and nodes that treat a monitor as libtorrent does, 1 ms away."""

    def __init__(self, nodes: int = 24, every: int = 1) -> None:
        self.every = every
        rng = random.Random(1)
        self.nodes = [Node(ZONE.random_id(rng), ip_number(f"203.0.{i}.9")) for i in range(nodes)]
        plan = CONFIG.plan()
        bootstrap = [(self.nodes[0].ip, self.nodes[0].port)]
        settings = CrawlSettings(pause_s=3.0)
        crawler = ZoneCrawler(OVERLAY, ZONE, rng.randbytes(20), bootstrap, rng, settings, plan.is_own)
        self.relay = Relay(Sectors(ZONE, 2), 20, hold_s=4.0, max_nodes=1000)
        self.relay.known = lambda: crawler.nodes
        self.parent = Window(OVERLAY, crawler, self.relay, Recorder(), losses=is_loss)
        self.workers = [Worker(slot, slot, every) for slot in range(2)]
        self.now_ns = 1_700_000_000 * SECOND
        self.heard: list[tuple[int, int, int]] = []  # (time, process, node's ip) of every packet to a node
        self._to_nodes: list[tuple[int, int, Datagram]] = []
        self._to_us: list[tuple[int, int, tuple[int, int, int, int, bytes]]] = []
        self._post(-1, self.parent.start(self.now_ns))
        for slot, worker in enumerate(self.workers):
            self._post(slot, worker.window.start(self.now_ns))

    def window(self, process: int) -> Window:
        return self.parent if process < 0 else self.workers[process].window

    def replace(self, slot: int) -> Worker:
        """The worker dies, another takes its place, and is told whom it monitored."""
        dead = self.workers[slot]
        self.workers[slot] = Worker(slot, 100 + slot, self.every, attached(dead))
        self._to_us = [row for row in self._to_us if row[1] != slot]
        self.relay.lost(slot)
        self.relay.begin(slot)
        self._post(slot, self.workers[slot].window.start(self.now_ns))
        return dead

    def run(self, seconds: float) -> None:
        end_ns = self.now_ns + int(seconds * SECOND)
        while True:
            self._talk()
            due = [self.window(process).due(self.now_ns) for process in (-1, 0, 1)]
            due += [row[0] for row in self._to_nodes] + [row[0] for row in self._to_us]
            self.now_ns = max(self.now_ns, min([end_ns, *due]))
            if self.now_ns >= end_ns:
                return
            self._deliver()
            for process in (-1, 0, 1):
                if self.window(process).due(self.now_ns) <= self.now_ns:
                    self._post(process, self.window(process).tick(self.now_ns))

    def _talk(self) -> None:
        for slot, worker in enumerate(self.workers):
            while news := self.relay.take(slot, MAX_NEWS):
                for order in worker.orders.feed(encode(Tell(news))):
                    assert isinstance(order, Tell)
                    worker.crawler.told(order.news)
            for report in worker.reports.feed(
                encode(Probes(worker.crawler.take_probes(100))) + encode(Status(0, worker.fleet.states(), 0, {}))
            ):
                if isinstance(report, Probes):
                    self.relay.probes(report.wanted)
                elif isinstance(report, Status):
                    self.relay.status(slot, report)

    def _post(self, process: int, datagrams: list[Datagram]) -> None:
        self._to_nodes += [(self.now_ns + SECOND // 1000, process, one) for one in datagrams]

    def _deliver(self) -> None:
        ready = [row for row in self._to_nodes if row[0] <= self.now_ns]
        self._to_nodes = [row for row in self._to_nodes if row[0] > self.now_ns]
        for _, process, datagram in ready:
            self._answer(process, datagram)
        for process in (-1, 0, 1):
            rows = [row for at_ns, to, row in self._to_us if to == process and at_ns <= self.now_ns]
            if rows:
                self._post(process, self.window(process).feed(self.now_ns, DatagramBatch.of(rows)))
        self._to_us = [row for row in self._to_us if row[0] > self.now_ns]

    def _answer(self, process: int, datagram: Datagram) -> None:
        for node in self.nodes:
            query = OVERLAY.parse(datagram.payload)
            if (node.ip, node.port) != (datagram.ip, datagram.port):
                continue
            self.heard.append((self.now_ns, process, node.ip))
            if query.type != "query":
                continue
            if process >= 0:
                peer = (query.sender_id, *self.workers[process].plan.address(datagram.local))
                node.queries[peer] = node.queries.get(peer, 0) + 1
            nodes = compact(node.contacts(query.key, self.nodes)) if query.key else b""
            body = b"d2:id20:" + node.node_id + (b"5:nodes%d:" % len(nodes) + nodes if query.key else b"") + b"e"
            reply = b"d1:r" + body + b"1:t%d:" % len(query.transaction) + query.transaction + b"1:y1:re"
            row = (self.now_ns + SECOND // 1000, datagram.local, node.ip, node.port, reply)
            self._to_us.append((row[0], process, row))


@pytest.fixture
def together() -> Together:
    together = Together()
    together.run(15)
    return together


def attached(worker: Worker) -> dict[bytes, int]:
    return {a.target_id: a.target_ip for a in worker.recorder.attachments.values() if a.monitor_port and not a.lost_ns}


def test_every_node_has_one_monitor_at_the_worker_of_its_sector(together: Together) -> None:
    for half, worker in zip(HALVES, together.workers, strict=True):
        assert attached(worker) == {node.node_id: node.ip for node in together.nodes if half.contains(node.node_id)}
    states = together.relay.states()
    assert (states["visible"], states["waiting"]) == (24, 0)
    assert together.parent.totals.crawls >= 3
    for worker in together.workers:
        for attachment in worker.recorder.attachments.values():
            assert xor_distance(attachment.monitor_id, attachment.target_id) == 1
            assert together.parent.crawler._ignore(attachment.monitor_ip, attachment.monitor_port)  # type: ignore[attr-defined]


def test_a_node_that_takes_an_id_of_the_other_sector_changes_hands(together: Together) -> None:
    node = next(node for node in together.nodes[1:] if HALVES[0].contains(node.node_id))
    before = node.node_id
    node.node_id = HALVES[1].random_id(random.Random(7))
    changed_ns = together.now_ns
    together.run(20)
    first, second = together.workers
    assert before not in attached(first)
    assert attached(second)[node.node_id] == node.ip
    (ended,) = [a for a in first.recorder.attachments.values() if a.target_id == before]
    assert ended.reason == "changed_id"
    begun = next(a for a in second.recorder.attachments.values() if a.target_id == node.node_id)
    assert begun.introduced_ns - ended.lost_ns >= 4 * SECOND, "both allowances could be used at once"
    assert together.relay.states()["visible"] == 24
    # from the moment the first worker ended it, it said nothing more
    assert not [at for at, who, ip in together.heard if who == 0 and ip == node.ip and at > ended.lost_ns + SECOND]
    assert changed_ns < ended.lost_ns


def test_a_node_that_leaves_the_zone_is_left_alone(together: Together) -> None:
    node = together.nodes[5]
    node.node_id = bytes([0x11]) * 20
    together.run(20)
    assert sum(len(attached(worker)) for worker in together.workers) == 23


def test_a_node_that_leaves_loses_its_monitor(together: Together) -> None:
    gone = together.nodes.pop()
    together.run(60)
    ended = [a for w in together.workers for a in w.recorder.attachments.values() if a.target_id == gone.node_id]
    assert [a.reason for a in ended] == ["gone"]


def test_a_successor_attaches_to_all_of_its_sector_and_to_nobody_else(together: Together) -> None:
    dead = together.replace(1)
    together.run(15)
    assert attached(together.workers[1]) == attached(dead)
    assert attached(together.workers[0]).keys().isdisjoint(attached(dead))
    assert together.relay.states()["visible"] == 24
    used = [{a.monitor_port for a in one.recorder.attachments.values()} for one in (dead, together.workers[1])]
    assert used[0] == used[1] == {20883}


def test_thin_fleets_of_workers_and_of_a_successor() -> None:
    together = Together(every=4)
    together.run(15)
    before = [attached(worker) for worker in together.workers]
    for half, worker, monitored in zip(HALVES, together.workers, before, strict=True):
        known = {a.target_id for a in worker.recorder.attachments.values()}
        assert known == {node.node_id for node in together.nodes if half.contains(node.node_id)}
        assert len(known) / 4 <= len(monitored) <= len(known) / 1.5
    assert together.relay.states()["bare"] == 24 - sum(map(len, before))
    together.replace(0)
    together.run(15)
    assert [attached(worker) for worker in together.workers] == before
