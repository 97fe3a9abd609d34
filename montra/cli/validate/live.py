"""`montra validate live`: instrumented sources and destinations in the network that a running window watches."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.table import Table

from montra.cli.common import clear_errors, emit, json_option, results, run_argument, steps, tell
from montra.cli.lab_errors import lab_errors, usage_errors
from montra.cli.made import line, made, save
from montra.cli.options import DurationType
from montra.cli.tables import grid, headed, misses_table
from montra.datagrams import ip_text
from montra.lab.instrument_log import (
    InstrumentLog,
    InstrumentSettings,
    load_log,
    numbered,
    on_loopback,
    write_log,
)
from montra.validation.canaries import source_truth
from montra.validation.compare import compare
from montra.validation.comparison import Comparison
from montra.validation.destinations import Destinations, judge_destinations
from montra.validation.tables import VALIDATION, built, rows, why_missed
from montra.window.analyze import lookups_from, own_ips
from montra.window.bootstrap import resolve
from montra.window.config import split_endpoint
from zone_store.run.folder import RunError, read_manifest
from zone_store.run.join import shards_of
from zone_store.run.reader import RunReader

#: Where instruments live on a private network, apart from all addresses of configs/lab.toml and of the lab itself.
LAB_SOURCES, LAB_DESTINATIONS, LAB_PORT = "127.96", "127.97", 6881
LAB_COUNTS = 4, 6
#: What is stored last may take so long to be on disk.
STORED_S = 8.0
POLL_S = 1.0


@click.command(epilog="Example: montra validate live runs/20261121T150000Z_mainline_a4-6")
@run_argument
@click.option("--source", "sources", multiple=True, help="ip:port of an instrumented source; give several.")
@click.option("--destination", "destinations", multiple=True, help="ip:port of an instrumented destination.")
@click.option("--bootstrap", multiple=True, help="host:port of a node to begin at [those of the run].")
@click.option("--lookups", default=120, show_default=True, help="Lookups of all sources together.")
@click.option(
    "--settle",
    default="60s",
    show_default=True,
    type=DurationType(),
    help="Time for network and crawler to get to know them.",
)
@click.option(
    "--duration", default="2m", show_default=True, type=DurationType(), help="Time in which the lookups are made."
)
@click.option("--drain", default="20s", show_default=True, type=DurationType(), help="Time to listen after them.")
@click.option("--seed", default=1, show_default=True, help="Seed of IDs, keys and times.")
@click.option(
    "-o", "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for what they note [RUN-live-TIME]."
)
@click.option("--again", is_flag=True, help="Start nothing: judge what is in the folder of an earlier call.")
@json_option
@clear_errors
def command(
    run: Path,
    sources: tuple[str, ...],
    destinations: tuple[str, ...],
    bootstrap: tuple[str, ...],
    lookups: int,
    settle: float,
    duration: float,
    drain: float,
    seed: int,
    out: Path | None,
    again: bool,
    as_json: bool,
) -> None:
    """Validate RUN, a window that is running now, from inside its network.

    \b
    1. start libtorrent nodes of their own: sources, and destinations with an ID in the zone
    2. let the network and the window's crawler get to know them
    3. sources look up random keys of the zone and note who was asked and who answered
    4. destinations note every get_peers for a key in the zone
    5. compare with what the window captured: RUN/validation.json, which the report shows

    On a network of loopback addresses the nodes' own addresses are chosen; anywhere else give addresses of
    this host, each in a /24 of its own. Destinations take an ID that BEP 42 allows at their address, which
    fits a 6-bit zone at one address in eight. A window of several processes is waited for until it is sealed.
    """
    out = out or run.parent / f"{run.name}-live-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    step = steps()
    with lab_errors("lab"):
        if again:
            log = load_log(out)
        else:
            with usage_errors():
                settings = _settings(run, sources, destinations, bootstrap, lookups, settle, duration, drain, seed)
            log = _run(settings, step)
            write_log(out, log)
        _wait_until_stored(run, log, step)
        comparison, found = _judge(run, log)
    document = save(run / VALIDATION, _document(out, comparison, found, log))

    def text() -> None:
        results.print(grid(rows(comparison)))
        results.print(misses_table(why_missed(comparison)))
        results.print(_destinations_table(found))
        tell(f"{line(document)}. Wrote {run / VALIDATION}")

    emit(as_json, document, text)
    if not comparison.capture.trials:
        raise click.ClickException(f"none of the {comparison.lookups} lookups could be judged: {comparison.excluded}")


def _settings(
    run: Path,
    sources: tuple[str, ...],
    destinations: tuple[str, ...],
    bootstrap: tuple[str, ...],
    lookups: int,
    settle: float,
    duration: float,
    drain: float,
    seed: int,
) -> InstrumentSettings:
    """Return what the instruments are to do; raises ValueError, RunError for a run that is over, or is none."""
    manifest = read_manifest(run)
    if manifest.sealed:
        raise RunError(f"{run.name} is over: nothing that begins now is in it (judge an earlier call with --again)")
    if manifest.overlay != "mainline":
        raise RunError(f"{run.name} is a run on {manifest.overlay}, and libtorrent nodes speak mainline only")
    entries = bootstrap or tuple(manifest.parameters.get("bootstrap", ()))
    known = [(ip_text(ip), port) for ip, port in resolve(entries)[0]]
    if not known:
        raise ValueError("no bootstrap node's name resolves: give --bootstrap host:port")
    asking, answering = [split_endpoint(one) for one in sources], [split_endpoint(one) for one in destinations]
    if not asking and not answering:
        if not on_loopback(known):
            raise ValueError("give addresses of this host that instruments may take: --source and --destination")
        asking = numbered(LAB_SOURCES, LAB_COUNTS[0], LAB_PORT)
        answering = numbered(LAB_DESTINATIONS, LAB_COUNTS[1], LAB_PORT)
    if not asking:
        raise ValueError("give at least one --source")
    return InstrumentSettings(
        zone=manifest.zone,
        bootstrap=known,
        sources=asking,
        destinations=answering,
        seed=seed,
        lookups=lookups,
        settle_s=settle,
        duration_s=duration,
        drain_s=drain,
    )


def _run(settings: InstrumentSettings, step: Callable[[str], None]) -> InstrumentLog:
    # only now, because libtorrent is an optional dependency
    from montra.lab.instruments import Instruments

    return Instruments(settings).run(step)


def _wait_until_stored(run: Path, log: InstrumentLog, step: Callable[[str], None]) -> None:
    """Wait until what was captured of the instruments can be read."""
    if read_manifest(run).sealed:
        return
    if shards_of(run):
        step("waiting for the end of the window: its processes join their captures then")
        while not read_manifest(run).sealed:
            time.sleep(POLL_S)
        return
    left = log.end_ns / 1e9 + STORED_S - time.time()
    if left > 0:
        step("waiting until the last captures are stored")
        time.sleep(left)


def _judge(run: Path, log: InstrumentLog) -> tuple[Comparison, Destinations]:
    """Compare the log with the run, sealed or not; raises RunError."""
    with RunReader(run) as reader:
        manifest = reader.manifest
        monitors = {(one.monitor_ip, one.monitor_port) for one in reader.each_attachment()}
        own = own_ips(manifest.parameters)
        found = judge_destinations(reader, log, own)
    truth = source_truth(manifest.zone, log.lookups, monitors, "libtorrent", "instruments")
    # the destinations log every query, those whose reply never came back to the source included
    ips = {one.requester.ip for one in truth.lookups}
    comparison = compare(
        run, truth, since_ns=log.begin_ns, until_ns=log.end_ns, lookups=lambda reader: lookups_from(reader, ips)
    )
    return replace(comparison, run=run.name), found


def _document(out: Path, comparison: Comparison, found: Destinations, log: InstrumentLog) -> dict[str, Any]:
    nearest = found.scopes[0]
    return built(comparison) | {
        "own_monitor": msgspec.to_builtins(nearest.own),
        "any_monitor": msgspec.to_builtins(nearest.by_any),
        "causes": msgspec.to_builtins([*comparison.causes, *found.causes]),
        "destinations_heard": msgspec.to_builtins(found),
        "log": out.name,
        **made(log.settings.seed, {"libtorrent": log.libtorrent}),
    }


def _destinations_table(found: Destinations) -> Table:
    header = ("Sent to instrumented destinations", "Captured by their own monitor", "By any monitor")
    table = headed([header, *((f"which is {one.name}", str(one.own), str(one.by_any)) for one in found.scopes)])
    table.caption = (
        f"{found.attached} of {found.nodes} destinations had a monitor; {found.messages} lookups heard of; left out: "
        + (", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found.excluded.items()) or "none")
    )
    return table
