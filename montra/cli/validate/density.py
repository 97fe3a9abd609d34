"""`montra validate density`: thin fleets on private networks of libtorrent nodes, from every target to every n-th."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import click
import msgspec

from montra.cli.common import Exit, clear_errors, emit, json_option, steps, tell
from montra.cli.lab_errors import lab_errors, usage_errors
from montra.cli.made import line, made, save
from montra.cli.options import NumbersType
from montra.lab.settings import ChurnSettings, LabError, LabSettings, WorkloadSettings
from montra.monitors.settings import FleetSettings
from montra.overlays import base as overlays
from montra.validation.density import (
    NONE,
    SIMULATED,
    Disturbance,
    Point,
    Row,
    as_csv,
    curve,
    disturbance,
    point,
    table,
)
from montra.validation.tables import aligned
from montra.window.units import parse_duration

Step = Callable[[str], None]

#: libtorrent's announce waits up to so long where silent monitors are met; where all answer it is made at once.
SILENT_DRAIN_S, DRAIN_S = 18.0, 4.0
SILENT = "paper"
OVERLAY = "mainline"
#: Length of the workload where nobody leaves, and where many do.
STATIC_S, CHURN_S = 15.0, 40.0
#: Virtual seconds of a simulated window.
SIMULATED_S = 3600.0


@click.command(epilog="Example: montra validate density --every 1,8 --replies least --seeds 1,2,3")
@click.option(
    "--every",
    type=NumbersType(),
    default="1,2,3,4,6,8",
    show_default=True,
    help="Densities to try: a monitor for each group of so many.",
)
@click.option("--replies", default="least,paper", show_default=True, help="Reply modes to try; none: no monitors.")
@click.option(
    "--seeds", type=NumbersType(), default="1", show_default=True, help="Each a network and workload of its own."
)
@click.option("--nodes", default=128, show_default=True, help="libtorrent nodes, three quarters of them in the zone.")
@click.option("--lookups", default=240, show_default=True, help="Lookups that only search, in each lab.")
@click.option("--announces", default=100, show_default=True, help="Lookups that end in an announce, in each lab.")
@click.option("--churn", default="", help="Mean session of a node, such as 2m; nobody leaves without it.")
@click.option(
    "--simulate",
    type=click.IntRange(5, 16),
    help="No labs, but an hour each on a zone of so many bits of a simulated network of two million nodes that come "
    "and go.",
)
@click.option("--keep", is_flag=True, help="Keep the run folders and the labs' logs.")
@click.option(
    "-o",
    "--out",
    default="montra-density",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for results. Labs already in it are not run again.",
)
@json_option
@clear_errors
def command(
    every: tuple[int, ...],
    replies: str,
    seeds: tuple[int, ...],
    nodes: int,
    lookups: int,
    announces: int,
    churn: str,
    simulate: int | None,
    keep: bool,
    out: Path,
    as_json: bool,
) -> None:
    """Find out what a thin fleet gives up, and what it spares the network.

    \b
    For each density, reply mode and seed, and once for each seed without monitors:
    1. a private network of real libtorrent nodes on loopback, each run anew
    2. a window on a zone of it, with a monitor for one of each group of so many neighbours
    3. lookups captured, destinations right (observed and inferred), monitors met by a lookup; and of the
       announces: how long after the first query, to how many real nodes, how many of them the nearest

    A lab takes about 40 s. Each is kept as a small file in the folder: run again, the command goes on
    where it was ended, and draws all that is there in one table and figure.
    """
    step = steps()
    modes = list(dict.fromkeys(mode.strip() for mode in replies.split(",")))
    with usage_errors():
        session_s = parse_duration(churn) if churn else 0.0
        for mode, density in product(modes, every):
            overlays.load(OVERLAY).reply_table(SILENT if mode == NONE else mode, {})
            FleetSettings(every=density)
        labs = {  # all of them, so that what cannot be is said before the first begins
            (mode, seed): _settings(out, mode, seed, nodes, lookups, announces, session_s)
            for mode, seed in product({NONE, *modes}, seeds)
        }
    if simulate is None:
        wanted = [(NONE, 1, seed) for seed in seeds]
        wanted += [one for one in product(modes, every, seeds) if one[0] != NONE]
        network = f"{nodes}-{lookups}-{announces}{churn and '-' + churn}"
    else:
        wanted = list(product([SIMULATED], every, seeds))
        network = f"{simulate}bits"
    points = []
    with lab_errors("lab,analysis"):
        for number, (mode, density, seed) in enumerate(wanted, 1):
            file = out / "labs" / f"{mode}-{density}-{seed}-{network}.json"
            if not file.exists():
                step(f"{number} of {len(wanted)}: replies {mode}, every {density}, seed {seed}")
                work = out / f"lab-{mode}-{density}-{seed}"
                shutil.rmtree(work, ignore_errors=True)  # of a lab that was cut off
                if simulate is None:
                    found = _lab(
                        msgspec.structs.replace(labs[mode, seed], out=str(work / "lab")), mode, density, work, step
                    )
                else:
                    found = _simulated(simulate, density, seed, work, step)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(msgspec.json.encode(found))
                if not keep:
                    shutil.rmtree(work)
            points.append(_read(file))
        rows = curve(points)
        libtorrents = {one.disturbance.libtorrent for one in points} - {""}
        told = made(seeds, {"libtorrent": ", ".join(sorted(libtorrents))} if libtorrents else {})
        document, written = _write(out, rows, points, told)

    def text() -> None:
        for row in aligned(table(rows)):
            click.echo(row)
        tell(f"{line(told)}. Wrote {', '.join(map(str, written))}")

    emit(as_json, document, text)


def _read(file: Path) -> Point:
    """Return a lab that is done; raises LabError for a file that is none."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Point)
    except msgspec.MsgspecError as error:
        raise LabError(f"{file}: {error}; remove it to run this lab again") from error


