"""`montra bench analyse`: from captures to the report on all CPUs, and the rates of keys beside pandas."""

from __future__ import annotations

import os
from typing import Any

import click

from bench.attribute.runs import CPU, MEMORY, RESIDENT, WALL, Stored, run, size_of, store
from bench.attribute.window import Shape
from bench.common import machine
from bench.common.options import Common, common
from bench.common.outcome import Curve, Goal, Outcome, ratios, summary

MONTRA, ENGINE, PANDAS = "montra, captures to report", "key rates, montra's engine", "key rates, pandas"
SYSTEMS = (MONTRA, ENGINE, PANDAS)
EVIDENCE = "evidence"
ATTRIBUTION, ANALYSIS, DISK = "attribution (s)", "analysis and report (s)", "lookups in Parquet (bytes)"

WANTED_CAPTURES, WANTED_GIB, WANTED_MINUTES = 100_000_000, 6.0, 15

NOTES = (
    "the window is synthetic (bench/attribute/window.py says how), of one zone of Mainline: 50,000 keys of different "
    "popularity, and every third lookup for a key of its own",
    "montra attributes the captures, brings the lookups into Parquet under pseudonyms, computes every chapter, draws "
    "every figure and writes the page: all of `montra analyze` and `montra report` in one process tree",
    "the engine and pandas answer one question from the same Parquet files: how many lookups each key has, as a "
    "histogram over keys; both answers are compared",
    "memory of all processes is what is theirs alone, at its highest moment; pages of mapped files besides are "
    "the kernel's to take back",
)


@click.command("analyse")
@click.option("--captures", type=click.IntRange(1000), default=3_000_000, show_default=True, help="In each round.")
@click.option("--monitors", type=click.IntRange(64), default=150_000, show_default=True, help="Attached at a time.")
@click.option("--lifetime", type=click.FloatRange(60), default=3600.0, show_default=True, help="Of one, seconds.")
@click.option("--rate", type=click.FloatRange(100), default=20_000.0, show_default=True, help="Captures a second.")
@click.option("--evidence", type=click.IntRange(10_000), help="One more run, of so many captures.")
@common(sizes=(300_000, 1_000_000, 3_000_000, 10_000_000))
def command(given: Common, captures: int, monitors: int, lifetime: float, rate: float, evidence: int | None) -> Outcome:
    """Turn captures into lookups, tables, figures and the page, on all CPUs.

    Figures: wall and CPU time, memory of all processes; of the question for the rates of all keys beside pandas, too.
    --evidence adds one run of that size.
    """
    outcome = Outcome(
        "analyse",
        machine.describe(given.folder),
        {
            "captures": captures,
            "monitors": monitors,
            "lifetime (s)": lifetime,
            "captures a second": rate,
            "CPUs": len(os.sched_getaffinity(0)),
        },
        notes=list(NOTES),
    )
    shape = Shape(captures, monitors, lifetime, rate)
    stored = _store(given, shape)
    for number in range(given.rounds):
        outcome.rounds.append(_measure(given, stored, f"round {number + 1}", outcome.problems))
    stored.remove()
    outcome.summarise(WALL, CPU, MEMORY, RESIDENT, ATTRIBUTION, ANALYSIS)
    for figure in (WALL, CPU, MEMORY):
        outcome.ratios[f"{PANDAS} / {ENGINE}: {figure}"] = ratios(outcome.rounds, PANDAS, ENGINE, figure)
    _add_curve(outcome, given, shape)
    if evidence is not None:
        _add_evidence(outcome, given, Shape(evidence, monitors, lifetime, rate))
    return outcome


def _store(given: Common, shape: Shape) -> Stored:
    stored = store(given.folder, shape)
    true = stored.truth
    given.say(
        f"{true.captures:,} captures of {true.lookups.rows:,} lookups, {true.attachments:,} attachments, written in "
        f"{stored.seconds:.1f} s"
    )
    return stored


