"""The crawler against nodes that lie, invent and flood: bounded, counted, and the honest ones are still found."""

import random
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.events import CrawlDone, Event, NodeChanged, NodeFound, NodeGone
from crawler.settings import CrawlSettings
from crawler.zone_crawler import ZoneCrawler

from .simnet import (
    OWN_ID,
    SECOND,
    START,
    WIRE,
    ZONE,
    SimContact,
    SimMessage,
    SimNet,
    SimNode,
    crawler_of,
    network,
    of,
    reply,
)


def hostile_network(seed: int = 1, inside: int = 100, outside: int = 30) -> tuple[SimNet, SimNode]:
    """Return a network and a node of it to turn hostile: one that many name."""
    net = network(seed, inside, outside)
    return net, net.reachable(ZONE)[3]


def found(events: list[Event]) -> set[int]:
    return {event.ip for event in of(NodeFound, events)}


def inventions(net: SimNet) -> Iterator[SimContact]:
    """Invent contacts of the zone at addresses where nobody is."""
    for number in count(1):
        yield SimContact(ZONE.random_id(net.rng), 0x30000000 + number, 6881)


def test_invented_contacts_by_the_hundred_thousand_in_one_reply() -> None:
    net, liar = hostile_network()
    source = inventions(net)
    payload = reply(b"", liar.node_id, [next(source) for _ in range(100_000)])[1:]
    liar.answer = lambda _node, transaction, _target: [b"r" + transaction + payload]
    crawler = crawler_of(net, settings=CrawlSettings(pause_s=60.0))
    _, events = net.run(crawler, START, crawls=1)
    honest = {n.ip for n in net.reachable(ZONE)}
    assert found(events) == honest
    # Asked twice, the liar names the same contacts twice: 256 are looked at, 100 are believed.
    assert crawler.counters["reply_limit"] == 2 * (100_000 - 256)
    assert crawler.counters["source_limit"] == 2 * (256 - 100)
    assert crawler.stats()["contacts"] == 100
    assert sum(n for (ip, _), n in net.sent.items() if ip >= 0x30000000) == 200


def test_contacts_invented_crawl_after_crawl_stay_bounded() -> None:
    net, _ = hostile_network(inside=60)
    source = inventions(net)

    def lie(node: SimNode, transaction: bytes, _target: bytes) -> list[bytes]:
        return [reply(transaction, node.node_id, [next(source) for _ in range(70)])]

    liars = net.reachable(ZONE)[:10]
    for liar in liars:
        liar.answer = lie
    crawler = crawler_of(net, settings=CrawlSettings(max_contacts=2_000))
    now, events = net.run(crawler, START, crawls=1)
    for _ in range(9):
        now, more = net.run(crawler, now, crawls=1)
        events += more
        assert crawler.stats()["contacts"] <= 2_000
        assert crawler.stats()["queued"] <= 5_000
    assert found(events) == {n.ip for n in net.reachable(ZONE)}
    rows = [e.row for e in events if isinstance(e, CrawlDone)]
    # Ten sources, 100 each; two packets each; and never more than the limit of a crawl.
    assert all(row.seen <= 1_100 and row.queries <= 2_600 for row in rows)
    assert all(row.seconds < 15 for row in rows)
    assert len(crawler.nodes) == len(net.reachable(ZONE))


def test_contacts_named_again_and_again_cost_no_more() -> None:
    net, liar = hostile_network()
    source = inventions(net)
    named = [next(source) for _ in range(50)]
    liar.answer = lambda node, transaction, _target: [reply(transaction, node.node_id, named)]
    crawler = crawler_of(net, settings=CrawlSettings(pause_s=15.0))
    net.run(crawler, START, until=START + 600 * SECOND)
    # Rests of 15, 30, 60, 120, 240, 480 s, in crawls of 15 s: six times at most, two packets each.
    assert max(net.sent[c.ip, c.port] for c in named) <= 12


