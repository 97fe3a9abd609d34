"""The crawler while nodes come, go, change and fall silent, over hours of virtual time."""

from collections.abc import Callable

import pytest

from crawler.events import CrawlDone, NodeChanged, NodeFound, NodeGone, OwnView
from crawler.settings import CrawlSettings

from .simnet import SECOND, START, ZONE, SimNet, crawler_of, network, of


def test_churn_gives_each_event_once() -> None:
    net = network(9, inside=200, outside=100, loss=0.02)
    crawler = crawler_of(net, settings=CrawlSettings(pause_s=10.0))
    # Long enough to ask those again whose two packets were lost.
    now, _ = net.run(crawler, START, until=START + 60 * SECOND)
    members = net.reachable(ZONE)
    dead, moved, left = members[:20], members[20:25], members[25:28]
    died_ns = now
    old_ids = {node: node.node_id for node in moved + left}
    for node in dead:
        node.alive = False
    for node in moved:
        node.node_id = ZONE.random_id(net.rng)
    for node in left:
        node.node_id = b"\x10" + net.rng.randbytes(19)
    newcomers = [net.add(ZONE.random_id(net.rng)) for _ in range(15)]
    net.fill_tables(newcomers)
    for node in newcomers:
        net.announce(node)
    now, events = net.run(crawler, now, until=now + 120 * SECOND)

    gone = of(NodeGone, events)
    assert sorted((e.node_id, e.ip) for e in gone) == sorted((n.node_id, n.ip) for n in dead)
    assert all(e.last_answer_ns <= died_ns + SECOND < e.at_ns for e in gone)
    # Two crawls of 10 s, a timeout and a retry in each, and the check after them.
    assert max(e.at_ns for e in gone) < died_ns + 45 * SECOND
    assert sorted((e.node_id, e.ip) for e in of(NodeFound, events)) == sorted((n.node_id, n.ip) for n in newcomers)
    changed = {(e.ip, e.old_id, e.node_id, e.in_zone) for e in of(NodeChanged, events)}
    assert changed == {(n.ip, old_ids[n], n.node_id, n in moved) for n in moved + left}
    assert len(of(NodeChanged, events)) == len(changed)
    rows = [done.row for done in of(CrawlDone, events)]
    assert (sum(r.new for r in rows), sum(r.gone for r in rows), sum(r.changed for r in rows)) == (15, 20, 8)

    for node in dead[:5]:
        node.alive = True
    _, events = net.run(crawler, now, until=now + 300 * SECOND)
    assert sorted(e.ip for e in of(NodeFound, events)) == sorted(n.ip for n in dead[:5])
    assert of(NodeGone, events) == []
    assert {node.ip for node in crawler.nodes} == {node.ip for node in net.reachable(ZONE)}


def test_the_reply_tells_the_id_not_the_contact() -> None:
    net = network(10, inside=40)
    liar = net.reachable(ZONE)[7]
    claimed, liar.node_id = liar.node_id, ZONE.random_id(net.rng)
    _, events = net.run(crawler_of(net, settings=CrawlSettings(queries_per_node=3)), START, crawls=1)
    assert [e.node_id for e in of(NodeFound, events) if e.ip == liar.ip] == [liar.node_id]
    assert [e.node_id for e in of(OwnView, events) if e.ip == liar.ip] == [liar.node_id]
    assert claimed not in {e.node_id for e in of(NodeFound, events)}


def test_an_outage_of_our_own_link_loses_nobody() -> None:
    net = network(11, inside=50, outside=20)
    crawler = crawler_of(net, settings=CrawlSettings(pause_s=5.0))
    now, _ = net.run(crawler, START, crawls=2)
    net.loss = 1.0
    now, events = net.run(crawler, now, until=now + 600 * SECOND)
    # The first crawl of the outage may have had an answer still; the others had none.
    assert len(of(NodeGone, events)) == 0
    assert crawler.counters["blackout"] >= 5
    assert crawler.stats()["bootstrapped"] == 0
    outage = of(CrawlDone, events)
    assert len(outage) < 25
    net.loss = 0.0
    _, events = net.run(crawler, now, until=now + 120 * SECOND)
    assert of(NodeFound, events) == []
    assert of(CrawlDone, events)[-1].row.answered == len(net.reachable(ZONE))
    assert crawler.bootstrapped


