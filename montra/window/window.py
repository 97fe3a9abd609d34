"""One monitoring window as a machine: crawl back to back, attach, capture, note every loss.

Sans-I/O: `start`, `feed`, `tick` and `due` are all a driver needs, so the gevent endpoint, the simulator and the
tests run the same code. The way of a datagram: those that arrive at local 0 are the crawler's, all others belong to
monitors and are scanned as a batch. Where a DHT encrypts, its wire opens what arrives before anybody looks at it, and
seals what leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crawler.events import CrawlDone, Event, NodeChanged, NodeFound, NodeGone, OwnView
from montra.datagrams import Counters, Datagram, DatagramBatch
from montra.monitors.fleet import FleetOutput
from montra.overlays.base import Overlay, Scan, Wire
from montra.window.newcomers import Newcomers
from zone_store.captures import Attachment, Captures, CrawlRow, Loss
from zone_store.contents import Content
from zone_store.keyspace.zone import Zone

CRAWLER = 0
"""The local index of the crawler's own address."""

Rows = list[tuple[int, int, bytes]]
"""What a crawler takes and gives: (ip, port, payload)."""

LEDGER_INTERVAL_NS = 10_000_000_000
"""How finely the ledger of losses is divided in time."""


class Recorder(Protocol):
    """Where a window writes: the run store's writer, or a list in a test."""

    def captures(self, captures: Captures) -> None:
        """Keep captured copies."""
        ...

    def attachment(self, attachment: Attachment) -> None:
        """Keep the newest state of one target interval."""
        ...

    def crawl(self, row: CrawlRow) -> None:
        """Keep one crawl."""
        ...

    def loss(self, loss: Loss) -> None:
        """Keep one ledger row."""
        ...

    def content(self, content: Content) -> None:
        """Keep what was said of a content ID."""
        ...


class Crawling(Protocol):
    """Who tells of the zone's nodes: `crawler.zone_crawler.ZoneCrawler`, or another process that has it."""

    @property
    def counters(self) -> Mapping[str, int]:
        """Losses and oddities by name, ever growing."""
        ...

    @property
    def own_id(self) -> bytes:
        """The ID that the crawler's address answers to, b"" if this process has no such address."""
        ...

    def start(self, now_ns: int) -> None:
        """Begin."""
        ...

    def feed(self, now_ns: int, rows: Iterable[tuple[int, int, bytes]]) -> tuple[Rows, list[Event]]:
        """Take datagrams that arrived at the crawler's address; return datagrams to send and events."""
        ...

    def tick(self, now_ns: int) -> tuple[Rows, list[Event]]:
        """Do what is due; the same."""
        ...

    def due(self, now_ns: int) -> int:
        """Return when `tick` has something to do."""
        ...

    def probe(self, now_ns: int, ip: int, port: int, node_id: bytes) -> None:
        """Ask a node for a view soon."""
        ...


