"""From a checked configuration to the machines of a window over several processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from montra.monitors.fleet import Fleet
from montra.overlays import base as overlays
from montra.overlays.base import Overlay, Wire
from montra.processes.heir import Heir, Places
from montra.processes.news import NewsCrawler
from montra.processes.relay import Relay
from montra.processes.share import Sectors, Share, divide_limits, handover_s, share_of
from montra.window.build import (
    NOTHING_YET,
    Parts,
    build_courtesy,
    build_crawler,
    build_wire,
    source_of_chance,
    within_limits,
)
from montra.window.config import Config
from zone_store.keyspace.zone import Zone


@dataclass(slots=True)
class WorkerParts:
    """The machines of one worker; wire: what opens and seals their datagrams, None if nothing does."""

    overlay: Overlay
    zone: Zone
    share: Share
    crawler: NewsCrawler
    fleet: Fleet
    wire: Wire | None


def check_division(config: Config) -> None:
    """Raise ConfigError if the zone or the limits of a run cannot be divided over its workers."""
    if config.worker_count > 1:
        Sectors(config.parsed_zone(), config.worker_count)
        divide_limits(config.limits, config.worker_count)


def build_parent(config: Config, seed: int) -> tuple[Parts, Relay]:
    """Return the machines of the crawling process; raises ConfigError."""
    overlay, zone, plan = overlays.load(config.overlay), config.parsed_zone(), config.plan()
    config, notes = within_limits(config)
    check_division(config)
    crawler = build_crawler(config, overlay, zone, seed, plan.is_own)
    sectors = Sectors(zone, config.worker_count)
    relay = Relay(sectors, overlay.id_bytes, handover_s(config.limits), config.crawl.max_nodes)
    relay.known = lambda: crawler.nodes
    return Parts(overlay, zone, plan, crawler, relay, seed, notes, build_wire(overlay, seed)), relay


def build_worker(
    config: Config,
    seed: int,
    slot: int,
    generation: int,
    places: Places,
    answered: Mapping[bytes, int] = NOTHING_YET,
) -> WorkerParts:
    """Return the machines of a worker; raises ConfigError.

    places: of a predecessor's monitors; answered: keys that predecessors answered, and when.
    """
    overlay, zone = overlays.load(config.overlay), config.parsed_zone()
    config, _ = within_limits(config)
    share = share_of(config, zone, slot)
    rng = source_of_chance(seed, f"monitors/{slot}/{generation}")
    pool = Heir(share.plan, places) if places else share.plan
    courtesy = build_courtesy(config, overlay, seed, share.sector, answered)
    fleet = Fleet(overlay, share.sector, pool, rng, share.monitors, courtesy, expected=places)
    wire = build_wire(overlay, seed, f"{slot}/{generation}")
    return WorkerParts(overlay, zone, share, NewsCrawler(), fleet, wire)
