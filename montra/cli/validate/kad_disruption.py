"""`montra validate kad-disruption`: what monitors do to real amuled, silent and answering once, beside none."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from montra.cli.common import RefusedError, clear_errors, emit, json_option, steps, tell
from montra.cli.lab_errors import lab_errors, orderly_end, usage_errors
from montra.cli.made import line, made, save
from montra.cli.options import refuse_old, results_options
from montra.validation.tables import aligned

if TYPE_CHECKING:
    from montra.lab.kad.settings import KadLabSettings, KadWorkload
    from montra.validation.kad_disruption import Measures
    from montra.validation.kad_identified import Identified

#: Without monitors, then each reply policy of Kad.
ARMS = "none,silent,once"
NAME = "kad-disruption"
#: Age of a network when its workload begins, in seconds of its clock: the same for all, with monitors or without.
_AGE_S = 480.0
#: How many nodes share each file: a hundred shares in all, of which the smallest network can make each.
_PUBLISHERS = (12, 8, 6, 5, 4, 4, 3, 3, 2, 2, *[1] * 51)
#: As many as these files use up, so that few searches are for a word that nobody publishes.
_WORDS = 60
#: Files are shared first, searches go on: of our seconds.
_DURATION_S, _SHARE_S = 75.0, 25.0

Say = Callable[[str], None]


@click.command(epilog="Example: montra validate kad-disruption --nodes 60 --networks 5")
@click.option("--arms", default=ARMS, show_default=True, help="Which to compare; differences need none.")
@click.option("--networks", default=5, show_default=True, type=click.IntRange(1, 50), help="Networks for each of them.")
@click.option("--nodes", default=60, show_default=True, type=click.IntRange(12, 1000), help="Real amuled in each.")
@click.option("--searches", default=200, show_default=True, type=click.IntRange(0), help="Keyword searches in each.")
@click.option(
    "--downloads", default=40, show_default=True, type=click.IntRange(0), help="Searches for sources in each."
)
@click.option(
    "--rate",
    default=5.0,
    show_default=True,
    type=click.FloatRange(1, 60),
    help="How much faster the clients' clock is.",
)
@results_options(NAME, "the first network; the others follow it", new=True)
@json_option
@clear_errors
def command(
    *,
    arms: str,
    networks: int,
    nodes: int,
    searches: int,
    downloads: int,
    rate: float,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Measure what monitors do to stores and searches of real amuled: silent ones, and ones that answer once.

    Each network is played once with each kind of monitors beside all its nodes, and once without any; all is read off
    decrypted packets. Tells, too, which share of the content IDs the answering ones make out. Needs root and amuled;
    nothing leaves the machine. A network takes about three minutes.
    """
    begin = time.monotonic()
    step = steps()
    chosen = list(dict.fromkeys(name.strip() for name in arms.split(",")))
    for name in chosen:
        if name not in ARMS.split(","):
            raise click.UsageError(f"{name!r} is none of {ARMS}")
    seeds = list(range(seed, seed + networks))
    with lab_errors("lab"), orderly_end():
        from montra.lab.kad import programs
        from montra.validation import kad_disruption as disruption

        with usage_errors():
            lab = {number: _lab(out, number, nodes, rate) for number in seeds}
            workload = _workload(searches, downloads)
        if lacks := programs.missing(lab[seed]):
            raise RefusedError(lacks)
        refuse_old(out)
        out.mkdir(parents=True)
        played: dict[str, list[Measures]] = {arm: [] for arm in chosen}
        quality: list[dict[str, Any]] = []
        told: list[Identified] = []
        for number in seeds:
            for arm in chosen:
                step(f"{arm} monitors, seed {number}")
                measures, found, facts = _played(arm, lab[number], workload, out / f"{arm}-{number}", step)
                played[arm].append(measures)
                told += [found] if found is not None else []
                quality.append({"arm": arm, "seed": number, **facts, "measures": measures, "identified": found})
            value = _save(out, seeds, programs.releases(), nodes, rate, workload, played, told, quality, begin)
        shown = disruption.table(disruption.summarize(played))
    emit(as_json, value, lambda: _show(value, shown, told, out))