class Monitors(Protocol):
    """Who attaches to them: `montra.monitors.fleet.Fleet`, or other processes that have one each."""

    @property
    def counters(self) -> Counters:
        """Losses and oddities by name, ever growing."""
        ...

    def found(self, now_ns: int, node_id: bytes, ip: int, port: int, version: bytes = b"") -> None:
        """A node of the zone answers at this address."""
        ...

    def changed(self, now_ns: int, old_id: bytes, node_id: bytes, ip: int, port: int, in_zone: bool) -> None:
        """The node at this address answers under another ID."""
        ...

    def gone(self, now_ns: int, node_id: bytes, ip: int, port: int) -> None:
        """The crawl lost this node."""
        ...

    def own_view(
        self, now_ns: int, ip: int, port: int, own: tuple[tuple[bytes, int, int], ...], node_id: bytes = b""
    ) -> None:
        """A node told whom it hands out near its own ID."""
        ...

    def feed(self, now_ns: int, batch: DatagramBatch, scan: Scan) -> FleetOutput:
        """Take in what arrived at the monitors' addresses."""
        ...

    def tick(self, now_ns: int) -> list[Datagram]:
        """Do what is due; return what to send."""
        ...

    def due(self, now_ns: int) -> int:
        """Return when `tick` has something to do."""
        ...

    def take_changed(self) -> list[Attachment]:
        """Return the attachments whose stored row changed."""
        ...

    def take_probes(self) -> list[tuple[int, int, bytes]]:
        """Return the nodes (ip, port, ID) to ask for a view."""
        ...

    def seal(self, now_ns: int) -> Iterable[Attachment]:
        """End every attachment; return the rows that changed."""
        ...

    def states(self) -> dict[str, int]:
        """Count monitors by state."""
        ...

    def ids_at(self, local: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Return the IDs of the monitors at these local addresses, uint8[n, L], zeros where there is none."""
        ...


@dataclass(slots=True)
class Totals:
    """What a window has done so far."""

    captures: int = 0
    crawls: int = 0
    last_crawl: CrawlRow | None = None
    counters: dict[str, int] = field(default_factory=dict)


class Window:
    """Drives the crawler and the fleet and records what they find.

    zone: of the fleet; nodes that come into it are looked out for in the captures (`newcomers`), None for no such
    looking. wire: what opens and seals datagrams, None if nothing does. outside: callables that return cumulative
    counters kept elsewhere (endpoint, store), read at each ledger interval. losses: the names of counters that are
    losses and belong on the ledger; all others are only totals.
    """

    def __init__(
        self,
        overlay: Overlay,
        crawler: Crawling,
        fleet: Monitors,
        recorder: Recorder,
        *,
        losses: Callable[[str], bool],
        zone: Zone | None = None,
        wire: Wire | None = None,
        outside: Iterable[Callable[[], dict[str, int]]] = (),
    ) -> None:
        self.overlay = overlay
        self.crawler = crawler
        self.fleet = fleet
        self.recorder = recorder
        self.outside = list(outside)
        self.totals = Totals()
        self._is_loss = losses
        self._wire = wire
        # requests of an addressed DHT do not say whose they are
        self._newcomers = Newcomers(zone) if zone is not None and not overlay.addressed else None
        self._ledger_begin_ns = 0
        self._ledger_due_ns = 0
        self._ledger_seen: dict[str, int] = {}

    def start(self, now_ns: int) -> list[Datagram]:
        """Begin: the first crawl's first queries."""
        self._ledger_begin_ns = now_ns
        self._ledger_due_ns = now_ns + LEDGER_INTERVAL_NS
        self.crawler.start(now_ns)
        return self.tick(now_ns)

    def feed(self, now_ns: int, batch: DatagramBatch) -> list[Datagram]:
        """Take received datagrams, return what to send."""
        if self._wire is None:
            return self._feed(now_ns, batch)
        own_ids = self.fleet.ids_at(batch.local)
        to_crawler = batch.local == CRAWLER
        if self.crawler.own_id:
            own_ids[to_crawler] = np.frombuffer(self.crawler.own_id, np.uint8)
        return self._wire.seal(self._feed(now_ns, self._wire.open(batch, own_ids)))

    def tick(self, now_ns: int) -> list[Datagram]:
        """Do what is due, return what to send."""
        outgoing = self._tick(now_ns)
        return outgoing if self._wire is None else self._wire.seal(outgoing)

    def due(self, now_ns: int) -> int:
        """Return when `tick` has something to do next."""
        return min(self.fleet.due(now_ns), self.crawler.due(now_ns), self._ledger_due_ns)

    def seal(self, now_ns: int) -> None:
        """End the window: close the open intervals and the ledger. The recorder is sealed by whoever made it."""
        for attachment in self.fleet.seal(now_ns):
            self.recorder.attachment(attachment)
        self.write_ledger(now_ns)

    def write_ledger(self, now_ns: int) -> None:
        """Put what was lost since the last time on the ledger."""
        counters = dict(self.crawler_counters())
        counters.update({f"monitor_{name}": n for name, n in self.fleet.counters.counts.items()})
        if self._wire is not None:
            counters.update({f"wire_{name}": n for name, n in self._wire.counters.counts.items()})
        for read in self.outside:
            counters.update(read())
        for name, count in sorted(counters.items()):
            new = count - self._ledger_seen.get(name, 0)
            if new > 0 and self._is_loss(name):
                self.recorder.loss(Loss(name, self._ledger_begin_ns, now_ns, new))
        self._ledger_seen = counters
        self.totals.counters = counters
        self._ledger_begin_ns = now_ns
        self._ledger_due_ns = now_ns + LEDGER_INTERVAL_NS

    def crawler_counters(self) -> dict[str, int]:
        """Return the crawler's counters under names of their own."""
        return {f"crawl_{name}": n for name, n in self.crawler.counters.items()}

    def _feed(self, now_ns: int, batch: DatagramBatch) -> list[Datagram]:
        outgoing: list[Datagram] = []
        to_crawler = batch.local == CRAWLER
        if to_crawler.any():
            rows = rows_of(batch, np.flatnonzero(to_crawler).tolist())
            outgoing += self._crawled(now_ns, self.crawler.feed(now_ns, rows))
            if len(rows) == len(batch):
                return outgoing
            batch = batch.select(np.flatnonzero(~to_crawler))
        result = self.fleet.feed(now_ns, batch, self.overlay.scan(batch))
        if len(result.captures):
            self.totals.captures += len(result.captures)
            self.recorder.captures(result.captures)
            if self._newcomers is not None:
                for ip, port, node_id in self._newcomers.take(now_ns, result.captures):
                    self.crawler.probe(now_ns, ip, port, node_id)
        for content in result.contents:
            self.recorder.content(content)
        return outgoing + result.outgoing

    def _tick(self, now_ns: int) -> list[Datagram]:
        outgoing: list[Datagram] = []
        if self.fleet.due(now_ns) <= now_ns:
            outgoing += self.fleet.tick(now_ns)
            # at once: a monitor is recorded before it can capture, so that a run cut off here is whole
            self._record_attachments()
            for ip, port, node_id in self.fleet.take_probes():
                self.crawler.probe(now_ns, ip, port, node_id)
        if self.crawler.due(now_ns) <= now_ns:
            outgoing += self._crawled(now_ns, self.crawler.tick(now_ns))
        if now_ns >= self._ledger_due_ns:
            self._record_attachments()
            self.write_ledger(now_ns)
        return outgoing

    def _record_attachments(self) -> None:
        for attachment in self.fleet.take_changed():
            self.recorder.attachment(attachment)

    def _crawled(self, now_ns: int, result: tuple[Rows, list[Event]]) -> list[Datagram]:
        queries, events = result
        for event in events:
            self._event(now_ns, event)
        return as_datagrams(queries)

    def _event(self, now_ns: int, event: Event) -> None:
        match event:
            case NodeFound():
                if self._newcomers is not None:
                    self._newcomers.found(event.node_id, event.ip, event.port)
                self.fleet.found(now_ns, event.node_id, event.ip, event.port, event.version)
            case NodeChanged():
                if self._newcomers is not None:
                    self._newcomers.found(event.node_id, event.ip, event.port)
                self.fleet.changed(now_ns, event.old_id, event.node_id, event.ip, event.port, event.in_zone)
            case NodeGone():
                if self._newcomers is not None:
                    self._newcomers.gone(event.ip, event.port)
                self.fleet.gone(now_ns, event.node_id, event.ip, event.port)
            case OwnView():
                self.fleet.own_view(now_ns, event.ip, event.port, event.own, event.node_id)
            case CrawlDone():
                self.totals.crawls += 1
                self.totals.last_crawl = event.row
                self.recorder.crawl(event.row)


def rows_of(batch: DatagramBatch, rows: Iterable[int]) -> Rows:
    """Return these rows of a batch as a crawler takes them."""
    # columns as lists and one flat view: a fifth of the cost of indexing arrays for each value
    ips, ports, ends = batch.source_ip.tolist(), batch.source_port.tolist(), batch.length.tolist()
    slot = batch.buffer.shape[1]
    flat = np.ascontiguousarray(batch.buffer[: len(batch)]).data.cast("B")
    return [(ips[i], ports[i], bytes(flat[i * slot : i * slot + ends[i]])) for i in rows]


def as_datagrams(queries: Rows) -> list[Datagram]:
    """Return a crawler's queries as datagrams from its own address."""
    return [Datagram(CRAWLER, ip, port, payload) for ip, port, payload in queries]
