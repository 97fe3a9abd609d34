"""Montra's own receive path for the ingest benchmark: sockets, driver, window, fleet, run store. See bench/README.md.

Prints "ready", receives until standard input ends and nothing more comes, seals the run, prints one line of JSON.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from random import Random

import gevent
import gevent.event
import gevent.socket

from bench.common.usage import cpu_seconds, peak_bytes
from bench.ingest import world
from bench.ingest.receiver import QUIET_S, Options, serve
from crawler.settings import CrawlSettings
from crawler.zone_crawler import ZoneCrawler
from montra.datagrams import Datagram, DatagramBatch, ip_number
from montra.endpoint.clock import AnchoredClock
from montra.endpoint.driver import Driver
from montra.endpoint.driving import DriverSettings
from montra.endpoint.ring import RingSettings
from montra.endpoint.sockets import open_sockets
from montra.window.window import Window
from zone_store.losses import is_loss
from zone_store.run.folder import Manifest, create_run
from zone_store.run.writer import RunWriter

#: Nobody answers there: the crawl finds nobody and the crawler rests.
_MUTE = (ip_number("127.151.255.254"), 9)


class Stopwatch:
    """The window as the driver sees it, with the times of its first and last batch."""

    def __init__(self, window: Window) -> None:
        self.start = window.start
        self.tick = window.tick
        self.due = window.due
        self._window = window
        self.first = self.last = 0.0

    def feed(self, now_ns: int, batch: DatagramBatch) -> list[Datagram]:
        """Hand a batch to the window."""
        if not self.first:
            self.first = time.monotonic()
        outgoing = self._window.feed(now_ns, batch)
        self.last = time.monotonic()
        return outgoing


def receive(given: Options) -> dict[str, object]:
    """Receive until standard input ends; returns what was counted and how long it took."""
    clock = AnchoredClock()
    built = world.build(given.monitors, given.port, given.ports)
    attachments = world.attach(built, given.monitors, clock.now_ns())
    crawler = ZoneCrawler(
        built.overlay, world.ZONE, bytes(20), [_MUTE], Random(4), CrawlSettings(empty_s=3600.0, empty_max_s=3600.0)
    )
    run = create_run(given.folder, clock.now_ns(), "mainline", world.ZONE)
    ring = RingSettings() if given.receive == "ring" else None
    with open_sockets(built.plan, "shared", given.buffer, ring=ring) as sockets, _writer(run, clock) as writer:
        for attachment in attachments:
            writer.attachment(attachment)
        writer.drain()
        window = Window(built.overlay, crawler, built.fleet, writer, losses=is_loss)
        watch = Stopwatch(window)
        driver = Driver(built.plan, sockets, watch, DriverSettings(), clock)
        window.outside.append(lambda: dict(driver.counters.counts))
        stop = gevent.event.Event()
        gevent.spawn(_wait_for_end, driver, stop)
        if given.progress:
            gevent.spawn(_tell, given.progress, driver, window, writer)
        print("ready", flush=True)
        used = cpu_seconds()
        driver.run(stop=stop)
        begin = time.monotonic()
        writer.drain()
        drain = time.monotonic() - begin
        used = cpu_seconds() - used
        window.seal(clock.now_ns())
        writer.seal(clock.now_ns(), "complete", window.totals.counters)
    return {
        "received": driver.counters.counts.get("received", 0),
        "drops": driver.counters.counts.get("kernel_drops", 0),
        "drops_by_port": {bound.port: bound.dropped for bound in sockets.bound},
        "first": watch.first,
        "last": watch.last,
        "drain": drain,
        "cpu": used,
        "peak_rss": peak_bytes(),
        "run": str(run),
    }


def _writer(run: Path, clock: AnchoredClock) -> RunWriter:
    manifest = Manifest(montra_version="bench", overlay="mainline", zone=str(world.ZONE), start_ns=clock.now_ns())
    return RunWriter(run, manifest, "")


def _wait_for_end(driver: Driver, stop: gevent.event.Event) -> None:
    """Set `stop` once standard input has ended and nothing more arrives."""
    gevent.socket.wait_read(0)
    seen = -1
    while seen != driver.counters.counts.get("received", 0):
        seen = driver.counters.counts.get("received", 0)
        gevent.sleep(QUIET_S)
    stop.set()


def _tell(every_s: int, driver: Driver, window: Window, writer: RunWriter) -> None:
    """Print a line of progress every so many seconds, for ever."""
    begin, used, before = time.monotonic(), cpu_seconds(), 0
    while True:
        gevent.sleep(every_s)
        now, now_used, received = time.monotonic(), cpu_seconds(), driver.counters.counts.get("received", 0)
        print(
            f"received {received:,} ({(received - before) / (now - begin):,.0f}/s), "
            f"stored {window.totals.captures - writer.pending:,}, "
            f"dropped {driver.counters.counts.get('kernel_drops', 0):,}, "
            f"{(now_used - used) / (now - begin):.0%} of a CPU, {peak_bytes() / 2**20:,.0f} MiB at most",
            file=sys.stderr,
        )
        begin, used, before = now, now_used, received


if __name__ == "__main__":
    serve(receive)
