"""The crawler over Kad, where queries name whom they are meant for and replies name nobody."""

import random
from collections.abc import Iterable, Mapping

import pytest

from crawler.events import CrawlDone, NodeFound, NodeGone, OwnView
from crawler.settings import CrawlSettings
from crawler.zone_crawler import ZoneCrawler
from montra.overlays.kad import OVERLAY
from montra.overlays.kad.head import Opening, opened
from montra.overlays.kad.messages import Bootstrap, Contact, bootstrap, read_request, response
from montra.overlays.kad.opcodes import Op
from zone_store.keyspace.zone import Zone

from .simnet import MONITOR, SECOND, START, SimContact, SimMessage, SimNet, SimNode, of

ZONE = Zone.parse("a4/6", 128)
OWN_ID = b"\x5c" * 16
ENVELOPE_BYTES = 20
SETTINGS = CrawlSettings(spacing_s=6.5)
#: What nodes of the network say of each other's client; a node does not say its own version in a RES.
VERSION = 9


class KadWire:
    """Kad as the crawler's machine writes and reads it, and the node's side of it."""

    id_bytes = 16
    addressed = True

    def crawl_query(self, own_id: bytes, target: bytes, transaction: bytes, node_id: bytes = b"") -> bytes:
        return OVERLAY.crawl_query(own_id, target, transaction, node_id)

    def crawl_echo(self, transaction: bytes, target: bytes, node_id: bytes) -> bytes:
        return OVERLAY.crawl_echo(transaction, target, node_id)

    def parse(self, data: bytes) -> SimMessage:
        return OVERLAY.parse(data)  # type: ignore[return-value]

    def query_of(self, payload: bytes) -> tuple[bytes, bytes, bytes]:
        recipient, packet = payload[:16], payload[ENVELOPE_BYTES:]
        if packet[1] == Op.BOOTSTRAP_REQ:
            assert recipient == bytes(16)
            return b"bootstrap", b"", b""
        request = read_request(packet)
        assert (packet[1], request.wanted, request.recipient) == (Op.REQ, 31, recipient)
        return request.target, request.target, recipient

    def reply(self, transaction: bytes, sender_id: bytes, contacts: Iterable[SimContact]) -> bytes:
        named = [Contact(c.node_id, c.ip, c.port, 4662, VERSION) for c in contacts]
        if transaction == b"bootstrap":
            return opened(bootstrap(Bootstrap(sender_id, 4662, VERSION, tuple(named))))
        return opened(response(transaction, named), Opening.OBFUSCATED | Opening.VERIFIED)


def network(inside: int, outside: int = 0, natted: int = 0) -> SimNet:
    net = SimNet(1, loss=0.01, wire=KadWire())
    net.populate(ZONE, inside, outside, natted, k=10)
    return net


def crawler_of(net: SimNet, starts: Mapping[tuple[int, int], bytes]) -> ZoneCrawler:
    crawler = ZoneCrawler(
        OVERLAY, ZONE, OWN_ID, starts, random.Random(1), SETTINGS, lambda ip, port: (ip, port) == MONITOR
    )
    crawler.start(START)
    return crawler


def outsiders(net: SimNet) -> list[SimNode]:
    return [node for node in net.nodes.values() if not ZONE.contains(node.node_id)]


@pytest.mark.parametrize("known", [True, False])
def test_crawls_a_kad_network_from_nodes_with_and_without_a_known_id(known: bool) -> None:
    net = network(120, 80, natted=30)
    starts = {(n.ip, n.port): n.node_id if known else b"" for n in outsiders(net)[:3]}
    crawler = crawler_of(net, starts)
    _, events = net.run(crawler, START, crawls=3)
    found = of(NodeFound, events)
    assert {(e.node_id, e.ip, e.port) for e in found} == {(n.node_id, n.ip, n.port) for n in net.reachable(ZONE)}
    assert {e.version for e in found} == {bytes([VERSION])}
    assert net.closest_spacing >= 6.5 * SECOND
    assert crawler.counters["unexpected_reply"] == 0
    (*_, last) = [event.row for event in of(CrawlDone, events)]
    assert last.completeness > 0.98


