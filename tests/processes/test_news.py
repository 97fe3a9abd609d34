"""The crawl as a worker sees it."""

from __future__ import annotations

from crawler.events import NodeChanged, NodeFound, NodeGone, OwnView
from montra.processes.messages import Changed, Found, Gone, View
from montra.processes.news import NEVER_NS, NewsCrawler

A, B = bytes([1]) * 20, bytes([2]) * 20


def test_what_is_told_becomes_events_once() -> None:
    crawler = NewsCrawler()
    assert crawler.due(5) == NEVER_NS
    crawler.told([Found(A, 1, 2, b"LT"), Changed(A, B, 1, 2, False), Gone(A, 3, 4), View(B, 1, 2, ((A, 5, 6),))])
    assert crawler.due(5) == 5
    assert crawler.tick(7) == (
        [],
        [
            NodeFound(7, A, 1, 2, b"LT"),
            NodeChanged(7, A, B, 1, 2, False),
            NodeGone(7, A, 3, 4, 0),
            OwnView(7, B, 1, 2, ((A, 5, 6),)),
        ],
    )
    assert crawler.tick(8) == ([], [])


def test_probes_wait_to_be_taken_and_are_bounded() -> None:
    crawler = NewsCrawler()
    asked: list[int] = []
    crawler.wanted = lambda: asked.append(1)
    for port in range(1, 10_003):
        crawler.probe(0, 1, port, A)
    assert len(asked) == 10_000
    assert crawler.counters == {"probe_overflow": 2}
    assert crawler.take_probes(2) == [(1, 1, A), (1, 2, A)]
    assert len(crawler.take_probes(20_000)) == 9_998
    assert crawler.take_probes(1) == []