def test_a_sybil_address_counts_as_few_nodes() -> None:
    net, liar = hostile_network()
    sybils = [SimNode(ZONE.random_id(net.rng), 0x31000001, port) for port in range(1_000, 2_000)]
    for sybil in sybils:
        net.nodes[sybil.ip, sybil.port] = sybil
        sybil.table = [net.rng.choice(sybils).contact for _ in range(20)]
    liar.table = [sybil.contact for sybil in sybils]
    crawler = crawler_of(net, settings=CrawlSettings(nodes_per_ip=8))
    _, events = net.run(crawler, START, crawls=4)
    assert sum(1 for node in crawler.nodes if node.ip == 0x31000001) == 8
    assert sum(n for (ip, _), n in net.sent.items() if ip == 0x31000001) <= 4 * 8 * 2 + 20
    assert crawler.counters["crowded_ip"] > 0
    assert len(found(events)) == len({n.ip for n in net.reachable(ZONE)})


def test_another_id_in_every_reply_ends_the_node_for_long() -> None:
    net, liar = hostile_network(inside=30, outside=10)
    liar.answer = lambda _node, transaction, _target: [reply(transaction, ZONE.random_id(net.rng))]
    crawler = crawler_of(net, settings=CrawlSettings(pause_s=5.0))
    _, events = net.run(crawler, START, until=START + 900 * SECOND)
    mine = [e for e in events if not isinstance(e, CrawlDone) and e.ip == liar.ip]
    assert [type(e) for e in mine] == [NodeFound] + [NodeChanged] * 6 + [NodeGone]
    assert crawler.counters["unstable_id"] == 1
    assert net.sent[liar.ip, liar.port] == 7


def test_wrong_transactions_wrong_sources_and_repeats_are_counted_and_change_nothing() -> None:
    net, liar = hostile_network()
    real = liar.node_id

    def lie(node: SimNode, transaction: bytes, _target: bytes) -> list[bytes]:
        wrong = bytes([transaction[0] ^ 1]) + transaction[1:]
        return [reply(wrong, ZONE.random_id(net.rng))] * 3 + [reply(transaction, node.node_id)] * 4

    liar.answer = lie
    victim = net.reachable(ZONE)[9]
    known = [n.contact for n in net.reachable(ZONE)[:8]]
    crawler = crawler_of(net, settings=CrawlSettings(pause_s=60.0))
    out, _ = crawler.tick(START)
    for ip, port, payload in out:
        net.inject(START + 2, (ip, port), reply(WIRE.query_of(payload)[0], net.nodes[ip, port].node_id, known))
    for _, _, payload in out:
        # A stranger who saw the query still answers from his own address.
        net.inject(START + 1, (victim.ip, victim.port), reply(WIRE.query_of(payload)[0], b"\xa5" * 20))
    _, events = net.run(crawler, START, crawls=1)
    assert b"\xa5" * 20 not in {e.node_id for e in events if isinstance(e, NodeFound)}
    assert [e.node_id for e in events if isinstance(e, NodeFound) and e.ip == liar.ip] == [real]
    assert crawler.counters["unexpected_reply"] == len(out) + 3 * 2
    assert crawler.counters["duplicate_reply"] == 3 * 2


def test_errors_and_our_own_id_find_nobody_but_keep_a_known_node_alive() -> None:
    net, known = hostile_network()
    echo, refuser = net.reachable(ZONE)[20:22]
    echo.answer = lambda _node, transaction, _target: [reply(transaction, OWN_ID)]
    refuser.answer = lambda _node, transaction, _target: [b"e" + transaction]
    crawler = crawler_of(net, settings=CrawlSettings(pause_s=5.0))
    now, events = net.run(crawler, START, crawls=2)
    assert not found(events) & {echo.ip, refuser.ip}
    assert crawler.counters["bad_sender_id"] == 1
    assert crawler.counters["error_reply"] == 1
    known.answer = refuser.answer
    _, events = net.run(crawler, now, until=now + 60 * SECOND)
    assert not [e for e in events if isinstance(e, NodeGone)]