def _settings(
    out: Path, mode: str, seed: int, nodes: int, lookups: int, announces: int, session_s: float
) -> LabSettings:
    return LabSettings(
        out=str(out),
        nodes=nodes,
        seed=seed,
        workload=WorkloadSettings(
            lookups=lookups,
            announces=announces,
            duration_s=CHURN_S if session_s else STATIC_S,
            info_hashes=max(1, lookups + announces),
            zipf=0.3,  # lookups of one key share their fate: the more keys the better
            drain_s=SILENT_DRAIN_S if mode == SILENT or session_s else DRAIN_S,  # who left is as silent
        ),
        churn=ChurnSettings(mean_session_s=session_s),
    )


def _lab(settings: LabSettings, mode: str, every: int, work: Path, step: Step) -> Point:
    """Run one lab, with a window on it or without."""
    from montra.cli.lab_window import run_lab_alone, watch_lab
    from montra.cli.monitor import exit_code
    from montra.validation.compare import compare
    from montra.window.analyze import attribute_run
    from zone_store.run.reader import RunReader

    truth = Path(settings.out)
    if mode == NONE:
        run_lab_alone(settings, step)
        return Point(mode=mode, every=every, seed=settings.seed, disturbance=disturbance(truth))
    window = watch_lab(settings, work, {"monitors.every": every, "replies.mode": mode}, step)
    ended = window.ended
    if exit_code(ended) != Exit.OK or not window.went_ns:
        raise SystemExit(int(exit_code(ended)))
    attribute_run(ended.run)
    comparison = compare(ended.run, truth, since_ns=window.went_ns)
    if comparison.flaw:
        raise LabError(comparison.flaw)
    with RunReader(ended.run) as reader:
        attachments = reader.attachments()
    return point(mode, every, settings.seed, comparison, attachments, disturbance(truth))


def _simulated(bits: int, every: int, seed: int, work: Path, step: Step) -> Point:
    """Run one simulated window; the instrument replies to strangers as it does by default."""
    from montra.simulator.experiment import ZoneTask, simulate_zone
    from zone_store.run.reader import RunReader

    task = ZoneTask(bits=bits, duration_s=SIMULATED_S, seed=seed, runs=work, instrument={"monitors.every": every})
    comparison = simulate_zone(task, step).comparison
    with RunReader(work / comparison.run) as reader:
        return point(SIMULATED, every, seed, comparison, reader.attachments(), Disturbance())


def _write(
    out: Path, rows: Sequence[Row], points: Sequence[Point], told: dict[str, Any]
) -> tuple[dict[str, Any], list[Path]]:
    """Write the curve as JSON, CSV and figures; returns the JSON's content and the files."""
    document = save(out / "density.json", {**told, "curve": rows, "labs": points})
    files = {"density.csv": as_csv(rows), "density.svg": _shares_figure(rows)}
    if any(row.announced.hits for row in rows):
        files["density-delay.svg"] = _delay_figure(rows)
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")
    return document, [out / name for name in ("density.json", *files)]


def _shares_figure(rows: Sequence[Row]) -> str:
    """Draw capture and destinations against the share of targets monitored, for the first mode of the curve."""
    from analysis.page.style import SERIES, axes, svg

    mode = next((row.mode for row in rows if row.mode != NONE), "")
    shown = sorted((row for row in rows if row.mode == mode), key=lambda row: row.share)
    with axes("density") as (figure, ax):
        # the first one lies under the second where all is well: it is drawn wider
        for name, colour, width in zip(("capture", "inferred", "observed"), SERIES[:3], (4.0, 1.6, 1.6), strict=True):
            shares = [getattr(row, name) for row in shown]
            x = [row.share for row in shown]
            low, high = [one.low for one in shares], [one.high for one in shares]
            ax.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
            y = [one.share for one in shares]
            ax.plot(x, y, color=colour, linewidth=width, marker="o", markersize=3, label=_LABELS[name])
        ax.set_xlabel("share of targets with a monitor")
        ax.set_ylabel("share of lookups")
        ax.set_ylim(0, 1.03)
        ax.set_xlim(0, 1.03)
        ax.legend(loc="lower right")
        return svg(figure)


def _delay_figure(rows: Sequence[Row]) -> str:
    """Draw the delay of announces against the share of targets monitored, a line for each mode."""
    from analysis.page.style import MUTED, SERIES, axes, svg

    with axes("density-delay") as (figure, ax):
        modes = dict.fromkeys(row.mode for row in rows if row.mode != NONE)
        for mode, colour in zip(modes, SERIES, strict=False):
            shown = sorted((row for row in rows if row.mode == mode), key=lambda row: row.share)
            x = [row.share for row in shown]
            ax.plot(x, [row.delay_s for row in shown], color=colour, marker="o", markersize=3, label=f"{mode}: median")
            ax.plot(x, [row.delay_p90_s for row in shown], color=colour, linestyle=":", label=f"{mode}: 90 %")
        for row in rows:
            if row.mode == NONE and not math.isnan(row.delay_s):
                ax.axhline(row.delay_s, color=MUTED, linewidth=1, linestyle="--", label="no monitors: median")
        ax.set_xlabel("share of targets with a monitor")
        ax.set_ylabel("seconds from first query to announce")
        ax.set_xlim(0, 1.03)
        ax.legend(loc="best")
        return svg(figure)


_LABELS = {"capture": "captured", "inferred": "destination right, inferred", "observed": "destination right, observed"}
