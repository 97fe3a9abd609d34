"""montra's crawler on real sockets, as `montra crawl` runs it: one crawl of one zone. Prints one line of JSON.

A process of its own, so that its CPU time and memory are its own.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import gevent.event
import msgspec

from bench.common.usage import peak_bytes
from montra.cli.session import driver_settings
from montra.endpoint.clock import AnchoredClock
from montra.endpoint.collector import rare_collections
from montra.endpoint.driver import Driver
from montra.endpoint.sockets import open_sockets
from montra.overlays import base as overlays
from montra.window.build import build_crawler, within_limits
from montra.window.config import Config
from montra.window.survey import Survey
from montra.window.units import parse_size
from zone_store.captures import CrawlRow
from zone_store.keyspace.zone import Zone


def main(config_json: str, nodes_path: str, cpu: str) -> None:
    """Crawl with a configuration (JSON) and write the nodes found, 26 bytes each as in BEP 5."""
    if int(cpu) >= 0:
        os.sched_setaffinity(0, {int(cpu)})
    config = msgspec.json.decode(config_json, type=Config)
    config, notes = within_limits(config, crawl_only=True)
    overlay = overlays.load(config.overlay)
    plan = config.plan(crawl_only=True)
    zone = Zone.parse(config.zone, overlay.id_bytes * 8)
    crawler = build_crawler(config, overlay, zone, config.seed, plan.is_own)
    stop = gevent.event.Event()
    rows: list[CrawlRow] = []

    def done(row: CrawlRow) -> None:
        rows.append(row)
        stop.set()

    clock = AnchoredClock()
    buffer = parse_size(config.addresses.receive_buffer)
    with rare_collections(), open_sockets(plan, config.addresses.bind, buffer, crawler_only=True) as sockets:
        driver = Driver(plan, sockets, Survey(crawler, done), driver_settings(config, config.limits), clock)
        crawler.unsent = driver.crawl_unsent
        before = time.process_time()
        driver.run(clock.now_ns() + int(config.duration_s * 1e9), stop)
        cpu_s = time.process_time() - before
    nodes = crawler.nodes
    with Path(nodes_path).open("wb") as file:
        for node in nodes:
            file.write(node.node_id + node.ip.to_bytes(4) + node.port.to_bytes(2))
    row = rows[0] if rows else None
    result = {
        "row": msgspec.to_builtins(row),
        "found_s": sorted((node.found_ns - (row.begin_ns if row else 0)) / 1e9 for node in nodes),
        "cpu": cpu_s,
        "rss_mib": peak_bytes() / 2**20,
        "endpoint": dict(driver.counters.counts),
        "crawler": dict(crawler.counters),
        "notes": notes,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
