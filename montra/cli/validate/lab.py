"""`montra validate lab`: one private network, watched from a chosen address plan, judged by its own nodes' logs."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from rich.table import Table

from montra.cli.common import Exit, clear_errors, emit, json_option, require_extra, results, say, tell
from montra.lab.settings import LabError
from montra.validation.truth import TruthError
from montra.window.units import parse_duration


@click.command(epilog="Example: montra validate lab --one-ip --lookups 600")
@click.option(
    "--subnets", type=click.Choice(["16", "8", "4", "1"]), default="16", show_default=True, help="/24s of monitors."
)
@click.option("--one-ip", is_flag=True, help="All monitors on one address, told apart by port.")
@click.option("--nodes", default=128, show_default=True, help="libtorrent nodes, three quarters of them in the zone.")
@click.option("--lookups", default=500, show_default=True, help="Lookups that only search.")
@click.option("--announces", default=100, show_default=True, help="Lookups that end in an announce.")
@click.option("--churn", default="", help="Mean session of a node, such as 10m; nobody leaves without it.")
@click.option("--every", default=1, show_default=True, help="A monitor for one of each group of so many neighbours.")
@click.option("--replies", default="least", show_default=True, help="Reply mode, as in the configuration.")
@click.option("--seed", default=1, show_default=True, help="Seed of the network and of the window.")
@click.option(
    "-o", "--out", default="montra-lab", show_default=True, type=click.Path(path_type=Path), help="Folder for results."
)
@json_option
@clear_errors
def command(
    subnets: str,
    one_ip: bool,
    nodes: int,
    lookups: int,
    announces: int,
    churn: str,
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
    begin = time.monotonic()

    def step(text: str) -> None:
        say(f"[dim]{time.monotonic() - begin:6.1f} s[/]  {text}")

    try:
        from montra.cli.lab_plans import Plan, made, refuse_flaw, run_trial
        from montra.validation.compare import compare
        from montra.validation.judge import judge
        from montra.validation.reliability import claims_of, reliability, summary, table
        from montra.validation.tables import document, rows
        from montra.validation.truth import load_truth

        plan = Plan(0 if one_ip else int(subnets), parse_duration(churn) if churn else 0.0)
        folder = out / f"{plan.slug}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        overrides = {"monitors.every": every, "replies.mode": replies}
        trial = run_trial(
            plan,
            folder,
            nodes=nodes,
            lookups=lookups,
            announces=announces,
            seed=seed,
            overrides=overrides,
            say_step=step,
        )
        truth = load_truth(trial.truth)
        comparison = compare(trial.run, truth, since_ns=trial.since_ns)
        refuse_flaw(comparison.flaw)
        found = reliability(claims_of(judge(trial.run, truth, since_ns=trial.since_ns), trial.run.name))
    except ImportError as error:
        raise require_extra(error, "lab") from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except (LabError, TruthError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        raise SystemExit(int(Exit.INTERRUPTED)) from None
    words = ["lab", "--one-ip"] if one_ip else ["lab", "--subnets", subnets]
    words += [f"--nodes={nodes}", f"--lookups={lookups}", f"--announces={announces}", f"--every={every}"]
    words += [f"--replies={replies}", f"--seed={seed}", *([f"--churn={churn}"] if churn else [])]
    value = {
        **made(words, [seed], [trial.truth]),
        "plan": plan.name,
        "run": str(trial.run),
        "truth": str(trial.truth),
        "comparison": msgspec.json.decode(document(comparison)),
        "reliability": msgspec.json.decode(msgspec.json.encode(found)),
    }
    (folder / "lab-validation.json").write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2))

    def text() -> None:
        shown = Table(show_header=False, box=None, pad_edge=False)
        for name, entry in rows(comparison):
            shown.add_row(name, entry)
        results.print(shown)
        header, *lines = table(found)
        bins = Table(*header, box=None, pad_edge=False)
        for line in lines:
            bins.add_row(*line)
        results.print()
        results.print(bins)
        tell(f"{plan.name}: confidence {summary(found)}")
        tell(f"seed {seed}; {value['clients']}; montra {value['montra']}")

    emit(as_json, value, text)
