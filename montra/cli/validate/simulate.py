"""`montra validate simulate`: capture and destinations over zone sizes and hours, in virtual time."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec

from montra.cli.common import clear_errors, emit, json_option, say, steps, tell
from montra.cli.lab_errors import lab_errors
from montra.cli.made import line, made, save
from montra.cli.options import DurationType, NumbersType
from montra.simulator.experiment import ATTACH_S, ZoneTask, simulate_zones
from montra.simulator.instrument import Say
from montra.simulator.settings import SimSettingsError

#: Lookups an hour for keys in the zone, enough for an interval of 0.3 % in six hours. A zone of a real network has far
#: more; each is judged alone, so their number changes nothing but the intervals and the time that it takes.
_LOOKUPS_PER_H = 25_000 / 6
#: Of a short window, the share that is left to the fleet to attach before lookups are judged.
_ATTACH_SHARE = 0.25


@click.command(epilog="Example: montra validate simulate --zones 8 --duration 1h --out results")
@click.option("--zones", type=NumbersType(24), default="5,6,7,8", show_default=True, help="Zone sizes, in bits.")
@click.option("--nodes", type=click.IntRange(1000), default=2_000_000, show_default=True, help="Live nodes in all.")
@click.option("--duration", default="6h", show_default=True, type=DurationType(), help="Length of each window.")
@click.option("--seed", type=click.IntRange(1), default=1, show_default=True, help="Seed of network and instrument.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Zones at the same time.")
@click.option("--runs", type=click.Path(file_okay=False, path_type=Path), help="Keep the run folders here.")
@click.option(
    "--parity", is_flag=True, help="Instead of zones: a small network, simulated and of real libtorrent nodes."
)
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), help="Write table and figure here.")
@json_option
@clear_errors
def command(
    zones: tuple[int, ...],
    nodes: int,
    duration: float,
    seed: int,
    workers: int,
    runs: Path | None,
    parity: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Watch zones of a simulated Mainline network and judge what was captured.

    The instrument is the real one: crawler, monitors, limits, run store and attribution, with the settings of
    configs/mainline-6bit.toml; only time, packets and the network's nodes are simulated. The truth is what the
    simulated nodes received.

    With --parity the same window watches 200 simulated and 200 real libtorrent nodes on loopback, for several address
    plans, and each figure is compared: the two agree where their intervals overlap.
    """
    step = steps()
    if parity:
        _parity(seed, out, as_json, step)
        return
    with lab_errors("analysis"):
        from montra.simulator import outcome
    attach_s = min(ATTACH_S, _ATTACH_SHARE * duration)
    lookups = _LOOKUPS_PER_H * duration / 3600
    task = ZoneTask(
        bits=0, nodes=nodes, duration_s=duration, seed=seed, attach_s=attach_s, network={"lookups": lookups}
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


def _parity(seed: int, out: Path | None, as_json: bool, step: Say) -> None:
    """Compare the simulator with a lab of real nodes."""
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

        with tempfile.TemporaryDirectory(prefix="montra-parity-") as folder:
            pairs = parity.side_by_side(Path(folder), watch, seed=seed, say=step)
    content = {**made(seed, {"libtorrent": libtorrent.__version__}), "nodes": parity.NODES, "pairs": pairs}
    table = parity.table(pairs)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        heading = f"# The simulator beside real libtorrent nodes\n\nMade by `{content['command']}`.\n\n"
        (out / "simulated-parity.md").write_text(heading + table, "utf-8")
        save(out / "simulated-parity.json", content)

    def text() -> None:
        click.echo(table)
        tell(f"{line(content)}.")

    emit(as_json, msgspec.json.decode(msgspec.json.encode(content)), text)
