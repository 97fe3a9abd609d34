"""The crawler against honest networks in virtual time: who is found, what is asked, how fast."""

import random
from collections import Counter
from itertools import pairwise

import pytest

from crawler.crawl import NEVER_NS
from crawler.events import CrawlDone, Event, NodeFound, NodeGone, OwnView
from crawler.population import KnownNode
from crawler.settings import CrawlSettings
from crawler.zone_crawler import ZoneCrawler
from zone_store.keyspace.ids import common_prefix_length
from zone_store.keyspace.zone import Zone

from .simnet import MONITOR, OWN_ID, SECOND, START, WIRE, ZONE, SimContact, SimNet, SimNode, crawler_of, network, of


def test_finds_a_zone_of_2000_with_loss_and_nats() -> None:
    net = network(1, inside=2_000, outside=1_000, natted=600, loss=0.02)
    crawler = crawler_of(net)
    now, events = net.run(crawler, START, crawls=1)
    (done,) = of(CrawlDone, events)
    truth = {(n.node_id, n.ip, n.port) for n in net.reachable(ZONE)}
    found = {(e.node_id, e.ip, e.port) for e in of(NodeFound, events)}
    assert found <= truth
    assert len(found) >= 0.99 * len(truth)
    assert done.row.new == done.row.answered == len(found) == len(crawler.nodes)
    assert done.row.seconds < 20
    # 2 questions to each node, 2 tries to each NATed one, retries, and a few outside.
    assert done.row.queries < 2 * len(truth) + 2 * 600 + 400
    assert net.closest_spacing >= SECOND
    assert now == done.row.end_ns


def test_later_crawls_find_the_rest_and_say_how_complete_they_are() -> None:
    net = network(2, inside=500, outside=300, natted=150, loss=0.05)
    crawler = crawler_of(net)
    # Long enough to ask those again whose two packets were lost the first time.
    _, events = net.run(crawler, START, until=START + 60 * SECOND)
    rows = [done.row for done in of(CrawlDone, events)]
    truth = len(net.reachable(ZONE))
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert len(of(NodeFound, events)) == truth == len(crawler.nodes)
    assert of(NodeGone, events) == []
    assert (rows[0].estimate, rows[0].completeness_high) == (0.0, 1.0)
    assert rows[-1].estimate == pytest.approx(truth, rel=0.02)
    assert rows[-1].completeness > 0.99
    assert all(row.seen <= truth + 150 for row in rows)
    assert all(later.begin_ns >= earlier.end_ns for earlier, later in pairwise(rows))


def test_a_zone_without_unknown_corners_is_asked_on_by_a_sample_only() -> None:
    net = network(16, inside=3_000, outside=100)
    crawler = crawler_of(net, settings=CrawlSettings(max_pps=20_000.0, pause_s=20.0))
    now, events = net.run(crawler, START, crawls=1)
    (first,) = of(CrawlDone, events)
    assert first.row.answered >= 0.999 * 3_000
    spared = crawler.counters["slice_spared"]
    assert spared > 200
    assert first.row.queries < 2 * 3_000 - spared + 100
    # The sample is enough for the second crawl's estimate, and its interval.
    _, events = net.run(crawler, now, crawls=1)
    (second,) = of(CrawlDone, events)
    assert second.sampled > 2_000
    assert second.row.estimate == pytest.approx(3_000, rel=0.005)
    assert 0.99 < second.row.completeness_low <= second.row.completeness_high <= 1.0


def test_with_a_share_of_one_every_node_is_asked_on() -> None:
    net = network(16, inside=2_000, outside=100)
    crawler = crawler_of(net, settings=CrawlSettings(max_pps=20_000.0, sample_share=1.0))
    _, events = net.run(crawler, START, crawls=1)
    (done,) = of(CrawlDone, events)
    assert crawler.counters["slice_spared"] == 0
    assert done.row.queries >= 2 * done.row.answered


def test_natted_nodes_are_never_found_and_asked_ever_more_seldom() -> None:
    net = network(3, inside=30, outside=20, natted=12)
    crawler = crawler_of(net, settings=CrawlSettings(pause_s=15.0, silent_s=60.0, silent_max_s=1_800.0))
    _, events = net.run(crawler, START, until=START + 3_600 * SECOND)
    natted = {(n.ip, n.port) for n in net.nodes.values() if n.natted}
    assert not natted & {(e.ip, e.port) for e in of(NodeFound, events)}
    assert crawler.stats()["contacts"] == len(natted)
    # Rests of 1, 2, 4, 8, 16 and 30 minutes: six times at most within the hour, two packets each.
    assert max(net.sent[address] for address in natted) <= 12
    assert len(of(CrawlDone, events)) == 240


