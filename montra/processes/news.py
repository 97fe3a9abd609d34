"""The crawl as a worker sees it: events that come through its pipe, and probes that go back through it.

Stands in the window where a single process has the crawler itself (`montra.window.window.Crawling`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from crawler.crawl import NEVER_NS
from crawler.events import Event, NodeChanged, NodeFound, NodeGone, OwnView
from montra.processes.messages import Changed, Found, Gone, News

#: Probes that may wait for a parent that does not read.
_MAX_PROBES = 10_000

Rows = list[tuple[int, int, bytes]]


class NewsCrawler:
    """Knows nothing itself, and has no address.

    wanted: called when there are probes to take; counters: probe_overflow, as a crawler's.
    """

    own_id = b""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.wanted: Callable[[], None] = lambda: None
        self._news: list[News] = []
        self._probes: list[tuple[int, int, bytes]] = []

    def start(self, now_ns: int) -> None:
        """Begin."""

    def feed(self, now_ns: int, rows: Iterable[tuple[int, int, bytes]]) -> tuple[Rows, list[Event]]:
        """Take nothing: this process has no crawler's socket."""
        return [], []

    def tick(self, now_ns: int) -> tuple[Rows, list[Event]]:
        """Return what the crawling process told since the last call."""
        news, self._news = self._news, []
        return [], [_event(now_ns, one) for one in news]

    def due(self, now_ns: int) -> int:
        """Return when `tick` has something to say: now or never."""
        return now_ns if self._news else NEVER_NS

    def probe(self, now_ns: int, ip: int, port: int, node_id: bytes) -> None:
        """Keep a probe for the crawling process."""
        if len(self._probes) < _MAX_PROBES:
            self._probes.append((ip, port, node_id))
            self.wanted()
        else:
            self.counters["probe_overflow"] += 1

    def told(self, news: Iterable[News]) -> None:
        """The crawling process says something."""
        self._news.extend(news)

    def take_probes(self, most: int) -> Rows:
        """Return probes to send, at most so many."""
        taken, self._probes = self._probes[:most], self._probes[most:]
        return taken


def _event(now_ns: int, news: News) -> Event:
    match news:
        case Found():
            return NodeFound(now_ns, news.node_id, news.ip, news.port, news.version)
        case Changed():
            return NodeChanged(now_ns, news.old_id, news.node_id, news.ip, news.port, news.ours)
        case Gone():
            return NodeGone(now_ns, news.node_id, news.ip, news.port, 0)
    return OwnView(now_ns, news.node_id, news.ip, news.port, news.own)
