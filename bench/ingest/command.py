"""`montra bench ingest`: how fast copies of lookups are taken in, and whether any is lost."""

from __future__ import annotations

from typing import Any

import click

from bench.common import machine
from bench.common.options import Common, Sizes, common
from bench.common.outcome import Outcome
from bench.ingest import comparison, runs, soak
from bench.ingest.runs import Load, Scene
from bench.ingest.world import MOST_MONITORS
from montra.window.units import parse_duration


class _Duration(click.ParamType[float]):
    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return value if isinstance(value, float) else parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("ingest")
@click.option("--datagrams", type=click.IntRange(1000), default=400_000, show_default=True, help="Of each run.")
@click.option(
    "--rate",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Datagrams a second, one by one; 0: in heaps that wait in the kernel, so that only the receiver is timed.",
)
@click.option(
    "--heap", type=click.IntRange(1), default=16_000, show_default=True, help="Datagrams that wait at a time."
)
@click.option(
    "--monitors", type=click.IntRange(1, MOST_MONITORS), default=10_000, show_default=True, help="Of the fleet."
)
@click.option(
    "--fleets",
    type=Sizes(),
    default="1000,4000,20000,100000",
    show_default=True,
    help="Numbers of monitors for a second curve; none without --sizes.",
)
@click.option(
    "--port",
    type=click.IntRange(1025, 65_000),
    default=21_501,
    show_default=True,
    help="First UDP port of the monitors; the one below is the crawler's, the one behind the nodes'.",
)
@click.option("--ports", type=click.IntRange(1, 500), default=25, show_default=True, help="Ports of the monitors.")
@click.option(
    "--buffer", type=click.IntRange(1), default=16, show_default=True, help="Receive buffer of each port, MiB."
)
@click.option("--soak", "soak_s", type=_Duration(), help="Instead: montra alone for so long at --rate, loss counted.")
@click.option(
    "--receive",
    type=click.Choice(("best", "sockets", "ring")),
    default="best",
    show_default=True,
    help="How montra receives in the curves and when alone; best is the ring where it works.",
)
@common(sizes=(100_000, 200_000, 400_000, 800_000))
def command(
    given: Common,
    datagrams: int,
    rate: int,
    heap: int,
    monitors: int,
    fleets: tuple[int, ...],
    port: int,
    ports: int,
    buffer: int,
    soak_s: float | None,
    receive: str,
) -> Outcome:
    """Take in copies of lookups, beside a plain receiver and a loop in C that only counts.

    Every datagram of every run is accounted for: sent = stored + ledger. See bench/ingest/README.md.
    """
    scene = Scene(monitors, port, ports, buffer << 20)
    settings = {"monitors": monitors, "ports": ports, "buffer of each (MiB)": buffer}
    bench = comparison.Bench(given.folder, given.say)
    if soak_s is not None:
        settings |= {"datagrams/s": rate or soak.RATE, "seconds": soak_s}
        outcome = Outcome("ingest", machine.describe(given.folder), settings)
        soak.run(outcome, bench, _path(receive), scene, soak_s, rate or soak.RATE)
        return outcome
    load = Load(datagrams, rate, heap)
    settings |= {"datagrams": datagrams, **({"datagrams/s": rate} if rate else {"heap": heap})}
    outcome = Outcome("ingest", machine.describe(given.folder), settings)
    comparison.compare(outcome, bench, scene, load, given.rounds)
    outcome.curves = comparison.curves(bench, _path(receive), scene, load, given.sizes, fleets if given.sizes else ())
    outcome.problems += bench.problems
    outcome.notes += comparison.notes(bench.tools(scene), load)
    return outcome


def _path(receive: str) -> str:
    """Return the system that a choice of receive path names."""
    if receive == "best":
        return runs.RING if runs.RING in runs.systems() else runs.SOCKETS
    return runs.RING if receive == "ring" else runs.SOCKETS
