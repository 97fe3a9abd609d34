"""From a checked configuration to the machines of a window."""

from __future__ import annotations

import hashlib
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass

from crawler.zone_crawler import ZoneCrawler
from montra.endpoint.plan import AddressPlan
from montra.monitors.fleet import Fleet
from montra.overlays import base as overlays
from montra.overlays.base import Overlay
from montra.window.config import Config, ConfigError, split_endpoint
from zone_store.keyspace.zone import Zone


@dataclass(slots=True)
class Parts:
    """The machines of a window, not yet joined to a store or to sockets."""

    overlay: Overlay
    zone: Zone
    plan: AddressPlan
    crawler: ZoneCrawler
    fleet: Fleet
    seed: int


def resolve(entries: tuple[str, ...]) -> tuple[list[tuple[int, int]], list[str]]:
    """Resolve bootstrap entries "host:port" to (ip, port) pairs; the second list names those that did not resolve."""
    found: list[tuple[int, int]] = []
    failed: list[str] = []
    for entry in entries:
        host, port = split_endpoint(entry)
        try:
            infos = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_DGRAM)
        except OSError:
            failed.append(entry)
            continue
        for info in infos:
            pair = (int.from_bytes(socket.inet_aton(str(info[4][0])), "big"), port)
            if pair not in found:
                found.append(pair)
    return found, failed


def _rng(seed: int, name: str) -> random.Random:
    """Return a source of its own for each machine, so that one drawing more does not change the others."""
    return random.Random(hashlib.sha256(f"{seed}/{name}".encode()).digest())


def build_crawler(
    config: Config, overlay: Overlay, zone: Zone, seed: int, ignore: Callable[[int, int], bool]
) -> ZoneCrawler:
    """Return the zone crawler of a configuration; raises ConfigError if no bootstrap node's name resolves."""
    bootstrap, _ = resolve(config.bootstrap)
    if not bootstrap:
        raise ConfigError(["bootstrap: none of the names resolves; check the names and this host's DNS"])
    rng = _rng(seed, "crawler")
    return ZoneCrawler(overlay, zone, rng.randbytes(overlay.id_bytes), bootstrap, rng, config.crawl, ignore)


def build(config: Config, seed: int) -> Parts:
    """Return the machines of a window; raises ConfigError if no bootstrap node's name resolves."""
    overlay = overlays.load(config.overlay)
    zone = Zone.parse(config.zone, overlay.id_bytes * 8)
    plan = config.plan()
    crawler = build_crawler(config, overlay, zone, seed, plan.is_own)
    fleet = Fleet(overlay, zone, plan, _rng(seed, "monitors"), config.monitors)
    return Parts(overlay, zone, plan, crawler, fleet, seed)