def _lab(out: Path, seed: int, nodes: int, rate: float) -> KadLabSettings:
    from montra.lab.kad.settings import KadLabSettings

    return KadLabSettings(
        out=out.resolve() / "lab", nodes=nodes, rate=rate, publishers=_PUBLISHERS, words=_WORDS, seed=seed
    )


def _workload(searches: int, downloads: int) -> KadWorkload:
    from montra.lab.kad.settings import KadWorkload

    return KadWorkload(duration_s=_DURATION_S, share_within_s=_SHARE_S, searches=searches, downloads=downloads)


def _played(
    arm: str, settings: KadLabSettings, workload: KadWorkload, folder: Path, say: Say
) -> tuple[Measures, Identified | None, dict[str, Any]]:
    """Play one network, and again if something got in the way: an hour of others is not to be lost for it."""
    from montra.lab.settings import LabError
    from montra.validation.truth import TruthError

    try:
        return _play(arm, settings, workload, folder, say)
    except (LabError, TruthError) as error:
        say(f"again: {error}")
        shutil.rmtree(folder, ignore_errors=True)
        return _play(arm, settings, workload, folder, say)


def _play(
    arm: str, settings: KadLabSettings, workload: KadWorkload, folder: Path, say: Say
) -> tuple[Measures, Identified | None, dict[str, Any]]:
    """Play one network; return what was measured, what was made out of content IDs, and facts of its quality."""
    from montra.cli.kad_window import watch_kad
    from montra.lab.kad.network import kad_lab
    from montra.validation.kad_disruption import NONE, measure
    from montra.validation.kad_identified import identified
    from montra.validation.kad_truth import load_kad_truth
    from zone_store.run.reader import RunReader

    facts: dict[str, Any] = {"visible": 0, "targets": 0}
    found = None
    try:
        if arm == NONE:
            with kad_lab(settings) as lab:
                lab.wait_connected()
                lab.wait_publishing()
                lab.wait(max(0.0, _AGE_S - lab.age_s) / settings.rate)
                lab.go(workload)
                lab.wait_done()
            truth = load_kad_truth(settings.out)
        else:
            folder.mkdir()
            window = watch_kad(settings, workload, folder, {"replies.mode": arm}, say, age_s=_AGE_S)
            truth = load_kad_truth(settings.out)
            facts |= {"visible": window.visible, "targets": window.targets}
            if arm == "once":
                with RunReader(window.run) as reader:
                    found = identified(truth, reader.contents())
    finally:
        shutil.rmtree(settings.out, ignore_errors=True)  # hundreds of megabytes of packets
    facts |= {"unread": truth.unread, "unreadable": truth.unreadable, "cpu_s": truth.record.cpu_s}
    return measure(truth), found, facts


def _save(
    out: Path,
    seeds: Sequence[int],
    clients: Mapping[str, str],
    nodes: int,
    rate: float,
    workload: KadWorkload,
    played: Mapping[str, Sequence[Measures]],
    told: Sequence[Identified],
    quality: Sequence[Mapping[str, Any]],
    begin: float,
) -> dict[str, Any]:
    """Write what is known so far, after each seed: a long measurement that is cut off has what came before."""
    from montra.validation.kad_disruption import summarize
    from montra.validation.kad_identified import pooled

    return save(
        out / f"{NAME}.json",
        {
            **made(seeds, clients),
            "nodes": nodes,
            "rate": rate,
            "workload": workload,
            "rows": summarize(played),
            "identified": pooled(told) if told else None,
            "networks": quality,
            "seconds": round(time.monotonic() - begin, 1),
        },
    )


def _show(value: dict[str, Any], shown: Sequence[tuple[str, ...]], told: Sequence[Identified], out: Path) -> None:
    from montra.validation.kad_identified import pooled

    click.echo("\n".join(aligned(shown)) + "\n")
    tell("Times are of the clients' clock. More: the mean difference to the same networks without monitors.")
    if told:
        made_out = pooled(told)
        tell(f"Content IDs made out as keyword, or as file with size, where monitors answer once: {made_out.all}")
        tell(f"of those published {made_out.published}, of those searched {made_out.searched}; wrong: {made_out.wrong}")
    tell(f"{line(value)}. Wrote {out / NAME}.json in {value['seconds']:.0f} s")
