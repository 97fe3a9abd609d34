"""From a checked configuration to the machines of a window."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from crawler.zone_crawler import ZoneCrawler
from montra.endpoint.plan import AddressPlan
from montra.monitors.admission import Region
from montra.monitors.fleet import Fleet
from montra.overlays import base as overlays
from montra.overlays.base import Courtesy, Overlay, Scope, Wire
from montra.window.bootstrap import bootstrap_nodes
from montra.window.config import Config, ConfigError
from montra.window.units import parse_duration
from montra.window.window import Monitors
from zone_store.keyspace.zone import Zone

#: Of the packets a second that the limits leave for what is scheduled: what the crawler may take beside monitors, and
#: what introductions may. The rest keeps monitors alive.
CRAWL_SHARE = 0.6
INTRODUCTION_SHARE = 0.2

_SECRET_BYTES = 32

#: Of keys that were answered, when a run begins.
NOTHING_YET: Mapping[bytes, int] = {}

#: Packets that introduce one monitor.
_INTRODUCTIONS = 2


@dataclass(slots=True)
class Parts:
    """The machines of a window, not yet joined to a store or to sockets.

    wire: what opens and seals their datagrams, None if nothing does; notes: rates lowered to fit the limits.
    """

    overlay: Overlay
    zone: Zone
    plan: AddressPlan
    crawler: ZoneCrawler
    fleet: Monitors
    seed: int
    notes: list[str] = field(default_factory=list)
    wire: Wire | None = None


def within_limits(config: Config, *, crawl_only: bool = False) -> tuple[Config, list[str]]:
    """Return a configuration whose crawl and introductions fit what its limits let out, and a line for each change.

    Queries beyond that would be given up before they are sent, and tell nothing. crawl_only: there are no monitors, the
    crawler may have all that is not kept free for answers.
    """
    scheduled = config.limits.scheduled_per_s
    notes: list[str] = []

    def lowered(name: str, value: float, most: float) -> float:
        if value <= most:
            return value
        notes.append(f"{name} = {value:g} lowered to {most:g}: [limits] leave {scheduled:g} a second beside answers")
        return most

    max_pps = lowered("crawl.max_pps", config.crawl.max_pps, scheduled if crawl_only else CRAWL_SHARE * scheduled)
    config = dataclasses.replace(config, crawl=dataclasses.replace(config.crawl, max_pps=max_pps))
    if not crawl_only:
        introduced = INTRODUCTION_SHARE * scheduled / _INTRODUCTIONS
        attach_rate = lowered("monitors.attach_rate", config.monitors.attach_rate, introduced)
        config = dataclasses.replace(config, monitors=dataclasses.replace(config.monitors, attach_rate=attach_rate))
    return config, notes


def source_of_chance(seed: int, name: str) -> random.Random:
    """Return a source of its own for each machine, so that one drawing more does not change the others."""
    return random.Random(hashlib.sha256(f"{seed}/{name}".encode()).digest())


def build_crawler(
    config: Config, overlay: Overlay, zone: Zone, seed: int, ignore: Callable[[int, int], bool]
) -> ZoneCrawler:
    """Return the zone crawler of a configuration, at no more than all of the scheduled rate.

    Raises ConfigError if no bootstrap node's name resolves.
    """
    config, _ = within_limits(config, crawl_only=True)
    bootstrap, _ = bootstrap_nodes(config, overlay)
    if not bootstrap:
        raise ConfigError(["bootstrap: none of the names resolves; check the names and this host's DNS"])
    rng = source_of_chance(seed, "crawler")
    return ZoneCrawler(overlay, zone, rng.randbytes(overlay.id_bytes), bootstrap, rng, config.crawl, ignore)


def build_courtesy(
    config: Config, overlay: Overlay, seed: int, part: Region, answered: Mapping[bytes, int] = NOTHING_YET
) -> Courtesy | None:
    """Return who replies to strangers in one part of a fleet, None in a run that replies to none.

    answered: keys that were answered already, and when.
    """
    secret = source_of_chance(seed, "replies").randbytes(_SECRET_BYTES)  # the same for all processes
    scope = Scope(int(parse_duration(config.replies.once) * 1e9), part.contains, answered)
    return overlay.courtesy(config.reply_table(), secret, scope)


def build_wire(overlay: Overlay, seed: int, process: str = "") -> Wire | None:
    """Return what opens and seals datagrams, None if nothing does.

    All processes of a run have the same keys; `process` names this one, whose padding is its own.
    """
    secret = source_of_chance(seed, "keys").randbytes(_SECRET_BYTES)
    return overlay.wire(secret, source_of_chance(seed, f"wire/{process}"))


def build(config: Config, seed: int) -> Parts:
    """Return the machines of a window; raises ConfigError if no bootstrap node's name resolves."""
    overlay = overlays.load(config.overlay)
    zone = config.parsed_zone()
    plan = config.plan()
    config, notes = within_limits(config)
    crawler = build_crawler(config, overlay, zone, seed, plan.is_own)
    courtesy = build_courtesy(config, overlay, seed, zone)
    fleet = Fleet(overlay, zone, plan, source_of_chance(seed, "monitors"), config.monitors, courtesy)
    return Parts(overlay, zone, plan, crawler, fleet, seed, notes, build_wire(overlay, seed))
