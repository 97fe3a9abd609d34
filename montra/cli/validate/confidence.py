"""`montra validate confidence`: do attribution's confidences hold? A reliability table and plot."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.table import Table

from montra.cli.common import Exit, clear_errors, emit, json_option, require_extra, results, say, tell
from montra.lab.settings import LabError
from montra.validation.truth import TruthError
from montra.window.units import parse_duration

if TYPE_CHECKING:
    from montra.cli.lab_plans import Plan
    from montra.validation.reliability import Claim, Reliability

PLANS = "ip,1,4,16,ip:2m,1:2m,4:2m,16:2m"
SIMULATED = "sim:"
_ALL = "all together"


@click.command(epilog="Example: montra validate confidence, or: montra validate confidence RUN --truth LAB")
@click.argument("runs", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--truth",
    "truths",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The lab's folder, one for each run in the same order.",
)
@click.option(
    "--plans",
    default=PLANS,
    show_default=True,
    help="Labs to run where no run is given: ip or a number of /24s, with sessions for churn; sim: simulates it.",
)
@click.option("--nodes", default=128, show_default=True, help="libtorrent nodes of each lab.")
@click.option("--lookups", default=600, show_default=True, help="Lookups that only search, in each lab.")
@click.option("--announces", default=100, show_default=True, help="Lookups that end in an announce, in each lab.")
@click.option("--seed", default=1, show_default=True, help="Seed of the first lab; each further one takes the next.")
@click.option(
    "-o",
    "--out",
    default="montra-confidence",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for results.",
)
@json_option
@clear_errors
def command(
    runs: tuple[Path, ...],
    truths: tuple[Path, ...],
    plans: str,
    nodes: int,
    lookups: int,
    announces: int,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Compare the confidence of inferred destinations with the share of them that is right.

    With runs and the truth of their labs: of those, which are attributed anew. Without: of labs run now, one for each
    address plan, a minute or two each, or of simulated windows. The result is a table for each and for all together,
    and a plot.
    """
    if len(runs) != len(truths):
        raise click.UsageError(f"{len(runs)} runs and {len(truths)} truths; each run needs one")
    begin = time.monotonic()

    def step(text: str) -> None:
        say(f"[dim]{time.monotonic() - begin:6.1f} s[/]  {text}")

    try:
        from montra.cli.lab_plans import made, run_trial
        from montra.cli.simulated_plans import run_simulated_plan
        from montra.validation.judge import judge
        from montra.validation.reliability import claims_of, reliability
        from montra.validation.truth import load_truth
        from montra.window.analyze import attribute_run

        claims: dict[str, list[Claim]] = {}
        pairs = list(zip(runs, truths, strict=True))
        seeds = [seed + i for i, _ in enumerate([] if runs else _plans(plans))]
        for run, truth in pairs:
            attribute_run(run)
            claims[run.name] = claims_of(judge(run, load_truth(truth)), run.name)
        for word, one in zip([] if runs else _plans(plans), seeds, strict=True):
            plan, simulated = word
            name = f"{plan.name}{', simulated' if simulated else ''}, seed {one}"
            step(name)
            folder = out / f"{'sim-' if simulated else ''}{plan.slug}-{one}"
            if simulated:
                window = run_simulated_plan(plan, folder, lookups=lookups + announces, seed=one)
                judged = judge(window.run, window.truth, since_ns=window.since_ns)
            else:
                trial = run_trial(
                    plan,
                    folder,
                    nodes=nodes,
                    lookups=lookups,
                    announces=announces,
                    seed=one,
                    overrides={},
                    say_step=step,
                )
                pairs.append((trial.run, trial.truth))
                judged = judge(trial.run, load_truth(trial.truth), since_ns=trial.since_ns)
            claims[name] = claims_of(judged, name)
        found = {name: reliability(of) for name, of in claims.items()}
        found[_ALL] = reliability([claim for of in claims.values() for claim in of])
        words = ["confidence", *(run.name for run in runs)]
        if not runs:
            words += [f"--plans={plans}", f"--nodes={nodes}", f"--lookups={lookups}", f"--announces={announces}"]
            words += [f"--seed={seed}"]
        value = {
            **made(words, seeds, [truth for _, truth in pairs]),
            "reliability": msgspec.json.decode(msgspec.json.encode(found)),
        }
        out.mkdir(parents=True, exist_ok=True)
        (out / "confidence.json").write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2))
        (out / "confidence.svg").write_text(_plot(found[_ALL]), encoding="utf-8")
    except ImportError as error:
        raise require_extra(error, "lab,analysis") from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except (LabError, TruthError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        raise SystemExit(int(Exit.INTERRUPTED)) from None
    emit(as_json, value, lambda: _show(found, value, out))


def _plans(text: str) -> list[tuple[Plan, bool]]:
    """Return the plans of "ip,4,16:2m,sim:ip", and which are simulated; raises ValueError for what is none."""
    from montra.cli.lab_plans import SUBNETS, Plan

    found = []
    for word in (part.strip() for part in text.split(",")):
        simulated = word.startswith(SIMULATED)
        addresses, _, session = word.removeprefix(SIMULATED).partition(":")
        known = {"ip": 0} | {str(number): number for number in SUBNETS}
        if addresses not in known:
            raise ValueError(f"{word!r} is no address plan; write {', '.join(known)}, with :2m for sessions of 2 min")
        found.append((Plan(known[addresses], parse_duration(session) if session else 0.0), simulated))
    return found


def _show(found: dict[str, Reliability], value: dict[str, Any], out: Path) -> None:
    from montra.validation.reliability import summary, table

    for name, of in found.items():
        header, *lines = table(of)
        shown = Table(*header, box=None, pad_edge=False, title=name, title_justify="left")
        for line in lines:
            shown.add_row(*line)
        results.print(shown)
        tell(summary(of))
        results.print()
    tell(f"seeds {value['seeds']}; {value['clients']}; montra {value['montra']}; wrote {out}/confidence.json and .svg")


def _plot(found: Reliability) -> str:
    """Draw the share right against the mean confidence of each bin, with its interval, beside the line of equality."""
    from analysis.style import MUTED, SERIES, axes, svg

    bins = [one for one in found.bins if one.right.trials]
    with axes("confidence") as (figure, ax):
        ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--", label="as claimed")
        for filled, colour, label in ((True, SERIES[0], "well-filled bins"), (False, SERIES[1], "bins of few lookups")):
            shown = [one for one in bins if one.well_filled == filled]
            if not shown:
                continue
            x, y = [one.confidence for one in shown], [one.right.share for one in shown]
            low = [max(0.0, one.right.share - one.by_target.low) for one in shown]
            high = [max(0.0, one.by_target.high - one.right.share) for one in shown]
            ax.errorbar(x, y, yerr=(low, high), color=colour, fmt="o", markersize=4, capsize=2, label=label)
        ax.set_xlabel("mean confidence")
        ax.set_ylabel("share of inferred destinations right")
        ax.set_xlim(0, 1.03)
        ax.set_ylim(0, 1.03)
        ax.legend(loc="upper left")
        return svg(figure)
