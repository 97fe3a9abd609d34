"""The crawler over the real wire: Mainline's own queries, and replies as BEP 5 nodes write them."""

import random
from collections.abc import Iterable

from crawler.events import CrawlDone, NodeFound
from crawler.zone_crawler import ZoneCrawler
from montra.overlays.mainline import OVERLAY

from .simnet import OWN_ID, START, ZONE, SimContact, SimMessage, SimNet


class MainlineWire:
    """Mainline, and the node's side of it written out by hand."""

    id_bytes = 20
    addressed = False

    def crawl_query(self, own_id: bytes, target: bytes, transaction: bytes, node_id: bytes = b"") -> bytes:
        return OVERLAY.crawl_query(own_id, target, transaction)

    def crawl_echo(self, transaction: bytes, target: bytes, node_id: bytes) -> bytes:
        return transaction

    def parse(self, data: bytes) -> SimMessage:
        return OVERLAY.parse(data)  # type: ignore[return-value]

    def query_of(self, payload: bytes) -> tuple[bytes, bytes, bytes]:
        query = OVERLAY.parse(payload)
        assert (query.type, query.method, query.sender_id) == ("query", "find_node", OWN_ID)
        assert b"2:roi1e" in payload
        return query.transaction, query.key, b""

    def reply(self, transaction: bytes, sender_id: bytes, contacts: Iterable[SimContact]) -> bytes:
        nodes = b"".join(c.node_id + c.ip.to_bytes(4) + c.port.to_bytes(2) for c in contacts)
        values = b"d2:id20:" + sender_id + b"5:nodes%d:" % len(nodes) + nodes + b"e"
        return b"d1:r" + values + b"1:t%d:" % len(transaction) + transaction + b"1:v4:LT\x02\x011:y1:re"


def test_crawls_a_mainline_network() -> None:
    net = SimNet(1, loss=0.01, wire=MainlineWire())
    net.populate(ZONE, 150, 100, natted=40)
    outside = [(n.ip, n.port) for n in net.nodes.values() if not ZONE.contains(n.node_id)]
    crawler = ZoneCrawler(OVERLAY, ZONE, OWN_ID, outside[:3], random.Random(1))
    crawler.start(START)
    _, events = net.run(crawler, START, crawls=3)
    found = [event for event in events if isinstance(event, NodeFound)]
    assert {(e.node_id, e.ip, e.port) for e in found} == {(n.node_id, n.ip, n.port) for n in net.reachable(ZONE)}
    assert {e.version for e in found} == {b"LT\x02\x01"}
    (*_, last) = [event.row for event in events if isinstance(event, CrawlDone)]
    assert last.completeness > 0.98
