"""Montra's side of the attach benchmark: fleet, window, driver, sockets and run store, as `montra monitor` joins them.

Only the crawl is scripted: it finds the targets at a given rate, and grants views by real packets.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from random import Random

import gevent
import gevent.event
import gevent.socket
import numpy as np

from bench.attach import place
from bench.attach.holder import Meter, Options, memory, options
from crawler.events import Event, NodeFound, OwnView
from montra.endpoint.clock import AnchoredClock
from montra.endpoint.driver import Driver
from montra.endpoint.driving import DriverSettings
from montra.endpoint.limits import LimitSettings, Rate
from montra.endpoint.plan import AddressPlan
from montra.endpoint.sockets import open_sockets
from montra.monitors.fleet import Fleet
from montra.monitors.settings import FleetSettings
from montra.overlays import base as overlays
from montra.overlays.base import Overlay
from montra.window.window import Window
from zone_store.losses import is_loss
from zone_store.run.folder import Manifest, create_run
from zone_store.run.writer import RunWriter

LOOK_S = 1.0
FLUSH_EVERY = 5
_STEP_NS = 100_000_000
_BUFFER = 8 << 20
#: What the network side would allow is not what is measured: only the limit for each target is the shipped one.
LIMITS = LimitSettings(total=Rate(100_000, 20_000), subnet=Rate(10_000, 10_000))


class Discovery:
    """Stands for the crawler: names the targets in random order, and asks for views (fits `window.Crawling`)."""

    def __init__(self, given: Options, overlay: Overlay, plan: AddressPlan) -> None:
        self.counters: dict[str, int] = {}
        self._overlay = overlay
        self._plan = plan
        self._ids = place.read_ids(given.ids)
        self._order = np.random.default_rng(1).permutation(given.monitors).astype(np.int32)
        self._step = max(1, int(given.rate * _STEP_NS / 1e9))
        self._found = 0
        self._due_ns = 0
        self._asked: dict[bytes, tuple[int, int, bytes]] = {}
        self._queries: list[tuple[int, int, bytes]] = []
        self._views = 0

    def start(self, now_ns: int) -> None:
        """Begin."""
        self._due_ns = now_ns

    def due(self, now_ns: int) -> int:
        """Return when `tick` has something to do."""
        if self._queries:
            return now_ns
        return self._due_ns if self._found < len(self._order) else 2**63 - 1

    def tick(self, now_ns: int) -> tuple[list[tuple[int, int, bytes]], list[Event]]:
        """Name the next targets, and send the queries for views."""
        events: list[Event] = []
        if self._found < len(self._order) and now_ns >= self._due_ns:
            self._due_ns = max(self._due_ns + _STEP_NS, now_ns)  # what is late is made up for, a step at a time
            chosen = self._order[self._found : self._found + self._step].tolist()
            self._found += len(chosen)
            events += [NodeFound(now_ns, self._ids[i].tobytes(), *place.target(i), b"LT\x02\x08") for i in chosen]
        queries, self._queries = self._queries, []
        return queries, events

    def probe(self, now_ns: int, ip: int, port: int, node_id: bytes) -> None:
        """Ask a target whom it hands out near itself."""
        self._views += 1
        transaction = (self._views & 0xFFFFFFFF).to_bytes(4, "big")
        self._asked[transaction] = ip, port, node_id
        self._queries.append((ip, port, self._overlay.crawl_query(bytes(20), node_id, transaction)))

    def feed(
        self, now_ns: int, rows: Iterable[tuple[int, int, bytes]]
    ) -> tuple[list[tuple[int, int, bytes]], list[Event]]:
        """Take the targets' views."""
        events: list[Event] = []
        for ip, port, payload in rows:
            message = self._overlay.parse(payload)
            asked = self._asked.pop(message.transaction, None)
            if asked is not None and asked[:2] == (ip, port):
                own = tuple((i, at, to) for i, at, to in message.contacts if self._plan.is_own(at, to))
                events.append(OwnView(now_ns, asked[2], ip, port, own))
        return [], events


def hold(given: Options) -> dict[str, object]:
    """Attach, hold until standard input ends, seal; returns what was counted and how long it took."""
    clock = AnchoredClock()
    meter = Meter()
    ports = place.monitor_ports(given.monitors)
    plan = AddressPlan(place.CRAWLER, [place.MONITOR_BLOCK], f"{place.MONITOR_PORT}-{place.MONITOR_PORT + ports - 1}")
    overlay = overlays.load("mainline")
    settings = FleetSettings(
        max_monitors=given.monitors,
        attach_rate=given.rate,
        max_ids_per_ip=place.TARGET_PORTS,
        keep_alive_s=given.keep_alive,
    )
    fleet = Fleet(overlay, place.ZONE, plan, Random(1), settings)
    run = create_run(given.folder, clock.now_ns(), "mainline", place.ZONE)
    with open_sockets(plan, "shared", _BUFFER) as sockets, RunWriter(run, _manifest(clock), "") as writer:
        discovery = Discovery(given, overlay, plan)
        window = Window(overlay, discovery, fleet, writer, losses=is_loss)
        driver = Driver(plan, sockets, window, DriverSettings(LIMITS, max_waiting=100_000), clock)
        window.outside.append(lambda: dict(driver.counters.counts))
        stop = gevent.event.Event()
        print("ready", flush=True)
        greenlets = [gevent.spawn(_watch, fleet, writer, meter, given.monitors), gevent.spawn(_wait_for_end, stop)]
        driver.run(stop=stop)
        gevent.killall(greenlets)
        result: dict[str, object] = dict(meter.steady())
        begin = time.monotonic()
        states = fleet.states()
        window.seal(clock.now_ns())
        manifest = writer.seal(clock.now_ns(), "complete", window.totals.counters)
    return result | {
        "seal_s": time.monotonic() - begin,
        "peak": memory()["peak"],
        "states": states,
        "fleet": fleet.counters.counts,
        "endpoint": driver.counters.counts,
        "captures": manifest.captures,
        "attachments": manifest.attachments,
        "losses": {name: n for name, n in manifest.counters.items() if is_loss(name) and n},
        **{f"late_{name}_s": fleet.keep_alive_lateness_s(share) for name, share in SHARES.items()},
    }


SHARES = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}


def _manifest(clock: AnchoredClock) -> Manifest:
    return Manifest(montra_version="bench", overlay="mainline", zone=str(place.ZONE), start_ns=clock.now_ns())


def _watch(fleet: Fleet, writer: RunWriter, meter: Meter, monitors: int) -> None:
    """Once a second: commit now and then, and say when all monitors are handed out."""
    looks, held = 0, False
    while True:
        gevent.sleep(LOOK_S if held or monitors > 20_000 else LOOK_S / 10)
        looks += 1
        if looks % FLUSH_EVERY == 0:
            writer.flush()
        if not held and fleet.states()["visible"] == monitors:
            held = True
            meter.held()


def _wait_for_end(stop: gevent.event.Event) -> None:
    gevent.socket.wait_read(0)
    stop.set()


if __name__ == "__main__":
    print(json.dumps(hold(options())))
