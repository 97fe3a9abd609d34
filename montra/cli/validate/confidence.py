"""`montra validate confidence`: do attribution's confidences hold? A reliability table and plot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from montra.cli.common import clear_errors, emit, json_option, results, steps, tell
from montra.cli.lab_errors import lab_errors, usage_errors
from montra.cli.made import line, made, save
from montra.cli.options import results_options
from montra.cli.tables import headed
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
    help="Labs to run where no RUN is given: ip (all monitors on one), or 16, 8, 4, 1 /24s; :2m for sessions of two "
    "minutes on average; sim: before it for a simulated network.",
)
@click.option("--nodes", default=128, show_default=True, help="libtorrent nodes of each lab.")
@click.option("--lookups", default=600, show_default=True, help="Lookups that only search, in each lab.")
@click.option("--announces", default=100, show_default=True, help="Lookups that end in an announce, in each lab.")
@results_options("confidence", "the first lab; each further one takes the next")
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

    Judged are the runs given, which are attributed anew, each with the truth of its lab. Without any, labs are run for
    it, or simulated networks: one for each of --plans, a minute or two each. The result is a table for each and for all
    together, and a plot of these.
    """
    if len(runs) != len(truths):
        raise click.UsageError(f"{len(runs)} runs and {len(truths)} truths; each run needs one")
    step = steps()
    with lab_errors("lab,analysis"):
        from montra.cli.lab_plans import lab_of, libtorrents, run_trial
        from montra.cli.simulated_plans import run_simulated_plan
        from montra.validation.judge import judge
        from montra.validation.reliability import claims_of, reliability
        from montra.validation.truth import load_truth
        from montra.window.analyze import attribute_run

        with usage_errors():
            wanted = [] if runs else _plans(plans)
            labs = []
            for one, word in enumerate(wanted, seed):
                folder = _folder(out, word, one)
                labs.append(lab_of(word.plan, folder, nodes=nodes, lookups=lookups, announces=announces, seed=one))
        claims: dict[str, list[Claim]] = {}
        heard = list(truths)
        for run, truth in zip(runs, truths, strict=True):
            attribute_run(run)
            claims[run.name] = claims_of(judge(run, load_truth(truth)), run.name)
        for word, lab in zip(wanted, labs, strict=True):
            name = f"{word.plan.name}{', simulated' if word.simulated else ''}, seed {lab.seed}"
            step(name)
            folder = _folder(out, word, lab.seed)
            if word.simulated:
                window = run_simulated_plan(word.plan, folder, lookups=lookups + announces, seed=lab.seed)
                judged = judge(window.run, window.truth, since_ns=window.since_ns)
            else:
                trial = run_trial(word.plan, lab, folder, {}, step)
                heard.append(trial.truth)
                judged = judge(trial.run, load_truth(trial.truth), since_ns=trial.since_ns)
            claims[name] = claims_of(judged, name)
        found = {name: reliability(of) for name, of in claims.items()}
        found[_ALL] = reliability([claim for of in claims.values() for claim in of])
        out.mkdir(parents=True, exist_ok=True)
        told = made([lab.seed for lab in labs], libtorrents(heard))
        value = save(out / "confidence.json", {**told, "reliability": found})
        (out / "confidence.svg").write_text(_plot(found[_ALL]), encoding="utf-8")
    emit(as_json, value, lambda: _show(found, value, out))


class _Word(NamedTuple):
    """What a word of --plans asks for."""

    plan: Plan
    simulated: bool


def _folder(out: Path, word: _Word, seed: int) -> Path:
    return out / f"{'sim-' if word.simulated else ''}{word.plan.slug}-{seed}"


def _plans(text: str) -> list[_Word]:
    """Return the plans of "ip,4,16:2m,sim:ip"; raises ValueError for what is none."""
    from montra.cli.lab_plans import SUBNETS, Plan

    found = []
    for word in (part.strip() for part in text.split(",")):
        simulated = word.startswith(SIMULATED)
        addresses, _, session = word.removeprefix(SIMULATED).partition(":")
        known = {"ip": 0} | {str(number): number for number in SUBNETS}
        if addresses not in known:
            raise ValueError(f"{word!r} is no address plan; write {', '.join(known)}, with :2m for sessions of 2 min")
        found.append(_Word(Plan(known[addresses], parse_duration(session) if session else 0.0), simulated))
    return found


def _show(found: dict[str, Reliability], value: dict[str, Any], out: Path) -> None:
    from montra.validation.reliability import summary, table

    for name, of in found.items():
        results.print(headed(table(of), title=name))
        tell(summary(of))
        results.print()
    tell(f"{line(value)}. Wrote {out / 'confidence.json'} and .svg")


def _plot(found: Reliability) -> str:
    """Draw the share right against the mean confidence of each bin, with its interval, beside the line of equality."""
    from analysis.page.style import MUTED, SERIES, axes, svg

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
