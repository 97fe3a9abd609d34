"""`montra bench attribute`: from captures to lookups, with one and all CPUs, beside DuckDB on the same rows."""

from __future__ import annotations

import math
import os
from typing import Any

import click

from bench.attribute import runs
from bench.attribute.runs import ALL, CPU, DISK, DUCKDB, MEMORY, ONE, RATE, RATE_CPU, RESIDENT, SYSTEMS, WALL, Stored
from bench.attribute.window import Shape
from bench.common import machine
from bench.common.options import Common, common
from bench.common.outcome import Curve, Goal, Outcome, ratios, summary

BILLION = 1_000_000_000
WANTED_GIB, WANTED_CAPTURES = 4.0, 100_000_000
EVIDENCE = "montra, evidence"

#: Memory of the table of targets in each process, about, with what its making takes for a moment.
BYTES_PER_ATTACHMENT = 200

NOTES = (
    "the window is synthetic (bench/attribute/window.py says how); its truth is known, and every system's lookups are "
    "checked against it: how many, of how many copies, and a sum over first copy, source, kind, key, destination and "
    "copies of each",
    "montra reads its own store and writes lookups.lmdb; DuckDB reads a table of its own, brought in before the clock "
    "starts, and writes another",
    "DuckDB leaves out: the cut at ten minutes, the closest target attached, the destination's rank, the margin, "
    "the maintenance marks, ties beyond 64 bits, and moves one word of the requester's ID",
    "memory of all processes is what is theirs alone, at its highest moment; pages of the store's file that are mapped "
    "besides are the kernel's to take back",
)


@click.command("attribute")
@click.option("--captures", type=click.IntRange(1000), default=3_000_000, show_default=True, help="In each round.")
@click.option("--monitors", type=click.IntRange(64), default=150_000, show_default=True, help="Attached at a time.")
@click.option("--lifetime", type=click.FloatRange(60), default=3600.0, show_default=True, help="Of one, seconds.")
@click.option("--rate", type=click.FloatRange(100), default=20_000.0, show_default=True, help="Captures a second.")
@click.option("--duckdb-memory", type=click.IntRange(256), default=4096, show_default=True, help="Its limit, MiB.")
@click.option("--evidence", type=click.IntRange(10_000), help="One more run, of so many captures.")
@common(sizes=(300_000, 1_000_000, 3_000_000, 10_000_000))
def command(
    given: Common,
    captures: int,
    monitors: int,
    lifetime: float,
    rate: float,
    duckdb_memory: int,
    evidence: int | None,
) -> Outcome:
    """Group captured copies into lookups and find where each ended.

    Systems: montra in one process, montra in one for each CPU, DuckDB by SQL with as many threads. Figures: captures a
    second of wall and of CPU time, memory of all processes. --evidence adds one run of montra on all CPUs, and what
    follows from it for a billion captures.
    """
    workers = len(os.sched_getaffinity(0))
    shape = Shape(captures, monitors, lifetime, rate)
    outcome = Outcome(
        "attribute",
        machine.describe(given.folder),
        {
            "captures": captures,
            "monitors": monitors,
            "lifetime (s)": lifetime,
            "captures a second": rate,
            "workers": workers,
            "DuckDB's memory limit (MiB)": duckdb_memory,
        },
        notes=list(NOTES),
    )
    bench = _Bench(given, workers, duckdb_memory, outcome.problems)
    stored = bench.store(shape)
    for number in range(given.rounds):
        outcome.rounds.append({system: bench.measure(system, stored, f"round {number + 1}") for system in SYSTEMS})
    stored.remove()
    outcome.summarise(RATE, RATE_CPU, MEMORY, RESIDENT)
    for other in (ONE, DUCKDB):
        for figure in (RATE, RATE_CPU, MEMORY):
            outcome.ratios[f"montra / {other}: {figure}"] = ratios(outcome.rounds, ALL, other, figure)
    _add_curves(outcome, bench, shape)
    if evidence is not None:
        _add_evidence(outcome, bench, Shape(evidence, monitors, lifetime, rate))
    return outcome


class _Bench:
    """What all runs share."""

    def __init__(self, given: Common, workers: int, duckdb_mib: int, problems: list[str]) -> None:
        self.given = given
        self._workers, self._duckdb_mib, self._problems = workers, duckdb_mib, problems

    def store(self, shape: Shape) -> Stored:
        """Write a run of this shape."""
        stored = runs.store(self.given.folder, shape)
        true = stored.truth
        self.given.say(
            f"{true.captures:,} captures of {true.lookups.rows:,} lookups, {true.attachments:,} attachments, "
            f"{stored.bytes / true.captures:.1f} bytes a capture, written in {stored.seconds:.1f} s"
        )
        return stored

    def measure(self, system: str, stored: Stored, what: str) -> dict[str, Any]:
        """Let one system attribute it."""
        found = runs.measure(system, stored, self._workers, self._duckdb_mib, self._problems)
        self.given.say(
            f"{what}: {system}: {found[RATE]:,.0f} captures/s, {found[RATE_CPU]:,.0f} a core, {found[MEMORY]:,.0f} MiB"
        )
        return found