def test_first_question_is_the_nodes_own_id_and_the_second_leaves_it_inside_the_zone() -> None:
    asked: dict[SimNode, list[bytes]] = {}

    def answer(node: SimNode, transaction: bytes, target: bytes) -> list[bytes]:
        asked.setdefault(node, []).append(target)
        return [WIRE.reply(transaction, node.node_id, node.nearest(target))]

    net = network(4, inside=200, outside=100)
    for node in net.nodes.values():
        node.answer = answer
    net.run(crawler_of(net), START, crawls=1)
    for node, targets in asked.items():
        if ZONE.contains(node.node_id):
            assert targets[0] == node.node_id
            assert len(targets) == 2
            assert ZONE.length <= common_prefix_length(node.node_id, targets[1]) < 20
        else:
            assert all(ZONE.contains(target) for target in targets)


@pytest.mark.parametrize("queries", [2, 4])
def test_questions_per_node_are_as_configured(queries: int) -> None:
    net = network(5, inside=100)
    net.run(crawler_of(net, settings=CrawlSettings(queries_per_node=queries, pause_s=60.0)), START, crawls=1)
    # Bootstrap nodes are in the zone here, and asked for a random ID of it before.
    assert Counter(net.sent.values()) == {queries: 97, queries + 1: 3}


def test_own_views_show_which_nodes_hand_out_the_monitor() -> None:
    net = network(6, inside=60, outside=20)
    shown = net.reachable(ZONE)[10]
    monitor_id = shown.node_id[:-1] + bytes([shown.node_id[-1] ^ 1])
    shown.table.append(SimContact(monitor_id, *MONITOR))
    crawler = crawler_of(net)
    _, events = net.run(crawler, START, crawls=2)
    views = of(OwnView, events)
    assert len(views) == 2 * len(net.reachable(ZONE))
    named = [view for view in views if view.own]
    assert {(v.node_id, v.ip, v.port, v.own) for v in named} == {
        (shown.node_id, shown.ip, shown.port, ((monitor_id, *MONITOR),))
    }
    assert MONITOR not in net.sent


def test_probe_asks_soon_and_reports_the_view() -> None:
    net = network(7, inside=30)
    crawler = crawler_of(net, settings=CrawlSettings(pause_s=600.0))
    now, _ = net.run(crawler, START, crawls=1)
    now += 10 * SECOND
    target = net.reachable(ZONE)[5]
    crawler.probe(now, target.ip, target.port, target.node_id)
    crawler.probe(now, target.ip, target.port, target.node_id)  # one at a time
    assert crawler.due(now) == now
    before = net.sent[target.ip, target.port]
    _, events = net.run(crawler, now, until=now + 5 * SECOND)
    assert [(type(e), e.ip, e.port, e.own) for e in of(OwnView, events)] == [(OwnView, target.ip, target.port, ())]
    assert net.sent[target.ip, target.port] == before + 1


def test_probes_are_refused_where_they_must_not_go() -> None:
    net = network(7, inside=5)
    crawler = crawler_of(net)
    crawler.probe(START, *MONITOR, b"\xa5" + bytes(19))
    crawler.probe(START, 0x16000001, 0, b"\xa5" + bytes(19))
    crawler.probe(START, 0x0A000001, 6881, b"\xa5" + bytes(19))
    crawler.probe(START, 0x16000001, 6881, b"short")
    assert crawler.counters["probe_refused"] == 4


def test_a_probe_without_answer_ends_and_can_be_put_again() -> None:
    net = network(8, inside=20)
    crawler = crawler_of(net, settings=CrawlSettings(pause_s=600.0))
    now, _ = net.run(crawler, START, crawls=1)
    target = net.reachable(ZONE)[5]
    target.alive = False
    for round_ in (1, 2):
        crawler.probe(now, target.ip, target.port, target.node_id)
        before = net.sent[target.ip, target.port]
        now, events = net.run(crawler, now, until=now + 20 * SECOND)
        assert events == [], round_
        assert net.sent[target.ip, target.port] == before + 2


def test_a_whole_dht_is_a_zone_too() -> None:
    whole = Zone.parse("0/0")
    net = SimNet(14)
    net.populate(whole, 300)
    _, events = net.run(crawler_of(net, whole), START, crawls=2)
    assert len(of(NodeFound, events)) == 300


def test_many_probes_do_not_stop_a_crawl() -> None:
    def seconds(probes: int) -> float:
        net = network(20, inside=200)
        crawler = crawler_of(net, settings=CrawlSettings(max_pps=100.0))
        for number in range(probes):
            crawler.probe(START, 0x17000001 + (number << 8), 6881, b"\xa5" + bytes(19))
        _, events = net.run(crawler, START, crawls=1)
        return of(CrawlDone, events)[0].row.seconds

    assert seconds(2_000) < 1.4 * seconds(0)


