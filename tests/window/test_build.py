"""Crawl rate and limits: what is built fits the limits, and what does not fit claims nothing."""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import replace

import numpy as np
import pytest

from crawler.settings import CrawlSettings
from crawler.zone_crawler import ZoneCrawler
from montra.datagrams import Counters, DatagramBatch, ip_text
from montra.endpoint.blocklist import Blocklist
from montra.endpoint.limits import Limits, LimitSettings, Rate
from montra.endpoint.outbox import Outbox
from montra.monitors.settings import FleetSettings
from montra.overlays.base import Asked
from montra.overlays.mainline import OVERLAY
from montra.window.build import build, build_courtesy, build_crawler, within_limits
from montra.window.config import Addresses, Config, Replies
from montra.window.survey import Survey
from zone_store.captures import CrawlRow
from zone_store.keyspace.zone import Zone

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
ZONE = Zone.parse("a4/6")


def config(total: Rate, max_pps: float = 1000.0, attach_rate: float = 250.0) -> Config:
    return Config(
        zone="a4/6",
        bootstrap=("20.0.1.1:6881",),
        addresses=Addresses(crawler="192.0.2.1:20880", monitors=("198.51.100.0/24",)),
        crawl=CrawlSettings(max_pps=max_pps),
        monitors=FleetSettings(attach_rate=attach_rate),
        limits=LimitSettings(total=total, scheduled_share=0.75),
    )


def test_rates_that_fit_stay() -> None:
    given = config(Rate(5000, 1000), max_pps=1800, attach_rate=250)
    assert within_limits(given) == (given, [])
    free = config(Rate(math.inf, 1), max_pps=1e6, attach_rate=1e5)
    assert within_limits(free) == (free, [])


def test_rates_beyond_the_limits_are_lowered_and_named() -> None:
    fitted, notes = within_limits(config(Rate(200, 50)))
    assert fitted.crawl.max_pps == pytest.approx(90.0)  # 60 % of 150
    assert 2 * fitted.monitors.attach_rate == pytest.approx(30.0)  # 20 % of 150
    assert [note.split(":")[0] for note in notes] == [
        "crawl.max_pps = 1000 lowered to 90",
        "monitors.attach_rate = 250 lowered to 15",
    ]
    assert within_limits(fitted) == (fitted, [])


def test_a_crawl_alone_may_have_all_but_the_answers_share() -> None:
    fitted, notes = within_limits(config(Rate(200, 50)), crawl_only=True)
    assert (fitted.crawl.max_pps, fitted.monitors.attach_rate) == (150.0, 250.0)
    assert len(notes) == 1


def test_parts_say_what_was_lowered() -> None:
    assert build(config(Rate(5000, 1000), max_pps=1800), 1).notes == []
    assert len(build(config(Rate(200, 50)), 1).notes) == 2


class Immortals:
    """300 nodes that always answer, 50 ms away, behind an outbox."""

    def __init__(self, total: Rate) -> None:
        rng = random.Random(5)
        self.counters = Counters()
        limits = LimitSettings(total=total, scheduled_share=0.75)
        self.outbox = Outbox(Limits(limits), Blocklist(), 5.0, 20_000, self.counters)
        self.nodes = {((20 << 24) + (i << 8) + 1, 6881): ZONE.random_id(rng) for i in range(1, 301)}
        self.contacts = [
            (int.from_bytes(node_id), node_id + ip.to_bytes(4) + port.to_bytes(2))
            for (ip, port), node_id in self.nodes.items()
        ]
        self.bootstrap = list(self.nodes)[:3]

    def crawl(self, crawler: ZoneCrawler, seconds: int) -> list[CrawlRow]:
        rows: list[CrawlRow] = []
        crawler.unsent = lambda: self.outbox.crawl_unsent
        survey = Survey(crawler, rows.append)
        flying: list[tuple[int, int, int, int, bytes]] = []
        now = START
        self.outbox.offer(now, survey.start(now))
        while now < START + seconds * SECOND:
            for query in self.outbox.ready(now):
                heapq.heappush(flying, (now + SECOND // 20, 0, query.ip, query.port, self._reply(query)))
            now = max(now, min(survey.due(now), self.outbox.due(), flying[0][0] if flying else START << 1))
            arrived = []
            while flying and flying[0][0] <= now:
                arrived.append(heapq.heappop(flying))
            if arrived:
                self.outbox.offer(now, survey.feed(now, DatagramBatch.of(arrived)), answers=True)
            if survey.due(now) <= now:
                self.outbox.offer(now, survey.tick(now))
        return rows

    def _reply(self, query) -> bytes:  # type: ignore[no-untyped-def]
        message = OVERLAY.parse(query.payload)
        wanted = int.from_bytes(message.key)
        near = heapq.nsmallest(8, self.contacts, key=lambda contact: contact[0] ^ wanted)
        body = b"d2:id20:" + self.nodes[query.ip, query.port] + b"5:nodes208:" + b"".join(c for _, c in near) + b"e"
        return b"d1:r" + body + b"1:t4:" + message.transaction + b"1:y1:re"


def test_a_limit_too_low_for_the_crawl_loses_no_node_and_claims_no_completeness() -> None:
    world = Immortals(Rate(60, 15))
    rng = random.Random(1)
    settings = CrawlSettings(max_pps=400.0)
    crawler = ZoneCrawler(OVERLAY, ZONE, rng.randbytes(20), world.bootstrap, rng, settings)
    rows = world.crawl(crawler, 180)
    assert len(rows) >= 3
    assert world.counters.counts["rate_limited_total"] > 1000
    assert crawler.counters["timeout"] > 1000  # what made immortal nodes look dead
    assert {(row.estimate, row.completeness, row.gone) for row in rows} == {(0.0, 0.0, 0)}


def test_the_same_limit_is_enough_for_a_crawl_that_is_built_to_fit() -> None:
    world = Immortals(Rate(60, 15))
    given = config(Rate(60, 15), max_pps=400.0)
    given_bootstrap = tuple(f"{ip_text(ip)}:{port}" for ip, port in world.bootstrap)
    crawler = build_crawler(
        Config(zone="a4/6", bootstrap=given_bootstrap, crawl=given.crawl, limits=given.limits),
        OVERLAY,
        ZONE,
        1,
        lambda _ip, _port: False,
    )
    rows = world.crawl(crawler, 60)
    assert world.counters.counts == {}
    assert (len(crawler.nodes), sum(row.gone for row in rows), crawler.counters["timeout"]) == (300, 0, 0)
    assert rows[-1].completeness > 0.99
    assert rows[-1].estimate == pytest.approx(300, abs=3)


def test_all_processes_of_a_run_reply_alike_and_take_each_others_tokens() -> None:
    given = replace(config(Rate(5000, 1000)), replies=Replies(mode="once"))
    query = b"d1:ad2:id20:%b9:info_hash20:%be1:q9:get_peers1:t2:aa1:y1:qe" % (b"i" * 20, b"k" * 20)
    batch = DatagramBatch.of([(START, 1, 2, 3, query)])
    said = []
    for seed in (1, 1, 2):
        courtesy = build_courtesy(given, OVERLAY, seed, ZONE)
        assert courtesy is not None
        scan = OVERLAY.scan(batch)
        asked = Asked(batch, scan, np.array([0]), np.zeros((1, 20), np.uint8))
        said += courtesy.answer(START, asked).payloads
    assert said[0] == said[1] != said[2]
    assert build_courtesy(replace(given, replies=Replies(mode="paper")), OVERLAY, 1, ZONE) is None