def _add_curves(outcome: Outcome, bench: _Bench, shape: Shape) -> None:
    """Measure every system at each size, `rounds` times; medians make the curves."""
    sizes: list[float] = []
    costs: dict[str, list[float]] = {system: [] for system in SYSTEMS}
    memory: list[float] = []
    for size in bench.given.sizes:
        stored = bench.store(Shape(size, shape.monitors, shape.lifetime_s, shape.rate))
        sizes.append(float(stored.truth.captures))
        for system in SYSTEMS:
            found = [bench.measure(system, stored, f"{size:,}") for _ in range(min(3, bench.given.rounds))]
            costs[system].append(summary(one[CPU] for one in found).median)
            if system == ALL:
                memory.append(summary(one[MEMORY] for one in found).median)
        stored.remove()
    if sizes:
        outcome.curves += [
            Curve(f"attribution, {system}", "captures", tuple(sizes), "CPU seconds", tuple(costs[system]))
            for system in SYSTEMS
        ]
        outcome.curves.append(
            Curve("attribution, memory", "captures", tuple(sizes), "MiB of all processes", tuple(memory))
        )
    for curve in outcome.curves[:2]:
        exponent = f"(n log n)^{curve.exponent:.2f}"
        outcome.goals.append(Goal(f"{curve.name}: cost", "at most n log n", exponent, curve.grows_as_wanted))


def _add_evidence(outcome: Outcome, bench: _Bench, shape: Shape) -> None:
    """Attribute one large run, and say what follows from it for a billion captures."""
    stored = bench.store(shape)
    found = bench.measure(ALL, stored, "evidence")
    stored.remove()
    true = stored.truth
    exponent = _steepness(outcome, true.captures, found)
    seconds = found[WALL] * (BILLION / true.captures) ** exponent
    # What is held follows the rate of captures, not their number, but for the attachments, which come and go all along.
    more = _attachments(shape, BILLION) - true.attachments
    memory = found[RESIDENT] + more * BYTES_PER_ATTACHMENT * found["processes"] / 2**20
    figures = {
        **{name: found[name] for name in (RATE, RATE_CPU, MEMORY, RESIDENT, WALL, CPU, DISK)},
        "captures": true.captures,
        "lookups": true.lookups.rows,
        "attachments": true.attachments,
        "capture store (bytes)": stored.bytes,
        "generation (s)": stored.seconds,
        "wall for a billion (s)": seconds,
        "resident for a billion (MiB)": memory,
    }
    outcome.figures[EVIDENCE] = {name: summary([value]) for name, value in figures.items()}
    outcome.goals += [
        Goal(
            "evidence",
            f"a run of {WANTED_CAPTURES:,} captures",
            f"{true.captures:,} captures in {found[WALL]:.0f} s: {found[RATE]:,.0f} captures/s, {found[RATE_CPU]:,.0f} "
            f"a core; {found[MEMORY]:,.0f} MiB of all processes, {found[RESIDENT]:,.0f} with mapped files; "
            f"{stored.bytes / 2**30:.2f} GiB of captures, {found[DISK] / 2**30:.2f} of lookups",
            true.captures >= WANTED_CAPTURES,
        ),
        Goal(
            "a billion captures, extrapolated",
            f"about {WANTED_GIB:g} GiB resident",
            f"{memory / 1024:.2f} GiB and {seconds / 60:.0f} minutes, by n^{exponent:.2f} from {true.captures:,}",
            memory / 1024 <= WANTED_GIB,
        ),
    ]


def _steepness(outcome: Outcome, captures: int, found: dict[str, Any]) -> float:
    """Return the exponent of CPU time from the curve's largest size to the evidence, at least 1; 1 without a curve."""
    largest = next(((c.sizes[-1], c.costs[-1]) for c in outcome.curves if ALL in c.name), None)
    if largest is None or largest[0] >= captures:
        return 1.0
    return max(1.0, math.log(found[CPU] / largest[1]) / math.log(captures / largest[0]))


def _attachments(shape: Shape, captures: int) -> int:
    """Return how many attachments a window of so many captures has at the shape's rates."""
    return int(shape.monitors * (1 + captures / shape.rate / shape.lifetime_s))
