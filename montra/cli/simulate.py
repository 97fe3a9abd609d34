"""`montra simulate`: windows of a simulated network as run folders, to plan windows and to try the analysis on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click
import msgspec

from montra.cli.common import clear_errors, emit, json_option, steps, tell
from montra.cli.lab_errors import lab_errors
from montra.cli.made import line, made
from montra.cli.options import DurationType, ShareType
from montra.overlays.base import OVERLAYS
from montra.simulator.experiment import ATTACH_S, ZoneTask, simulate_zones
from montra.simulator.settings import SimSettingsError
from montra.simulator.worlds import usual_nodes, zone_of
from montra.validation.tables import VALIDATION, document
from montra.window.units import format_duration
from zone_store.keyspace.zone import Zone, ZoneError
from zone_store.run.folder import run_name

#: Before this share of a window has passed its lookups are not judged: the fleet is being attached.
_ATTACH_SHARE = 0.25


@click.command(epilog="Example: montra simulate --overlay kad --zones a4/8,3c/8,7e/8,d1/8 --windows 2 --replies once")
@click.option("--zones", default="a4/8,3c/8,7e/8,d1/8", show_default=True, help="Zones, with commas between them.")
@click.option("--windows", type=click.IntRange(1, 100), default=1, show_default=True, help="Of each zone.")
@click.option("--overlay", type=click.Choice(sorted(OVERLAYS)), default="kad", show_default=True, help="Which DHT.")
@click.option("--nodes", type=click.IntRange(1000), help="Live nodes in all.  [default: 2000000; Kad 400000]")
@click.option("--start", default="2026-11-21T15:00:00+00:00", show_default=True, help="Of the first window, ISO 8601.")
@click.option("--duration", default="6h", show_default=True, type=DurationType(), help="Length of each window.")
@click.option("--every", type=DurationType(), help="Time between the starts of windows.  [default: their length]")
@click.option("--lookups", type=click.IntRange(1), default=25_000, show_default=True, help="In each window.")
@click.option("--keys", type=click.IntRange(1), default=4_000, show_default=True, help="Of a zone; Kad: of each sort.")
@click.option("--zipf", type=click.FloatRange(0), default=0.8, show_default=True, help="Exponent of their popularity.")
@click.option("--keys-new", default="10%", show_default=True, type=ShareType(), help="Keys of one window only.")
@click.option("--replies", default="least", show_default=True, help="What strangers get; on Kad `once` tells contents.")
@click.option("--seed", type=click.IntRange(1), default=1, show_default=True, help="Seed of network and instrument.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Windows at the same time.")
@click.option(
    "-o",
    "--out",
    default="simulated",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Parent of runs.",
)
@json_option
@clear_errors
def simulate(
    *,
    zones: str,
    windows: int,
    overlay: str,
    nodes: int | None,
    start: str,
    duration: float,
    every: float | None,
    lookups: int,
    keys: int,
    zipf: float,
    keys_new: float,
    replies: str,
    seed: int,
    workers: int,
    out: Path,
    as_json: bool,
) -> None:
    """Watch zones of a simulated network and keep the run folders, each with what is true of it beside it.

    The instrument is the real one; time, packets and nodes are simulated (see `montra validate simulate`). Windows of a
    zone share its keys and their popularity, but for those of --keys-new.
    """
    step = steps()
    try:
        begin_ns = int(datetime.fromisoformat(start).timestamp()) * 10**9
        wanted = [_zone(overlay, text) for text in zones.split(",")]
    except (ValueError, ZoneError) as error:
        raise click.UsageError(str(error)) from error
    tasks = [
        ZoneTask(
            bits=zone.length,
            prefix=zone.low().hex(),
            overlay=overlay,
            nodes=nodes or usual_nodes(overlay),
            duration_s=duration,
            seed=seed + number * windows + window,
            attach_s=min(ATTACH_S, _ATTACH_SHARE * duration),
            network={
                "lookups": float(lookups),
                "keys": keys,
                "zipf": zipf,
                "keys_seed": seed,
                "keys_new": keys_new,
                "start_ns": begin_ns + round(window * (every or duration) * 1e9),
            },
            instrument={"replies.mode": replies},
            runs=out,
        )
        for number, zone in enumerate(wanted)
        for window in range(windows)
    ]
    for task in tasks:
        folder = out / run_name(task.network["start_ns"], overlay, task.zone)
        if folder.exists():
            raise click.ClickException(f"{folder} is there already; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    with lab_errors("analysis"):
        try:
            results = simulate_zones(tasks, workers, step)
        except SimSettingsError as error:
            raise click.UsageError(str(error)) from error
    made_runs = []
    for result in results:
        folder = out / result.comparison.run
        truth = replace(result.comparison, truth="the simulated network")
        (folder / VALIDATION).write_bytes(document(truth))
        made_runs.append(folder)
    told = made(seed, {})

    def text() -> None:
        for folder, result in zip(made_runs, results, strict=True):
            tell(f"{folder}: {result.live} live nodes, {result.comparison.lookups} lookups judged")
        tell(f"{line(told)}.")
        tell(f"{len(made_runs)} windows of {format_duration(duration)}. Then: montra report {out}/*")

    emit(as_json, msgspec.to_builtins({"runs": [str(folder) for folder in made_runs], **told}), text)


def _zone(overlay: str, text: str) -> Zone:
    zone = zone_of(overlay, text.strip())
    if not zone.length:
        raise ZoneError(f"{text}: a part of the network, not all of it")
    return zone