def test_slow_answers_still_find_their_node() -> None:
    net = SimNet(5, delay_s=(2.5, 3.5))  # beyond the timeout of 2 s
    net.populate(ZONE, 40)
    bootstrap = [(n.ip, n.port) for n in net.reachable(ZONE)[:3]]
    crawler = ZoneCrawler(WIRE, ZONE, OWN_ID, bootstrap, random.Random(1))
    crawler.start(START)
    _, events = net.run(crawler, START, until=START + 60 * SECOND)
    assert found(events) == {n.ip for n in net.reachable(ZONE)}
    assert not [e for e in events if isinstance(e, NodeGone)]
    assert crawler.counters["late_reply"] > 40


def test_queries_and_garbage_are_counted_by_name() -> None:
    net, _ = hostile_network()
    crawler = crawler_of(net)
    rows = [(9, 9, b"q" + bytes(44)), (9, 9, b""), (9, 9, b"zzz"), (9, 9, b"r" + bytes(28))]
    crawler.feed(START, rows)
    assert crawler.counters == {"query_ignored": 1, "malformed_garbage": 2, "unexpected_reply": 1}


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 65535), st.binary(max_size=200))))
def test_feed_takes_any_bytes_from_anyone(rows: list[tuple[int, int, bytes]]) -> None:
    net, _ = hostile_network(inside=10, outside=5)
    crawler = crawler_of(net)
    _, events = crawler.feed(START, rows)
    assert events == []
    assert crawler.due(START) > START


class Scripted:
    """An overlay that parses to what a test wants to have arrived, whatever the bytes."""

    id_bytes = 20
    addressed = False

    def __init__(self) -> None:
        self.transactions: list[bytes] = []
        self.next = SimMessage("malformed")

    def crawl_query(self, own_id: bytes, target: bytes, transaction: bytes, node_id: bytes = b"") -> bytes:
        self.transactions.append(transaction)
        return transaction

    def crawl_echo(self, transaction: bytes, target: bytes, node_id: bytes) -> bytes:
        return transaction

    def parse(self, data: bytes) -> SimMessage:
        return self.next


IDS = st.one_of(st.binary(max_size=21), st.binary(min_size=19, max_size=19).map(lambda tail: b"\xa5" + tail))
ADDRESSES = st.tuples(st.sampled_from([0, 0x08080808, 0x08080809, 0x7F000001, 2**32 - 1]), st.integers(-1, 3))


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["query", "reply", "reply", "reply", "error", "malformed"]),
            st.integers(0, 5),
            IDS,
            st.lists(st.builds(lambda i, a: SimContact(i, *a), IDS, ADDRESSES), max_size=12),
            st.integers(0, 3_000),
        ),
        max_size=40,
    )
)
def test_any_messages_to_open_questions_are_survived(
    script: list[tuple[str, int, bytes, list[SimContact], int]],
) -> None:
    overlay = Scripted()
    crawler = ZoneCrawler(overlay, ZONE, OWN_ID, [(0x08080808, 1), (0x08080809, 2)], random.Random(1))
    crawler.start(0)
    sent, now = list(crawler.tick(0)[0]), 0
    for kind, back, sender_id, contacts, step_ms in script:
        now += step_ms * 1_000_000
        ip, port, transaction = sent[-1 - back % len(sent)]
        overlay.next = SimMessage(kind, transaction, sender_id, tuple(contacts))
        out, _ = crawler.feed(now, [(ip, port, b"")])
        sent.extend(out)
        assert crawler.due(now) >= now
    for _ in range(200):
        now = crawler.due(now)
        crawler.tick(now)
    # However it went, it goes on: crawl after crawl, with rests, never at one time for ever.
    assert now > sum(step for *_, step in script) * 1_000_000 + 10 * SECOND
    assert {(ip, port) for ip, port, _ in sent} <= {(ip, port) for ip in (0x08080808, 0x08080809) for port in (1, 2, 3)}


@pytest.mark.parametrize("limit", [1, 50])
def test_max_nodes_holds(limit: int) -> None:
    net, _ = hostile_network()
    crawler = crawler_of(net, settings=CrawlSettings(max_nodes=limit))
    net.run(crawler, START, crawls=2)
    assert len(crawler.nodes) == limit
    assert crawler.counters["nodes_full"] > 0
