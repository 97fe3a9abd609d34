"""`montra validate lab`: one private network, watched from a chosen address plan, judged by its own nodes' logs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from montra.cli.common import clear_errors, emit, json_option, results, steps, tell
from montra.cli.lab_errors import lab_errors, usage_errors
from montra.cli.made import line, made, save
from montra.cli.options import DurationType, results_options
from montra.cli.tables import headed


@click.command(epilog="Example: montra validate lab --one-ip --lookups 600")
@click.option(
    "--subnets", type=click.Choice(["16", "8", "4", "1"]), default="16", show_default=True, help="/24s of monitors."
)
@click.option("--one-ip", is_flag=True, help="All monitors on one address, told apart by port.")
@click.option("--nodes", default=128, show_default=True, help="libtorrent nodes, three quarters of them in the zone.")
@click.option("--lookups", default=500, show_default=True, help="Lookups that only search.")
@click.option("--announces", default=100, show_default=True, help="Lookups that end in an announce.")
@click.option(
    "--churn", default="0", type=DurationType(), help="Mean session of a node, such as 10m; nobody leaves without it."
)
@click.option("--every", default=1, show_default=True, help="A monitor for one of each group of so many neighbours.")
@click.option("--replies", default="least", show_default=True, help="Reply mode, as in the configuration.")
@results_options("lab", "the network and of the window")
@json_option
@clear_errors
def command(
    subnets: str,
    one_ip: bool,
    nodes: int,
    lookups: int,
    announces: int,
    churn: float,
    every: int,
    replies: str,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Find out what an address plan costs: destinations observed and inferred in a private network of libtorrent.

    Needs no privileges and sends nothing beyond 127.0.0.0/8. Takes one to two minutes. The destination that is observed
    is that of the closest monitor with a copy; the inferred one also weighs who was attached and what hides monitors.
    """
    step = steps()
    with lab_errors("lab"):
        from montra.cli.lab_plans import Plan, lab_of, libtorrents, refuse_flaw, run_trial
        from montra.validation.compare import comparison_of
        from montra.validation.judge import judge
        from montra.validation.reliability import claims_of, reliability, summary, table
        from montra.validation.tables import built, text
        from montra.validation.truth import load_truth

        plan = Plan(0 if one_ip else int(subnets), churn)
        folder = out / f"{plan.slug}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        with usage_errors():
            settings = lab_of(plan, folder, nodes=nodes, lookups=lookups, announces=announces, seed=seed)
        trial = run_trial(plan, settings, folder, {"monitors.every": every, "replies.mode": replies}, step)
        truth = load_truth(trial.truth)
        judged = judge(trial.run, truth, since_ns=trial.since_ns)
        comparison = comparison_of(str(trial.run), truth.name, truth, judged)
        refuse_flaw(comparison.flaw)
        found = reliability(claims_of(judged, trial.run.name))
    file = folder / "lab-validation.json"
    value = save(
        file,
        {
            **made(seed, libtorrents([trial.truth])),
            "plan": plan.name,
            "run": str(trial.run),
            "truth": str(trial.truth),
            "comparison": built(comparison),
            "reliability": found,
        },
    )

    def show() -> None:
        click.echo(f"{text(comparison)}\n")
        results.print(headed(table(found)))
        tell(f"{plan.name}: confidence {summary(found)}")
        tell(f"{line(value)}. Wrote {file}")

    emit(as_json, value, show)
