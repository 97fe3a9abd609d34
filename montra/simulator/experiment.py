"""Capture and destinations over zone sizes: one simulated window each, judged like a window in a lab."""

from __future__ import annotations

import dataclasses
import gc
import math
import multiprocessing
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from montra.simulator.instrument import GATHER_S, Say, instrument_config, run_simulated
from montra.simulator.truth import HOUR
from montra.simulator.worlds import World, make, zone_of
from montra.validation.compare import compare
from montra.validation.comparison import Comparison, Group
from montra.window.analyze import attribute_run
from montra.window.config import Config
from zone_store.captures import CrawlRow
from zone_store.keyspace.zone import Zone
from zone_store.run.reader import RunReader

#: As in the shipped configuration.
_PREFIX = "a40000"
#: The first crawl and the attachment of the whole zone take so long at most; lookups before are told apart.
ATTACH_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneTask:
    """One window to simulate: of the zone of so many bits of a network of `nodes` live nodes.

    prefix: hexadecimal, whose first bits name the zone; attach_s: seconds from the start before lookups are judged;
    gather_s: see `montra.simulator.instrument.GATHER_S`; network, instrument: settings that differ from the defaults,
    by name (of the network's settings; dotted, of the configuration); runs: where the run folder is kept, None:
    nowhere.
    """

    bits: int
    prefix: str = _PREFIX
    overlay: str = "mainline"
    nodes: int = 2_000_000
    duration_s: float = 21_600.0
    seed: int = 1
    attach_s: float = ATTACH_S
    gather_s: float = GATHER_S
    network: dict[str, Any] = field(default_factory=dict)
    instrument: dict[str, Any] = field(default_factory=dict)
    runs: Path | None = None

    @property
    def zone(self) -> Zone:
        """The zone."""
        return zone_of(self.overlay, f"{self.prefix}/{self.bits}")


@dataclass(frozen=True, slots=True)
class Packets:
    """What the instrument sent, by purpose; the rest are answers.

    crawl: queries of the crawler; introductions, keep_alives: queries of monitors; per_s: all, a second.
    """

    sent: int
    received: int
    crawl: int
    introductions: int
    keep_alives: int
    per_s: float


@dataclass(frozen=True, slots=True)
class ZoneResult:
    """What one simulated window showed.

    live: reachable nodes of the zone that lived when the window began; sessions: all that lived in it; clients: share
    of each family in the sessions; judged_from_s: the comparison is of all lookups from then on; early: the ones
    before; hours: of the comparison, by hour; crawl_s: median duration of a crawl; wall_s: real seconds that it took to
    make the network, to simulate, to judge.
    """

    bits: int
    overlay: str
    zone: str
    seed: int
    live: int
    sessions: int
    clients: dict[str, float]
    network: dict[str, Any]
    instrument: dict[str, Any]
    notes: list[str]
    judged_from_s: float
    comparison: Comparison
    early: Comparison
    hours: list[Group]
    packets: Packets
    counters: dict[str, int]
    crawl_s: float
    wall_s: dict[str, float]


def simulate_zone(task: ZoneTask, say: Say = lambda _line: None) -> ZoneResult:
    """Simulate one window, attribute and judge it; raises ConfigError, RunError, SimSettingsError."""
    if task.runs is not None:
        return _simulate(task, task.runs, say)
    with tempfile.TemporaryDirectory(prefix="montra-simulate-") as folder:
        return _simulate(task, Path(folder), say)


