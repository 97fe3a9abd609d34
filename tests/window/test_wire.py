"""A window and a survey between a wire: what arrives is opened first, all that leaves is sealed."""

import random
from typing import Any

import numpy as np

from crawler.crawl import NEVER_NS
from crawler.zone_crawler import ZoneCrawler
from montra.datagrams import Counters, Datagram, DatagramBatch, StrangerReply
from montra.monitors.fleet import FleetOutput
from montra.overlays.base import load
from montra.overlays.mainline import OVERLAY as MAINLINE
from montra.window.build import build_wire
from montra.window.survey import Survey
from montra.window.window import Window
from zone_store.captures import Captures, Loss
from zone_store.keyspace.zone import Zone

SECOND = 1_000_000_000
CRAWLER_ID, MONITOR_ID = b"c" * 20, b"m" * 20


class Prefix:
    """Datagrams begin with `!` on the wire."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.own_ids: list[bytes] = []

    def open(self, batch: DatagramBatch, own_ids: np.ndarray[Any, Any]) -> DatagramBatch:
        self.own_ids += [row.tobytes() for row in own_ids]
        self.counters.add("opened", len(batch))
        rows = [
            (
                int(batch.time_ns[i]),
                int(batch.local[i]),
                int(batch.source_ip[i]),
                1,
                batch.payload(i).removeprefix(b"!"),
            )
            for i in range(len(batch))
        ]
        return DatagramBatch.of(rows)

    def seal(self, outgoing: list[Datagram]) -> list[Datagram]:
        return [one.__class__(one.local, one.ip, one.port, b"!" + one.payload) for one in outgoing]


class Machines:
    """A crawler, a fleet and a recorder that note what they get and say what they are told to."""

    own_id = CRAWLER_ID

    def __init__(self) -> None:
        self.counters: Any = Counters()
        self.heard: list[bytes] = []
        self.losses: list[Loss] = []

    def start(self, now_ns: int) -> None: ...

    def due(self, now_ns: int) -> int:
        return now_ns

    def loss(self, loss: Loss) -> None:
        self.losses.append(loss)


class Crawler(Machines):
    def __init__(self) -> None:
        super().__init__()
        self.counters = {}

    def feed(self, now_ns: int, rows: list[tuple[int, int, bytes]]) -> Any:
        self.heard += [payload for _, _, payload in rows]
        return [(9, 9, b"again")], []

    def tick(self, now_ns: int) -> Any:
        return [(9, 9, b"query")], []


class Fleet(Machines):
    def feed(self, now_ns: int, batch: DatagramBatch, scan: object) -> FleetOutput:
        self.heard += [batch.payload(i) for i in range(len(batch))]
        return FleetOutput([StrangerReply(1, 8, 8, b"reply")], Captures.empty(20))

    def tick(self, now_ns: int) -> list[Datagram]:
        return [Datagram(1, 7, 7, b"hello")]

    def take_changed(self) -> list[object]:
        return []

    take_probes = take_changed

    def ids_at(self, local: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        ids = np.zeros((len(local), 20), np.uint8)
        ids[local == 1] = np.frombuffer(MONITOR_ID, np.uint8)
        return ids


def test_a_window_opens_what_arrives_and_seals_what_leaves() -> None:
    crawler, fleet, wire, overlay = Crawler(), Fleet(), Prefix(), MAINLINE
    window = Window(overlay, crawler, fleet, fleet, losses=lambda _: True, wire=wire)  # type: ignore[arg-type]
    assert window.start(0) == [Datagram(1, 7, 7, b"!hello"), Datagram(0, 9, 9, b"!query")]
    batch = DatagramBatch.of([(0, 0, 5, 1, b"!to crawler"), (0, 1, 6, 1, b"!to monitor"), (0, 2, 6, 1, b"!to nobody")])
    out = window.feed(0, batch)
    assert wire.own_ids == [CRAWLER_ID, MONITOR_ID, bytes(20)]
    assert (crawler.heard, fleet.heard) == ([b"to crawler"], [b"to monitor", b"to nobody"])
    assert out == [Datagram(0, 9, 9, b"!again"), StrangerReply(1, 8, 8, b"!reply")]
    assert [type(one) for one in out] == [Datagram, StrangerReply]
    window.write_ledger(SECOND)
    assert ("wire_opened", 3) in [(loss.name, loss.count) for loss in fleet.losses]


def test_a_worker_without_the_crawlers_address_opens_too() -> None:
    crawler, fleet, wire = Crawler(), Fleet(), Prefix()
    crawler.own_id = b""
    window = Window(MAINLINE, crawler, fleet, fleet, losses=lambda _: True, wire=wire)  # type: ignore[arg-type]
    window.feed(0, DatagramBatch.of([(0, 1, 6, 1, b"!to monitor"), (0, 0, 6, 1, b"!astray")]))
    assert fleet.heard == [b"to monitor"]
    assert wire.own_ids == [MONITOR_ID, bytes(20)]


def test_a_survey_opens_and_seals() -> None:
    zone, wire = Zone.parse("a4/6"), Prefix()
    crawler = ZoneCrawler(MAINLINE, zone, CRAWLER_ID, [(0x08080808, 1)], random.Random(1))
    survey = Survey(crawler, lambda _: None, wire)
    (query,) = survey.start(0)
    assert query.payload.startswith(b"!d1:a")
    message = MAINLINE.parse(query.payload[1:])
    node = b"d1:rd2:id20:" + b"n" * 20 + b"e1:t4:" + message.transaction + b"1:y1:re"
    survey.feed(1, DatagramBatch.of([(0, 0, 0x08080808, 1, b"!" + node)]))
    assert wire.own_ids == [CRAWLER_ID]
    assert crawler.bootstrapped
    assert crawler.counters["unexpected_reply"] == 0
    assert survey.due(1) < NEVER_NS


def test_all_processes_of_a_run_have_the_same_keys() -> None:
    overlay = load("kad")
    datagrams = [Datagram(1, 0x14000001, 4672, overlay.crawl_query(b"c" * 16, b"t" * 16, b"", b"r" * 16))]
    sealed = []
    for process in ("", "0/0"):
        wire = build_wire(overlay, 7, process)
        assert wire is not None
        sealed.append(wire.seal(datagrams)[0].payload)
    assert sealed[0] != sealed[1]  # of their own chance
    node = overlay.wire(b"node's", random.Random(1))
    assert node is not None
    own_ids = np.frombuffer(b"r" * 16, np.uint8).reshape(1, 16)
    keys = [
        overlay.parse(node.open(DatagramBatch.of([(0, 0, 0x15000001, 1, payload)]), own_ids).payload(0)).peer_key
        for payload in sealed
    ]
    assert keys[0] == keys[1] != 0


def test_mainline_has_no_wire() -> None:
    assert build_wire(MAINLINE, 1) is None
