"""Crawling alone, as a machine: who is in the zone, without monitors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crawler.events import CrawlDone, Event
from crawler.zone_crawler import ZoneCrawler
from montra.datagrams import Datagram, DatagramBatch
from montra.overlays.base import Wire
from montra.window.window import Rows, as_datagrams, rows_of
from zone_store.captures import CrawlRow


class Survey:
    """Drives a crawler and tells of each ended crawl; fits the driver like a window does.

    wire: what opens and seals datagrams, None if nothing does.
    """

    def __init__(self, crawler: ZoneCrawler, done: Callable[[CrawlRow], None], wire: Wire | None = None) -> None:
        self.crawler = crawler
        self._done = done
        self._wire = wire

    def start(self, now_ns: int) -> list[Datagram]:
        """Begin the first crawl."""
        self.crawler.start(now_ns)
        return self.tick(now_ns)

    def feed(self, now_ns: int, batch: DatagramBatch) -> list[Datagram]:
        """Take answers, return further questions."""
        if self._wire is not None:
            own_id = np.frombuffer(self.crawler.own_id, np.uint8)
            batch = self._wire.open(batch, np.tile(own_id, (len(batch), 1)))
        return self._out(self.crawler.feed(now_ns, rows_of(batch, range(len(batch)))))

    def tick(self, now_ns: int) -> list[Datagram]:
        """Do what is due."""
        return self._out(self.crawler.tick(now_ns))

    def due(self, now_ns: int) -> int:
        """Return when `tick` has something to do next."""
        return self.crawler.due(now_ns)

    def _out(self, result: tuple[Rows, list[Event]]) -> list[Datagram]:
        queries, events = result
        for event in events:
            if isinstance(event, CrawlDone):
                self._done(event.row)
        outgoing = as_datagrams(queries)
        return outgoing if self._wire is None else self._wire.seal(outgoing)
