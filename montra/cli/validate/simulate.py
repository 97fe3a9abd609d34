"""`montra validate simulate`: capture and destinations over zone sizes and hours, in virtual time."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec

from montra import __version__
from montra.cli.common import clear_errors, emit, json_option, require_extra, say, tell
from montra.simulator.experiment import ATTACH_S, ZoneTask, simulate_zones
from montra.simulator.instrument import Say
from montra.simulator.settings import SimSettingsError
from montra.validation.truth import TruthError
from montra.window import provenance
from montra.window.units import parse_duration

#: Lookups an hour for keys in the zone, enough for an interval of 0.3 % in six hours. A zone of a real network has far
#: more; each is judged alone, so their number changes nothing but the intervals and the time that it takes.
_LOOKUPS_PER_H = 25_000 / 6
#: Of a short window, the share that is left to the fleet to attach before lookups are judged.
_ATTACH_SHARE = 0.25


class _Zones(click.ParamType[tuple[int, ...]]):
    """Zone sizes in bits: "5,6,7,8"."""

    name = "bits"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if not all(part.strip().isdigit() and 1 <= int(part) <= 24 for part in parts):
            self.fail(f"{value!r} is no list of zone sizes; write them as 5,6,7,8 (1 to 24 bits)", param, ctx)
        return tuple(dict.fromkeys(int(part) for part in parts))


def _duration(_: click.Context, __: click.Parameter, value: str) -> float:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(epilog="Example: montra validate simulate --zones 8 --duration 1h --out results")
@click.option("--zones", type=_Zones(), default="5,6,7,8", show_default=True, help="Zone sizes, in bits.")
@click.option("--nodes", type=click.IntRange(1000), default=2_000_000, show_default=True, help="Live nodes in all.")
@click.option("--duration", default="6h", show_default=True, callback=_duration, help="Length of each window.")
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
    try:
        from montra.simulator import outcome
    except ImportError as error:
        raise require_extra(error, "analysis") from error
    begin = time.perf_counter()

    def step(line: str) -> None:
        say(f"[dim]{time.perf_counter() - begin:6.0f} s[/]  {line}")

    if parity:
        _parity(seed, out, as_json, step)
        return
    attach_s = min(ATTACH_S, _ATTACH_SHARE * duration)
    lookups = _LOOKUPS_PER_H * duration / 3600
    task = ZoneTask(
        bits=0, nodes=nodes, duration_s=duration, seed=seed, attach_s=attach_s, network={"lookups": lookups}
    )
    tasks = [replace(task, bits=bits, runs=runs / f"{bits}bits" if runs else None) for bits in zones]
    try:
        results = simulate_zones(tasks, workers, step)
    except SimSettingsError as error:
        raise click.UsageError(str(error)) from error
    arguments = ["--zones", ",".join(map(str, zones)), "--nodes", str(nodes), "--duration", _words(duration)]
    made = _made([*arguments, "--seed", str(seed)], seed) | {"about": outcome.about(results)}
    for path in outcome.write(out, results, made) if out else ():
        step(f"wrote {path}")

    def text() -> None:
        tell(made["about"])
        tell("")
        for line in outcome.table(results).splitlines():
            tell(line.replace("[", r"\["))

    emit(as_json, msgspec.json.decode(outcome.document(results, made)), text)
    for result in results:
        if not outcome.reached(result):
            say(f"{result.zone}: {outcome.shortfall(result)}")


def _made(arguments: list[str], seed: int) -> dict[str, Any]:
    """Return how a result was made."""
    return {
        "command": shlex.join(["montra", "validate", "simulate", *arguments]),
        "seed": seed,
        "montra": __version__,
        "git": provenance.git_describe(),
        "versions": provenance.versions(),
    }


def _words(seconds: float) -> str:
    """Return a duration as the option takes it."""
    return f"{seconds / 3600:g}h" if seconds % 3600 == 0 else f"{seconds:g}s"


def _parity(seed: int, out: Path | None, as_json: bool, step: Say) -> None:
    """Compare the simulator with a lab of real nodes."""
    try:
        import libtorrent

        from montra.cli.lab_window import watch_lab
        from montra.lab.settings import LabError, LabSettings
        from montra.simulator import parity
    except ImportError as error:
        raise require_extra(error, "lab,analysis") from error

    def watch(settings: LabSettings, folder: Path, overrides: Mapping[str, Any], say: Say) -> tuple[Path, int]:
        window = watch_lab(settings, folder, overrides, say)
        if not window.went_ns:
            raise click.ClickException("stopped before the lab had anything to do")
        return window.ended.run, window.went_ns

    with tempfile.TemporaryDirectory(prefix="montra-parity-") as folder:
        try:
            pairs = parity.side_by_side(Path(folder), watch, seed=seed, say=step)
        except (LabError, TruthError) as error:
            raise click.ClickException(str(error)) from error
    made = _made(["--parity", "--seed", str(seed)], seed)
    made["versions"] |= {"libtorrent": libtorrent.__version__}
    content = {**made, "nodes": parity.NODES, "pairs": msgspec.to_builtins(pairs)}
    table = parity.table(pairs)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        heading = f"# The simulator beside real libtorrent nodes\n\nMade by `{made['command']}`.\n\n"
        (out / "simulated-parity.md").write_text(heading + table, "utf-8")
        (out / "simulated-parity.json").write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
    emit(as_json, content, lambda: tell(table))