def _measure(given: Common, stored: Stored, what: str, problems: list[str]) -> dict[str, dict[str, Any]]:
    """Make the report of a run, and ask for the rates of its keys in two ways."""
    files = stored.folder / "analysis" / "lookups"
    found = {MONTRA: run("bench.analyse.by_montra", stored.folder)}
    if found[MONTRA]["rows"] != stored.truth.lookups.rows:
        problems.append(f"{what}: {found[MONTRA]['rows']} lookups, but true is {stored.truth.lookups.rows}")
    found[MONTRA][DISK] = size_of(files)
    found[ENGINE] = run("bench.analyse.by_engine", files)
    found[PANDAS] = run("bench.analyse.by_pandas", files)
    if found[ENGINE]["found"] != found[PANDAS]["found"]:
        problems.append(f"{what}: the engine and pandas find different numbers of keys")
    keys = sum(keys for _, keys in found[ENGINE].pop("found"))
    del found[PANDAS]["found"]
    for system, one in found.items():
        given.say(
            f"{what}: {system}: {one[WALL]:.1f} s, {one[CPU]:.1f} s of CPU, {one[MEMORY]:,.0f} MiB; {keys:,} keys"
        )
    return found


def _add_curve(outcome: Outcome, given: Common, shape: Shape) -> None:
    """Make the report of runs of each size; medians of the rounds make the curve."""
    costs, memory = [], []
    for size in given.sizes:
        stored = _store(given, Shape(size, shape.monitors, shape.lifetime_s, shape.rate))
        rounds = range(min(3, given.rounds))
        found = [_measure(given, stored, f"{size:,}", outcome.problems)[MONTRA] for _ in rounds]
        stored.remove()
        costs.append(summary(one[CPU] for one in found).median)
        memory.append(summary(one[MEMORY] for one in found).median)
    if given.sizes:
        sizes = tuple(map(float, given.sizes))
        outcome.curves += [
            Curve("captures to report", "captures", sizes, "CPU seconds", tuple(costs)),
            Curve("captures to report, memory", "captures", sizes, "MiB of all processes", tuple(memory)),
        ]
        exponent = f"(n log n)^{outcome.curves[0].exponent:.2f}"
        outcome.goals.append(
            Goal("captures to report: cost", "at most n log n", exponent, outcome.curves[0].grows_as_wanted)
        )


def _add_evidence(outcome: Outcome, given: Common, shape: Shape) -> None:
    """Make the report of one large run."""
    stored = _store(given, shape)
    found = _measure(given, stored, "evidence", outcome.problems)
    stored.remove()
    true, whole = stored.truth, found[MONTRA]
    for system, one in found.items():
        numbers = {name: value for name, value in one.items() if isinstance(value, int | float)}
        outcome.figures[f"{EVIDENCE}, {system}"] = {name: summary([value]) for name, value in numbers.items()}
    outcome.figures[f"{EVIDENCE}, {MONTRA}"] |= {
        "captures": summary([true.captures]),
        "attachments": summary([true.attachments]),
    }
    minutes, gib = whole[WALL] / 60, whole[RESIDENT] / 1024
    outcome.goals += [
        Goal(
            "evidence",
            f"{WANTED_CAPTURES:,} captures analysed and reported in minutes under {WANTED_GIB:g} GiB",
            f"{true.captures:,} captures, {true.lookups.rows:,} lookups, {true.attachments:,} attachments in "
            f"{minutes:.1f} minutes ({whole[ATTRIBUTION]:.0f} s to attribute, {whole[ANALYSIS]:.0f} s to analyse and "
            f"report), {whole[MEMORY] / 1024:.2f} GiB of all processes, {gib:.2f} with mapped files",
            true.captures >= WANTED_CAPTURES and minutes <= WANTED_MINUTES and gib <= WANTED_GIB,
        ),
        Goal(
            "evidence, rates of keys",
            "faster and smaller than pandas",
            f"engine {found[ENGINE][WALL]:.1f} s and {found[ENGINE][MEMORY]:,.0f} MiB, pandas "
            f"{found[PANDAS][WALL]:.1f} s and {found[PANDAS][MEMORY]:,.0f} MiB",
            found[ENGINE][WALL] < found[PANDAS][WALL] and found[ENGINE][MEMORY] < found[PANDAS][MEMORY],
        ),
    ]
