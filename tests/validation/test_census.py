"""True completeness of crawls."""

import math

from montra.datagrams import ip_number
from montra.validation.census import completeness
from montra.validation.coverage import by_target
from montra.validation.truth import TruthNode
from zone_store.captures import CrawlRow

from .worlds import at, attachment, id_of, node_ip


def node(index: int, byte: int, up_s: float, down_s: float = 0.0) -> TruthNode:
    down_ns = at(down_s) if down_s else 0
    return TruthNode(index, id_of(byte), ip_number(node_ip(index)), 6881, at(up_s), down_ns)


def crawl(number: int, begin_s: float, end_s: float, share: float, low: float, high: float) -> CrawlRow:
    estimate = 4.0 if share else 0.0
    return CrawlRow(number, at(begin_s), at(end_s), 4, 4, 0, 0, 0, 8, 8, estimate, share, low, high)


def test_known_at_the_end_of_those_alive_throughout() -> None:
    nodes = [node(1, 0xA4, 0), node(2, 0xA5, 0), node(3, 0xA6, 0, 25), node(4, 0xA7, 12)]
    beside = by_target(
        [
            attachment(1, 1, 0xA4, found_s=5.0),
            attachment(2, 2, 0xA5, found_s=15.0),
            attachment(3, 3, 0xA6, found_s=5.0, lost_s=19.0),
            attachment(5, 3, 0xA7, found_s=5.0),
        ]
    )
    crawls = [
        crawl(1, 2, 10, 0.0, 0.0, 0.0),  # alive: 1, 2, 3; known: 1, 3
        crawl(2, 10, 20, 0.9, 0.6, 1.0),  # alive: 1, 2, 3; known: 1, 2
        crawl(3, 20, 30, 1.0, 0.9, 1.0),  # alive: 1, 2, 4; known: 1, 2
        crawl(4, 26, 40, 0.8, 0.6, 0.9),  # alive: 1, 2, 4; known: 1, 2
        crawl(5, 40, 99, 0.1, 0.1, 0.1),  # ends too late
    ]
    found = completeness(nodes, beside, crawls, at(50))
    assert (found.crawls, found.median, found.least) == (4, 2 / 3, 2 / 3)
    assert (found.estimated, found.estimate_median, found.held) == (3, 0.9, 2)
    alone = completeness(nodes[:1], beside, crawls, at(50))
    assert (alone.median, alone.least, alone.held) == (1.0, 1.0, 2)


def test_no_crawl_tells_nothing() -> None:
    found = completeness([], {}, [crawl(1, 2, 10, 0.9, 0.8, 1.0)], at(50))
    assert (found.crawls, found.estimated, found.held) == (0, 0, 0)
    assert math.isnan(found.median)
    assert math.isnan(found.least)