def test_a_bootstrap_node_whose_id_is_outdated_is_asked_without_it() -> None:
    net = network(30, 10)
    (start, *_) = outsiders(net)
    crawler = crawler_of(net, {(start.ip, start.port): OWN_ID[::-1]})
    _, events = net.run(crawler, START, crawls=4)
    assert len(of(NodeFound, events)) == len(net.reachable(ZONE))
    assert crawler.bootstrapped


def test_a_node_that_takes_another_id_is_lost_and_found_under_it() -> None:
    net = network(30, 10)
    start = outsiders(net)[0]
    crawler = crawler_of(net, {(start.ip, start.port): start.node_id})
    now, _ = net.run(crawler, START, crawls=2)
    node = net.reachable(ZONE)[0]
    old_id = node.node_id
    for other in net.nodes.values():
        other.table = [contact for contact in other.table if contact.node_id != old_id]
    node.node_id = ZONE.random_id(net.rng)
    net.announce(node)
    _, events = net.run(crawler, now, until=now + 300 * SECOND)
    assert [(e.node_id, e.ip) for e in of(NodeGone, events)] == [(old_id, node.ip)]
    assert [(e.node_id, e.ip) for e in of(NodeFound, events)] == [(node.node_id, node.ip)]


def test_a_view_tells_whether_the_monitor_is_handed_out() -> None:
    net = network(30, 10)
    start = outsiders(net)[0]
    crawler = crawler_of(net, {(start.ip, start.port): start.node_id})
    node = net.reachable(ZONE)[0]
    monitor = SimContact(node.node_id[:-1] + bytes([node.node_id[-1] ^ 1]), *MONITOR)
    node.table.append(monitor)
    now, events = net.run(crawler, START, crawls=2)
    assert {view.own for view in of(OwnView, events) if view.ip == node.ip} == {(tuple(monitor),)}
    crawler.probe(now, node.ip, node.port, node.node_id)
    _, events = net.run(crawler, now, until=now + 30 * SECOND)
    assert (node.ip, (tuple(monitor),)) in [(view.ip, view.own) for view in of(OwnView, events)]


def test_answers_of_others_to_questions_that_they_could_guess_are_not_taken() -> None:
    net = network(30, 10)
    start = outsiders(net)[0]
    crawler = crawler_of(net, {(start.ip, start.port): start.node_id})
    node = net.reachable(ZONE)[0]
    forged = net.wire.reply(node.node_id, b"", [SimContact(ZONE.random_id(net.rng), 0x15000001, 1)])
    for second in range(60):
        net.inject(START + second * SECOND, (0x16000001, 1), forged)
    _, events = net.run(crawler, START, until=START + 60 * SECOND)
    assert crawler.counters["unexpected_reply"] == 60
    assert 0x15000001 not in {found.ip for found in of(NodeFound, events)}


def test_a_node_that_has_proved_its_address_must_go_on_to_do_so() -> None:
    net = network(30, 10)
    start = outsiders(net)[0]
    crawler = crawler_of(net, {(start.ip, start.port): start.node_id})
    now, _ = net.run(crawler, START, crawls=1)
    node = net.reachable(ZONE)[0]
    forged = opened(response(node.node_id, [Contact(ZONE.random_id(net.rng), 0x15000001, 1, 1, 8)]))
    for second in range(30):
        net.inject(now + second * SECOND, (node.ip, node.port), forged)
    _, events = net.run(crawler, now, until=now + 60 * SECOND)
    assert crawler.counters["unproved_reply"] == 30
    assert (0x15000001, 1) not in net.sent
    assert of(NodeGone, events) == []
    # one that is lost begins anew, perhaps without the means to prove it
    node.alive = False
    now, events = net.run(crawler, now + 60 * SECOND, until=now + 160 * SECOND)
    assert [gone.ip for gone in of(NodeGone, events)] == [node.ip]
    node.alive = True
    node.answer = lambda one, _, target: [opened(response(target, [Contact(*c, 1, 8) for c in one.nearest(target)]))]
    _, events = net.run(crawler, now, until=now + 600 * SECOND)
    assert [found.ip for found in of(NodeFound, events)] == [node.ip]