def test_bootstrap_without_answer_is_tried_again_ever_more_seldom() -> None:
    net = SimNet(12)
    node = net.add(ZONE.random_id(net.rng))
    node.alive = False
    crawler = crawler_of(net, settings=CrawlSettings(empty_s=5.0, empty_max_s=60.0))
    now, events = net.run(crawler, START, until=START + 3_600 * SECOND)
    done = of(CrawlDone, events)
    # 4 s of silence and rests of 5, 10, 20, 40, 60, 60, ... s.
    assert 55 <= len(done) <= 62
    assert all(not e.bootstrapped and e.row.answered == 0 for e in done)
    assert crawler.counters["no_bootstrap_answered"] == crawler.counters["zone_empty"] == len(done)
    assert net.ticks < 10 * len(done)
    node.alive = True
    _, events = net.run(crawler, now, until=now + 120 * SECOND)
    assert [e.node_id for e in of(NodeFound, events)] == [node.node_id]
    assert crawler.bootstrapped


def test_an_empty_zone_is_asked_for_in_bounded_number() -> None:
    net = SimNet(13)
    for _ in range(400):
        node_id = net.rng.randbytes(20)
        if not ZONE.contains(node_id):
            net.add(node_id)
    net.fill_tables()
    crawler = crawler_of(net)
    _, events = net.run(crawler, START, crawls=3)
    assert [e.row.answered for e in of(CrawlDone, events)] == [0, 0, 0]
    assert all(e.row.queries <= 64 + 3 + 8 for e in of(CrawlDone, events))
    assert crawler.counters["zone_empty"] == 3
    assert crawler.counters["no_bootstrap_answered"] == 0
    assert crawler.bootstrapped


def test_a_crawl_that_takes_too_long_is_cut_and_counts_nobody_out() -> None:
    net = network(15, inside=300)
    crawler = crawler_of(net, settings=CrawlSettings(max_pps=50.0, max_crawl_s=5.0, gone_after=1))
    _, events = net.run(crawler, START, until=START + 60 * SECOND)
    done = of(CrawlDone, events)
    assert all(e.cut and e.row.seconds == 5.0 for e in done)
    assert crawler.counters["crawl_cut"] == len(done) == 12
    assert crawler.counters["question_cut"] > 0
    assert of(NodeGone, events) == []


def test_six_hours_back_to_back_with_churn() -> None:
    net = network(20, inside=40, outside=30, natted=12, loss=0.02)
    settings = CrawlSettings(pause_s=60.0)
    crawler = crawler_of(net, settings=settings)
    until = START + 6 * 3_600 * SECOND

    def step() -> None:
        members = net.reachable(ZONE)
        net.rng.choice(members).alive = False
        newcomer = net.add(ZONE.random_id(net.rng))
        net.fill_tables([newcomer])
        for node in net.nodes.values():
            # Tables of long-lived nodes drop the dead sooner or later.
            node.table = [c for c in node.table if net.nodes[c.ip, c.port].alive or net.rng.random() < 0.5]
        net.announce(newcomer)

    steps: list[tuple[int, Callable[[], None]]] = [(START + minute * 60 * SECOND, step) for minute in range(5, 355, 5)]
    _, events = net.run(crawler, START, until=until, at=steps)
    rows = [done.row for done in of(CrawlDone, events)]
    found, gone = of(NodeFound, events), of(NodeGone, events)
    assert len(rows) == pytest.approx(360, abs=15)
    assert {(n.node_id, n.ip) for n in crawler.nodes} == {(n.node_id, n.ip) for n in net.reachable(ZONE)}
    assert len(found) - len(gone) == len(crawler.nodes)
    assert len(gone) == len({e.ip for e in gone}) == 70
    assert net.closest_spacing >= SECOND
    # What is kept does not grow with time.
    assert crawler.stats()["contacts"] <= 100
    assert crawler.stats()["in_flight"] + crawler.stats()["queued"] <= 200
    assert net.ticks < 3 * net.sent.total()
