"""`montra validate estimators`: are the intervals of the analysis as sure as they say? Trials with known truth."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from montra.cli.common import clear_errors, emit, json_option, steps, tell
from montra.cli.lab_errors import lab_errors
from montra.cli.made import line, made, save
from montra.cli.options import results_options
from montra.validation.tables import aligned

if TYPE_CHECKING:
    from analysis.result import Analysis
    from montra.validation.estimators.verdict import Verdicts

RESULT = "estimators.json"
_OUTCOME = ("scenario", "estimator", "seed", "truth", "value", "low", "high")


@click.command(epilog="Example: montra validate estimators --trials 100 --only bursts")
@click.option("--trials", default=100, show_default=True, type=click.IntRange(1), help="Trials of each scenario.")
@click.option("--only", multiple=True, metavar="SCENARIO", help="Play this scenario only; may be given again.")
@click.option(
    "--processes",
    default=0,
    type=click.IntRange(0),
    help="Trials at a time; 0: one for each CPU.",
)
@results_options("estimators", "the first trial of each scenario; each further one takes the next")
@json_option
@clear_errors
def command(*, trials: int, only: tuple[str, ...], processes: int, seed: int, out: Path, as_json: bool) -> None:
    """Play synthetic networks of which everything is known, and count how often stated intervals hold the truth.

    Each trial writes real run folders, with bursts, churn, misses and unequal requesters, analyses them as `montra
    analyze` does, and compares each number that has a 95 % interval with the truth. An estimator holds where at least
    93 of 100 intervals do, in all scenarios together, and none of them has fewer than chance makes of that. Numbers
    with an interval that no scenario has a truth for are listed.
    """
    step = steps()
    with lab_errors("analysis"):
        from montra.validation.estimators.scenarios import SCENARIOS
        from montra.validation.estimators.trial import run_trials, settled
        from montra.validation.estimators.verdict import verdicts

        names = [one.name for one in SCENARIOS]
        unknown = sorted(set(only) - set(names))
        if unknown:
            raise click.UsageError(f"no scenario is called {unknown[0]!r}; there are {', '.join(names)}")
        wanted = [name for name in names if not only or name in only]
        outcomes = []
        for number, found in enumerate(run_trials(wanted, trials, seed, analysed, processes or os.cpu_count() or 1)):
            if number % trials == 0:
                step(wanted[number // trials])
            outcomes += found
    outcomes = settled(outcomes)
    result = verdicts(outcomes)
    out.mkdir(parents=True, exist_ok=True)
    value = save(
        out / RESULT,
        {
            **made(seed, {}),
            "trials": trials,
            "scenarios": {one.name: one.what for one in SCENARIOS if one.name in wanted},
            "verdicts": [asdict(one) | {"verdict": one.verdict, "worst": one.worst.scenario} for one in result.judged],
            "never_judged": result.never_judged,
            "outcomes": [{name: getattr(one, name) for name in _OUTCOME} for one in outcomes],
        },
    )
    emit(as_json, {name: value[name] for name in value if name != "outcomes"}, lambda: _show(result, value, out))
    if result.failing:
        raise click.ClickException(f"{len(result.failing)} of {len(result.judged)} estimators do not hold")


def analysed(run: Path) -> Analysis:
    """Attribute and analyse a run in one thread; writes into its folder only."""
    from analysis.analyze import OUT, examine
    from montra.window.analyze import attribute_run, given_of

    attribute_run(run, workers=1)
    return examine(run, run / OUT, given_of(run), threads=1)


def _show(found: Verdicts, value: dict[str, Any], out: Path) -> None:
    from montra.validation.estimators.verdict import table

    for row in aligned(table(found)):
        click.echo(row)
    if found.never_judged:
        tell(f"With an interval, but no truth is known for them: {', '.join(found.never_judged)}")
    tell(f"{line(value)}. Wrote {out / RESULT}")
