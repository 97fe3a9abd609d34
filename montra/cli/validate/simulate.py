"""`montra validate simulate`: capture and destinations over zone sizes and hours, in virtual time."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec

from montra.cli.common import RefusedError, clear_errors, emit, json_option, say, steps, tell
from montra.cli.lab_errors import lab_errors, orderly_end
from montra.cli.made import line, made, save
from montra.cli.options import DurationType, NumbersType
from montra.lab.kad.settings import KadLabSettings, KadWorkload
from montra.overlays.base import OVERLAYS
from montra.simulator.experiment import ATTACH_S, ZoneTask, simulate_zones
from montra.simulator.instrument import Say
from montra.simulator.parity import Pair, table
from montra.simulator.settings import SimSettingsError
from montra.simulator.worlds import usual_nodes
from montra.validation.truth import Truth

#: Lookups an hour for keys in the zone, enough for an interval of 0.3 % in six hours. A zone of a real network has far
#: more; each is judged alone, so their number changes nothing but the intervals and the time that it takes.
_LOOKUPS_PER_H = 25_000 / 6
#: Of a short window, the share that is left to the fleet to attach before lookups are judged.
_ATTACH_SHARE = 0.25
#: Names of the files of --parity.
_PARITY = {"mainline": "simulated-parity", "kad": "simulated-kad-parity"}


@click.command(epilog="Example: montra validate simulate --zones 8 --duration 1h --out results")
@click.option("--zones", type=NumbersType(24), default="5,6,7,8", show_default=True, help="Zone sizes, in bits.")
@click.option(
    "--overlay", type=click.Choice(sorted(OVERLAYS)), default="mainline", show_default=True, help="Which DHT."
)
@click.option(
    "--nodes", type=click.IntRange(1000), help="Live nodes in all.  [default: 2000000; of Kad 400000, assumed]"
)
@click.option("--duration", default="6h", show_default=True, type=DurationType(), help="Length of each window.")
@click.option("--seed", type=click.IntRange(1), default=1, show_default=True, help="Seed of network and instrument.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Zones at the same time.")
@click.option("--runs", type=click.Path(file_okay=False, path_type=Path), help="Keep the run folders here.")
@click.option(
    "--parity",
    is_flag=True,
    help="Instead of zones: a small network, simulated and of real libtorrent or amuled nodes.",
)
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), help="Write table and figure here.")
@json_option
@clear_errors
def command(
    zones: tuple[int, ...],
    overlay: str,
    nodes: int | None,
    duration: float,
    seed: int,
    workers: int,
    runs: Path | None,
    parity: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Watch zones of a simulated network and judge what was captured.

    The instrument is the real one: crawler, monitors, limits, run store and attribution, with the settings of
    configs/mainline-6bit.toml or configs/kad-6bit.toml; only time, packets and the network's nodes are simulated. The
    truth is what the simulated nodes received.

    With --parity the same window watches 200 simulated and 200 real libtorrent nodes on loopback, or 100 simulated and
    100 real amuled in a namespace, for several address plans, and each figure is compared: the two agree where their
    intervals overlap.
    """
    step = steps()
    if parity:
        _parity(overlay, seed, out, as_json, step)
        return
    with lab_errors("analysis"):
        from montra.simulator import outcome
    attach_s = min(ATTACH_S, _ATTACH_SHARE * duration)
    lookups = _LOOKUPS_PER_H * duration / 3600
    task = ZoneTask(
        bits=0,
        overlay=overlay,
        nodes=nodes or usual_nodes(overlay),
        duration_s=duration,
        seed=seed,
        attach_s=attach_s,
        network={"lookups": lookups},
    )
    tasks = [replace(task, bits=bits, runs=runs / f"{bits}bits" if runs else None) for bits in zones]
    with lab_errors("analysis"):
        try:
            results = simulate_zones(tasks, workers, step)
        except SimSettingsError as error:
            raise click.UsageError(str(error)) from error
    told = made(seed, {}) | {"about": outcome.about(results)}
    for path in outcome.write(out, results, told) if out else ():
        step(f"wrote {path}")

    def text() -> None:
        tell(told["about"])
        click.echo()
        click.echo(outcome.table(results))
        tell(f"{line(told)}.")

    emit(as_json, msgspec.json.decode(outcome.document(results, told)), text)
    for result in results:
        if not outcome.reached(result):
            say(f"{result.zone}: {outcome.shortfall(result)}")


def _parity(overlay: str, seed: int, out: Path | None, as_json: bool, step: Say) -> None:
    """Compare the simulator with a lab of real nodes."""
    with tempfile.TemporaryDirectory(prefix="montra-parity-") as folder:
        if overlay == "kad":
            pairs, nodes, clients = _beside_amuled(Path(folder), seed, step)
        else:
            pairs, nodes, clients = _beside_libtorrent(Path(folder), seed, step)
    content = {**made(seed, clients), "nodes": nodes, "pairs": pairs}
    text = table(pairs)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        name = _PARITY[overlay]
        heading = f"# The simulator beside real nodes: {', '.join(clients)}\n\nMade by `{content['command']}`.\n\n"
        (out / f"{name}.md").write_text(heading + text, "utf-8")
        save(out / f"{name}.json", content)

    def show() -> None:
        click.echo(text)
        tell(f"{line(content)}.")

    emit(as_json, msgspec.json.decode(msgspec.json.encode(content)), show)


def _beside_libtorrent(folder: Path, seed: int, step: Say) -> tuple[list[Pair], int, dict[str, str]]:
    """Return what is found, on how many nodes, and the clients' releases."""
    with lab_errors("lab,analysis"):
        import libtorrent

        from montra.cli.lab_window import watch_lab
        from montra.lab.settings import LabSettings
        from montra.simulator import parity

        def watch(settings: LabSettings, folder: Path, overrides: Mapping[str, Any], say: Say) -> tuple[Path, int]:
            window = watch_lab(settings, folder, overrides, say)
            if not window.went_ns:
                raise click.ClickException("stopped before the lab had anything to do")
            return window.ended.run, window.went_ns

        pairs = parity.side_by_side(folder, watch, seed=seed, say=step)
    return pairs, parity.NODES, {"libtorrent": libtorrent.__version__}


def _beside_amuled(folder: Path, seed: int, step: Say) -> tuple[list[Pair], int, dict[str, str]]:
    """Do the same on Kad; raises RefusedError."""
    with lab_errors("lab,analysis"):
        from montra.cli.kad_window import watch_kad
        from montra.lab.kad.programs import missing, releases
        from montra.simulator.kad import parity
        from montra.validation.kad_truth import load_truth

        if lacks := missing(KadLabSettings(out=folder, nodes=parity.NODES)):
            raise RefusedError(lacks)

        def watch(
            settings: KadLabSettings, work: KadWorkload, folder: Path, overrides: Mapping[str, Any], say: Say
        ) -> tuple[Path, Truth, int]:
            window = watch_kad(settings, work, folder, overrides, say)
            return window.run, load_truth(window.lab), window.went_ns

        with orderly_end():
            pairs = parity.side_by_side(folder, watch, seed=seed, say=step)
    return pairs, parity.NODES, releases()