def _simulate(task: ZoneTask, runs: Path, say: Say) -> ZoneResult:
    began = time.perf_counter()
    world = make(
        task.overlay,
        seed=task.seed,
        nodes=task.nodes,
        zone=task.zone,
        duration_s=task.duration_s,
        **task.network,
    )
    network, begin_ns = world.network, world.settings.start_ns
    end_ns = begin_ns + int(task.duration_s * 1e9)
    made_s = time.perf_counter() - began
    say(f"network of {len(network.nodes.ip)} sessions made in {made_s:.0f} s")
    live = np.count_nonzero(network.nodes.reachable & network.nodes.alive(begin_ns))
    config = instrument_config(
        task.zone,
        int(live),
        task.seed,
        network.bootstrap,
        runs,
        {"duration": f"{task.duration_s:g}s", **task.instrument},
        task.overlay,
    )
    gc.freeze()  # the network's objects live on: no need to look through them for cycles again and again
    try:
        run = run_simulated(config, network, begin_ns, say, task.gather_s)
    finally:
        gc.unfreeze()
    began = time.perf_counter()
    attribute_run(run.folder, workers=1)
    with RunReader(run.folder) as reader:
        crawls = reader.crawls()
    truth = world.truth(begin_ns, end_ns)
    judged_ns = begin_ns + int(task.attach_s * 1e9)
    comparison = compare(run.folder, truth, since_ns=judged_ns)
    early = compare(run.folder, truth, until_ns=judged_ns)
    return ZoneResult(
        bits=task.bits,
        overlay=task.overlay,
        zone=str(task.zone),
        seed=task.seed,
        live=int(live),
        sessions=len(network.nodes.ip),
        clients=_clients(world),
        network=_plain_settings(world),
        instrument=_told(config),
        notes=list(run.notes),
        judged_from_s=task.attach_s,
        comparison=dataclasses.replace(comparison, run=run.folder.name),
        early=dataclasses.replace(early, run=run.folder.name),
        hours=[group for group in comparison.groups if group.by.endswith(HOUR)],
        packets=_packets(run.manifest.counters, crawls, task.duration_s),
        counters=run.manifest.counters,
        crawl_s=statistics.median(crawl.seconds for crawl in crawls) if crawls else math.nan,
        wall_s={"make": made_s, "simulate": run.wall_s, "judge": time.perf_counter() - began},
    )


def simulate_zones(tasks: Sequence[ZoneTask], workers: int, say: Say) -> list[ZoneResult]:
    """Simulate windows, so many at a time in processes of their own; the results in the order of the tasks.

    say: takes lines of progress. Raises what `simulate_zone` raises.
    """
    if workers == 1 or len(tasks) == 1:
        return [simulate_zone(task, _named(task, say)) for task in tasks]
    context = multiprocessing.get_context("spawn")
    lines: multiprocessing.Queue[str | None] = context.Queue()
    teller = threading.Thread(target=_tell, args=(lines, say), daemon=True)
    teller.start()
    try:
        with ProcessPoolExecutor(min(workers, len(tasks)), context, _begin_worker, (lines,)) as pool:
            return list(pool.map(_in_worker, tasks))
    finally:
        lines.put(None)
        teller.join()


_lines: multiprocessing.Queue[str | None]


def _begin_worker(lines: multiprocessing.Queue[str | None]) -> None:
    global _lines
    _lines = lines


def _in_worker(task: ZoneTask) -> ZoneResult:
    return simulate_zone(task, _named(task, _lines.put))


def _tell(lines: multiprocessing.Queue[str | None], say: Say) -> None:
    while (line := lines.get()) is not None:
        say(line)


def _named(task: ZoneTask, say: Say) -> Say:
    return lambda line: say(f"{task.zone}: {line}")


def _clients(world: World) -> dict[str, float]:
    clients, counts = np.unique(world.network.nodes.client, return_counts=True)
    total = len(world.network.nodes.client)
    return {world.family_name(client): n / total for client, n in zip(clients.tolist(), counts.tolist(), strict=True)}


def _packets(counters: dict[str, int], crawls: Sequence[CrawlRow], duration_s: float) -> Packets:
    sent = counters.get("sent", 0)
    return Packets(
        sent=sent,
        received=counters.get("received", 0),
        crawl=sum(crawl.queries for crawl in crawls),
        introductions=counters.get("monitor_introductions", 0),
        keep_alives=counters.get("monitor_keep_alives", 0),
        per_s=sent / duration_s,
    )


def _plain_settings(world: World) -> dict[str, Any]:
    """Return the settings of a network as names and plain values."""
    settings = world.settings
    plain = {item.name: getattr(settings, item.name) for item in dataclasses.fields(settings)}
    plain["zone"] = str(settings.zone)
    plain["clients"] = {world.family_name(client): share for client, share in settings.clients.items()}
    return plain


def _told(config: Config) -> dict[str, Any]:
    """Return the settings of the instrument that decide what it finds, section by section."""
    document: dict[str, Any] = msgspec.to_builtins(config)
    return {
        name: document[name] for name in ("addresses", "crawl", "monitors", "limits", "replies") if name in document
    }
