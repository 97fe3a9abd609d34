"""The real instrument over a simulated network: the window of `montra monitor` in virtual time, to a sealed run.

Crawler, fleet, send gate, run store and their settings are those of a real window; what is missing is what virtual time
has no use for: sockets, a status file, signals.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from montra import __version__
from montra.datagrams import ip_text
from montra.endpoint.blocklist import Blocklist
from montra.endpoint.driving import DriverSettings
from montra.overlays import base as overlays
from montra.simulator.drive import Network, VirtualDriver
from montra.window import provenance, shipped
from montra.window.build import build
from montra.window.config import Config, merge, parse, to_toml, validate
from montra.window.units import parse_size
from montra.window.window import Window
from zone_store.keyspace.zone import Zone
from zone_store.losses import is_loss
from zone_store.run.folder import Manifest, create_run
from zone_store.run.store import StoreLimits
from zone_store.run.writer import RunWriter

#: Rest between two reads. Ten times the real driver's, because a read costs the same whatever it brings; it makes
#: answers 25 ms later on average, which is half of a network's one-way delay.
GATHER_S = 0.05
#: Ports are taken for so many monitors for each node that lives at a time: those that linger hold theirs for a minute.
_ROOM = 1.3
_SUBNETS = 16
_SUBNET_ADDRESSES = 250
_FIRST_PORT = 20000
#: Virtual seconds between two commits, and between two lines of progress.
_FLUSH_S = 60.0
_SAY_EVERY = 10

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """A sealed run of virtual time. notes: what was fitted to the limits; wall_s: seconds of real time that it took."""

    folder: Path
    manifest: Manifest
    notes: tuple[str, ...]
    wall_s: float


def instrument_config(
    zone: Zone,
    nodes: int,
    seed: int,
    bootstrap: list[tuple[int, int]],
    runs: Path,
    overrides: dict[str, object],
    overlay: str = "mainline",
) -> Config:
    """Return the shipped configuration of a real window, with addresses for `nodes` live nodes of a zone.

    16 addresses in 16 /24s, as many ports as the monitors need, where these may share an IP; else an address for each,
    in 16 /24s or as many as they fill. The rest is as shipped, but for `overrides`, dotted names ("crawl.pause_s").
    Raises ConfigError.
    """
    monitors = max(_SUBNETS, int(nodes * _ROOM))
    document = merge(
        tomllib.loads(shipped.text(f"{overlay}-6bit")),
        {
            "zone": str(zone),
            "seed": seed,
            "bootstrap": [f"{ip_text(ip)}:{port}" for ip, port in bootstrap],
            "bootstrap_file": "",
            **(_one_each(monitors) if overlays.load(overlay).monitors_per_ip else _shared(monitors)),
            "monitors.max_monitors": monitors,
            "responsible.blocklist": "",
            "storage.runs": str(runs),
            "storage.min_free": "200MB",
            **overrides,
        },
    )
    config = parse(document)
    validate(config)
    return config


def _shared(monitors: int) -> dict[str, object]:
    """Return ports enough on the configuration's own 16 addresses."""
    ports = -(-monitors // _SUBNETS)
    return {"addresses.ports": f"{_FIRST_PORT}-{_FIRST_PORT + ports - 1}"}


def _one_each(monitors: int) -> dict[str, object]:
    """Return an address for each monitor, evenly spread over /24s."""
    subnets = max(_SUBNETS, -(-monitors // _SUBNET_ADDRESSES))
    each = -(-monitors // subnets)
    places = [f"100.{64 + subnet // 256}.{subnet % 256}.1-{each}" for subnet in range(subnets)]
    return {
        "addresses.crawler": f"100.127.0.1:{_FIRST_PORT - 1}",
        "addresses.monitors": places,
        "addresses.ports": str(_FIRST_PORT),
    }


def run_simulated(
    config: Config, network: Network, begin_ns: int, say: Say = lambda _line: None, gather_s: float = GATHER_S
) -> SimulatedRun:
    """Run one window of a configuration over a network, from begin_ns of its time; raises ConfigError and RunError."""
    began = time.perf_counter()
    config = replace(config, replies=replace(config.replies, families=config.reply_table()))
    parts = build(config, config.seed)
    end_ns = begin_ns + int(config.duration_s * 1e9)
    folder = create_run(Path(config.storage.runs), begin_ns, config.overlay, parts.zone)
    manifest = Manifest(
        montra_version=__version__,
        overlay=config.overlay,
        zone=str(parts.zone),
        id_bits=parts.overlay.id_bytes * 8,
        start_ns=begin_ns,
        parameters=msgspec.to_builtins(config),
        versions=provenance.versions(),
        host=provenance.host(),
        git=provenance.git_describe(),
    )
    limits = StoreLimits(min_free_bytes=parse_size(config.storage.min_free))
    with RunWriter(folder, manifest, to_toml(config), limits, config.storage.max_pending) as writer:
        window = Window(
            parts.overlay, parts.crawler, parts.fleet, writer, losses=is_loss, zone=parts.zone, wire=parts.wire
        )
        settings = DriverSettings(
            config.limits,
            Blocklist(),
            crawl_wait_s=min(1.0, config.crawl.timeout_s / 2),
            gather_s=gather_s,
            min_tick_s=min(gather_s, 0.02),
        )
        driver = VirtualDriver(parts.plan, network, window, settings)
        window.outside.append(lambda: dict(driver.counters.counts))
        parts.crawler.unsent = driver.crawl_unsent
        looks = 0

        def look(now_ns: int) -> None:
            nonlocal looks
            looks += 1
            writer.flush()
            if looks % _SAY_EVERY == 0:
                states = window.fleet.states()
                say(
                    f"{(now_ns - begin_ns) / 3.6e12:.2f} h: {window.totals.crawls} crawls, {states['visible']} "
                    f"monitors visible, {states['waiting']} waiting, {window.totals.captures} captures"
                )

        driver.run(begin_ns, end_ns, look, _FLUSH_S)
        window.seal(end_ns)
        writer.drain()
        manifest = writer.seal(end_ns, "complete", window.totals.counters)
    return SimulatedRun(folder, manifest, tuple(parts.notes), time.perf_counter() - began)