def test_silence_counts_only_in_crawls_that_were_sent() -> None:
    net = network(21, inside=60)
    crawler = crawler_of(net, settings=CrawlSettings(pause_s=10.0))
    unsent = 0
    crawler.unsent = lambda: unsent
    now, events = net.run(crawler, START, crawls=2)
    net.reachable(ZONE)[7].alive = False
    for _ in range(5):
        unsent += 3  # of some 120 queries in each crawl
        now, more = net.run(crawler, now, crawls=1)
        events += more
    rows = [done.row for done in of(CrawlDone, events)]
    assert [row.estimate > 0 for row in rows] == [False, True, *[False] * 5]
    assert of(NodeGone, events) == []
    unsent += 1  # one in a hundred is no disturbance
    _, events = net.run(crawler, now, crawls=4)
    assert len(of(NodeGone, events)) == 1
    assert all(done.row.estimate > 0 for done in of(CrawlDone, events))


def test_a_check_that_may_not_have_been_sent_ends_nobody() -> None:
    net = network(22, inside=60)
    crawler = crawler_of(net, settings=CrawlSettings(pause_s=20.0))
    unsent = 0
    crawler.unsent = lambda: unsent
    now, _ = net.run(crawler, START, crawls=2)
    net.reachable(ZONE)[7].alive = False
    now, _ = net.run(crawler, now, crawls=2)  # missed twice: it is checked now
    unsent += 50
    now, events = net.run(crawler, now, crawls=1)
    assert of(NodeGone, events) == []
    _, events = net.run(crawler, now, crawls=3)
    assert len(of(NodeGone, events)) == 1


def test_rate_is_kept() -> None:
    net = network(16, inside=300)
    crawler = crawler_of(net, settings=CrawlSettings(max_pps=100.0))
    net.run(crawler, START, until=START + 30 * SECOND)
    assert 2_850 <= net.sent.total() <= 3_010


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_gives_the_same_run(seed: int) -> None:
    def run() -> tuple[int, list[Event], dict[str, int]]:
        net = network(17, inside=80, outside=40, natted=20, loss=0.05)
        crawler = crawler_of(net, seed=seed)
        now, events = net.run(crawler, START, crawls=3)
        return now, events, dict(crawler.counters)

    assert run() == run()


def test_other_seeds_ask_other_questions() -> None:
    def first(seed: int) -> list[tuple[int, int, bytes]]:
        return crawler_of(network(17, inside=20), seed=seed).tick(START)[0]

    assert [row[:2] for row in first(1)] == [row[:2] for row in first(2)]
    assert first(1) != first(2)


def test_nothing_is_due_before_the_start_and_time_may_not_run_back() -> None:
    net = network(18, inside=20)
    crawler = ZoneCrawler(WIRE, ZONE, OWN_ID, [(n.ip, n.port) for n in net.reachable(ZONE)], random.Random(1))
    assert crawler.due(START) == NEVER_NS
    assert crawler.tick(START) == ([], [])
    assert crawler.feed(START, [(1, 1, b"")]) == ([], [])
    crawler.start(START + 5)
    assert crawler.due(START) == START + 5
    out, _ = crawler.tick(START + 5)
    assert len(out) == 20
    assert crawler.tick(START - SECOND) == ([], [])
    assert crawler.due(START) == START + 5 + 2 * SECOND


def test_nodes_lists_the_population() -> None:
    net = network(19, inside=10)
    crawler = crawler_of(net)
    net.run(crawler, START, crawls=1)
    listed = {node.node_id: node for node in crawler.nodes}
    assert listed.keys() == {node.node_id for node in net.nodes.values()}
    one = next(iter(listed.values()))
    assert isinstance(one, KnownNode)
    assert one.version == b"SIM1"
    assert START < one.found_ns <= one.last_answer_ns


def test_constructor_refuses_what_cannot_work() -> None:
    with pytest.raises(ValueError, match="no bootstrap node"):
        ZoneCrawler(WIRE, ZONE, OWN_ID, [(0, 6881), (0x08080808, 0)], random.Random(1))
    with pytest.raises(ValueError, match="IDs of 20 bytes"):
        ZoneCrawler(WIRE, ZONE, b"short", [(0x08080808, 6881)], random.Random(1))
    with pytest.raises(ValueError, match="IDs of 20 bytes"):
        ZoneCrawler(WIRE, Zone.parse("a4/6", 128), OWN_ID, [(0x08080808, 6881)], random.Random(1))
