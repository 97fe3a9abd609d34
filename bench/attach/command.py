"""`montra bench attach`: a million monitors on this machine; and what each costs beside a greenlet and a socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bench.attach import place, runs
from bench.attach.accounting import check, figures
from bench.attach.runs import Load, Tools
from bench.common import machine
from bench.common.compiler import BenchError
from bench.common.options import Common, common
from bench.common.outcome import Curve, Goal, Outcome, Summary, ratios
from montra.window.units import parse_duration

#: Bars of the goals.
MOST_BYTES = 2 << 30
MOST_LATE_S = 1.0
#: A side-by-side run: how long to hold, how often to keep alive, queries a second to each monitor by its target and by
#: strangers (a busy node of the public network hears about one lookup in two seconds).
SIDE_S = 10.0
SIDE_KEEP_ALIVE_S = 20.0
SIDE_ASKS = 0.1
SIDE_STRANGE = 0.5
#: How long to hold the monitors of a point of the curve.
CURVE_S = 10.0

BYTES, CPU = "memory for each monitor (bytes)", "CPU for each monitor and second (us)"


@click.command("attach")
@click.option("--monitors", type=click.IntRange(0, place.MOST), default=1_000_000, show_default=True, help="0: none.")
@click.option("--duration", default="10m", show_default=True, help="How long to hold them.")
@click.option("--keep-alive", type=float, default=360.0, show_default=True, help="Seconds between keep-alives.")
@click.option("--rate", type=float, default=6000.0, show_default=True, help="Attached a second at most.")
@click.option("--asks", type=float, default=1000.0, show_default=True, help="Queries a second by the targets.")
@click.option("--strange", type=float, default=200.0, show_default=True, help="Queries a second by a stranger.")
@click.option(
    "--plain",
    type=click.IntRange(0, 10_000),
    default=10_000,
    show_default=True,
    help="Monitors side by side with a greenlet and a socket for each; 0: not at all.",
)
@common(sizes=(10_000, 30_000, 100_000, 300_000))
def command(
    given: Common,
    monitors: int,
    duration: str,
    keep_alive: float,
    rate: float,
    asks: float,
    strange: float,
    plain: int,
) -> Outcome:
    """Attach many monitors on loopback, hold them, and let their targets say whether they did.

    The targets are a program in C: each answers as libtorrent does, queries its monitor, and checks ID and address of
    all it hears. A stranger's queries must be captured, and stay without an answer.
    """
    try:
        seconds = parse_duration(duration)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if given.sizes and given.sizes[-1] > place.MOST:
        raise click.BadParameter(f"at most {place.MOST} monitors have addresses here")
    tools = runs.prepare(given.folder)
    load = Load(monitors, rate, seconds, keep_alive, asks, strange)
    outcome = Outcome("attach", machine.describe(given.folder), _settings(load, plain))
    outcome.notes += [
        "memory for each monitor: growth of the process's own (anonymous) memory, all of it included",
        "late: from when a keep-alive was planned to when it was made, all of them; intervals as the targets saw them, "
        f"planned {0.9 * keep_alive:g} to {1.1 * keep_alive:g} s",
        "limits of the endpoint are lifted but for the one for each target; the crawl is scripted, its views are real",
    ]
    if plain:
        _side_by_side(
            given, outcome, tools, Load(plain, rate, SIDE_S, SIDE_KEEP_ALIVE_S, SIDE_ASKS * plain, SIDE_STRANGE * plain)
        )
    if given.sizes:
        _curves(given, outcome, tools, [Load(n, rate, CURVE_S, keep_alive, asks, strange) for n in given.sizes])
    if monitors:
        _many(given, outcome, tools, load)
    return outcome


def _settings(load: Load, plain: int) -> dict[str, Any]:
    return {
        "monitors": load.monitors,
        "seconds": load.seconds,
        "keep-alive (s)": load.keep_alive_s,
        "rate": load.rate,
        "asks": load.asks,
        "strange": load.strange,
        "side by side": f"{plain} monitors, {SIDE_S:g} s, keep-alive {SIDE_KEEP_ALIVE_S:g} s, "
        f"{(SIDE_ASKS + SIDE_STRANGE) * plain:g} queries/s",
    }


def _run(given: Common, outcome: Outcome, tools: Tools, system: str, load: Load) -> dict[str, Any]:
    folder = Path(given.folder)
    got = runs.run(system, load, tools, folder)
    outcome.problems += check(system, load, got)
    found = figures(load, got)
    given.say(
        f"{system}, {load.monitors:,} monitors for {load.seconds:g} s: {found['attached a second']:,.0f} attached a "
        f"second, {found[BYTES]:,.0f} bytes each, {found['CPU share while holding (%)']:.0f} % of a CPU while holding"
    )
    return found | {"raw": got}


def _side_by_side(given: Common, outcome: Outcome, tools: Tools, load: Load) -> None:
    outcome.rounds = [
        {system: _run(given, outcome, tools, system, load) for system in ("montra", "plain")}
        for _ in range(given.rounds)
    ]
    outcome.summarise(BYTES, CPU, "CPU to attach one (us)", "attached a second", "keep-alive late, p99.9 (s)")
    for name, figure in (("bytes for each monitor", BYTES), ("CPU for each monitor and second", CPU)):
        outcome.ratios[f"plain / montra, {name}"] = ratios(outcome.rounds, "plain", "montra", figure)


def _curves(given: Common, outcome: Outcome, tools: Tools, loads: list[Load]) -> None:
    found = [_run(given, outcome, tools, "montra", load) for load in loads]
    sizes = tuple(float(load.monitors) for load in loads)
    for name, cost, values in (
        ("memory", "memory grown by (MiB)", [one["raw"]["monitors"]["grown"] / 2**20 for one in found]),
        ("attaching", "CPU to attach all (s)", [one["raw"]["monitors"]["attach_cpu_s"] for one in found]),
    ):
        outcome.curves.append(Curve(name, "monitors", sizes, cost, tuple(values)))
    more = found[-1]["raw"]["monitors"]["grown"] - found[0]["raw"]["monitors"]["grown"]
    outcome.notes.append(
        f"from {loads[0].monitors:,} to {loads[-1].monitors:,} monitors, each further one takes "
        f"{more / (loads[-1].monitors - loads[0].monitors):.0f} bytes"
    )


def _many(given: Common, outcome: Outcome, tools: Tools, load: Load) -> None:
    try:
        found = _run(given, outcome, tools, "montra", load)
    except BenchError as error:
        outcome.problems.append(str(error))
        return
    raw = found.pop("raw")
    held, targets = raw["monitors"], raw["targets"]
    share = f"{found['CPU share while holding (%)']:.0f} % of a CPU"
    resident = held["peak"] + targets["rss"]
    visible = held["states"]["visible"]
    late = max(held["late_p999_s"], targets["interval_p999_s"] - 1.1 * load.keep_alive_s)
    outcome.figures[f"montra, {load.monitors:,}"] = {
        name: Summary(value, value, value) for name, value in found.items()
    }
    outcome.goals += [
        Goal(
            f"{load.monitors:,} monitors introduced, kept alive and answering",
            "all, every query of a target answered by its own monitor, none of a stranger's",
            f"{visible:,} handed out, {targets['answered']:,} of {targets['asked']:,} queries answered, "
            f"{targets['strange_answers']} of {targets['strange']:,} strangers'",
            visible == load.monitors and targets["answered"] == targets["asked"] and not targets["strange_answers"],
        ),
        Goal(
            "resident memory, all processes, sealing included",
            "2 GiB at most",
            f"{resident / 2**20:,.0f} MiB, the targets' {targets['rss'] / 2**20:,.0f} MiB in it",
            resident <= MOST_BYTES,
        ),
        Goal(
            f"keep-alives late at the 99.9th percentile over {load.seconds:g} s",
            f"{MOST_LATE_S:g} s at most",
            f"{held['late_p999_s']:.3f} s of {found['keep-alives sent']:,}; targets saw "
            f"{targets['interval_p999_s']:.2f} s between two, {1.1 * load.keep_alive_s:g} s planned at most; {share}",
            late <= MOST_LATE_S and targets["overdue"] == 0,
        ),
    ]
