"""`montra demo`: the whole way on a private network of real clients, judged by what those clients really did."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from montra.cli.common import Exit, RefusedError, clear_errors, emit, json_option, results, steps, tell
from montra.cli.kad_window import watch_kad
from montra.cli.lab_errors import lab_errors, orderly_end, usage_errors
from montra.cli.lab_plans import libtorrents
from montra.cli.lab_window import watch_lab
from montra.cli.made import line, made
from montra.cli.monitor import exit_code
from montra.cli.options import DurationType, WorkersType
from montra.cli.tables import grid, misses_table
from montra.lab.kad.programs import missing, releases
from montra.lab.kad.settings import KadLabSettings, KadWorkload
from montra.lab.settings import ChurnSettings, LabSettings, WorkloadSettings
from montra.validation.compare import compare
from montra.validation.kad_purpose import judge_by_purpose
from montra.validation.kad_truth import load_kad_truth
from montra.validation.tables import VALIDATION, document, rows, why_missed
from montra.validation.truth import Truth
from montra.window.analyze import attribute_run, report_runs
from montra.window.units import format_duration, parse_duration

#: The workload's keys. Many and not too unequal, because lookups of one key end at one node: what is right or wrong for
#: one of them is so for most, and only distinct keys tell more.
KEYS, ZIPF = 300, 0.6
#: Nodes and lookups that only search, of each network.
NODES = {"mainline": 128, "kad": 100}
LOOKUPS = {"mainline": 320, "kad": 300}
ANNOUNCES = 110
#: Of Kad's searches, those for the sources of a file instead of a keyword.
SOURCE_SHARE = 0.2
#: What convergence, attachment and the last lookups take at most, beside the workload.
_SLACK_S = 180.0


@dataclass(frozen=True, slots=True)
class _Played:
    """The sealed run, what really happened, since when it counts, and the clients' releases by name."""

    run: Path
    truth: Path | Truth
    since_ns: int
    clients: dict[str, str]
    code: Exit = Exit.OK


@click.command(epilog="Example: montra demo --churn 2m --nodes 150")
@click.option(
    "--overlay", type=click.Choice(list(NODES)), default="mainline", show_default=True, help="Which DHT's clients."
)
@click.option("--nodes", type=click.IntRange(2), help="Real nodes [default: 128 libtorrent, 100 amuled].")
@click.option("--lookups", type=click.IntRange(0), help="Lookups that only search [default: 320, kad 300].")
@click.option(
    "--announces",
    type=click.IntRange(0),
    help=f"Lookups that end in an announce; mainline only [default: {ANNOUNCES}].",
)
@click.option(
    "--churn", default="", help="Mean session of a node, such as 2m; mainline only; nobody leaves without it."
)
@click.option(
    "--duration", default=None, type=DurationType(), help="Length of the workload [default: some 30 to 60 s]."
)
@click.option("--zipf", default=ZIPF, show_default=True, type=click.FloatRange(0), help="Exponent of keys' popularity.")
@click.option("--seed", default=1, show_default=True, help="Seed of the network and of the window.")
@click.option("--every", default=1, show_default=True, help="One monitor for each group of so many neighbours.")
@click.option(
    "--workers", type=WorkersType(), default=1, show_default=True, help="Processes that hold monitors, or auto."
)
@click.option(
    "--replies", default="least", show_default=True, help="What strangers who ask monitors get; paper is silence."
)
@click.option(
    "-o", "--out", default="montra-demo", show_default=True, type=click.Path(path_type=Path), help="Folder for results."
)
@json_option
@clear_errors
def demo(
    *,
    overlay: str,
    nodes: int | None,
    lookups: int | None,
    announces: int | None,
    churn: str,
    duration: float | None,
    zipf: float,
    seed: int,
    every: int,
    workers: int | str,
    replies: str,
    out: Path,
    as_json: bool,
) -> None:
    """Run everything once: a private network of real clients, a window on a zone of it, the report.

    \b
    1. start the nodes and let their routing tables converge
    2. crawl the zone, put a monitor beside each of its nodes
    3. let the nodes look up and announce, or search and publish
    4. seal the run, find each lookup's destination, write tables and the report
    5. compare with what the nodes really did

    Mainline: libtorrent nodes on loopback, judged by their own logs; needs no privileges. Kad: amuled daemons in
    a network namespace with faster clocks, judged by their decrypted packets; needs root, amule-daemon,
    amule-utils and faketime. Nothing leaves the machine. Ends in under four minutes. Fails when the workload did
    not run as asked for, so that the figures would be of something else.
    """
    begin = time.monotonic()
    step = steps()
    folder = out / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    overrides = {"monitors.every": every, "processes.workers": workers, "replies.mode": replies}
    count = NODES[overlay] if nodes is None else nodes
    searches = LOOKUPS[overlay] if lookups is None else lookups
    if overlay == "kad":
        if churn or announces is not None:
            raise click.UsageError("--churn and --announces are for mainline: amuled publishes what it shares")
        play = _kad(folder, count, searches, duration, zipf, seed)
    else:
        announced = ANNOUNCES if announces is None else announces
        play = _mainline(folder, count, searches, announced, churn, duration, zipf, seed)
    with lab_errors("lab,analysis"):
        played = play(overrides, step)
        attributed = attribute_run(played.run)
        comparison = compare(played.run, played.truth, since_ns=played.since_ns)
        # names, not paths: the file may be passed on
        comparison = replace(comparison, run=played.run.name, truth=Path(comparison.truth).name)
        (played.run / VALIDATION).write_bytes(document(comparison))
        page = report_runs([played.run])
    step(f"{attributed.lookups} lookups for keys captured; report written")
    told = made(seed, played.clients)
    seconds = time.monotonic() - begin

    def text() -> None:
        results.print()
        results.print(grid(rows(comparison)))
        results.print()
        results.print(misses_table(why_missed(comparison)))
        results.print()
        tell(f"{line(told)}.")
        tell(f"{format_duration(seconds)} in all. Open {page}")

    emit(
        as_json,
        {
            "run": str(played.run),
            "report": str(page),
            "seconds": round(seconds, 1),
            **told,
            "comparison": msgspec.json.decode(document(comparison)),
        },
        text,
    )
    if played.code != Exit.OK:
        raise SystemExit(int(played.code))
    if comparison.flaw:
        raise click.ClickException(comparison.flaw)


_Play = Callable[[Mapping[str, Any], Callable[[str], None]], _Played]


def _mainline(
    folder: Path, nodes: int, lookups: int, announces: int, churn: str, duration: float | None, zipf: float, seed: int
) -> _Play:
    """Return what plays the scene with libtorrent nodes; raises UsageError."""
    with usage_errors():
        mean_session_s = parse_duration(churn) if churn else 0.0
        settings = LabSettings(
            out=str(folder / "lab"),
            nodes=nodes,
            seed=seed,
            workload=WorkloadSettings(
                lookups=lookups,
                announces=announces,
                duration_s=duration or (60.0 if churn else 30.0),
                info_hashes=KEYS,
                zipf=zipf,
            ),
            churn=ChurnSettings(mean_session_s=mean_session_s),
        )

    def play(overrides: Mapping[str, Any], step: Callable[[str], None]) -> _Played:
        if duration:  # the window is to end with the workload, not before it
            overrides = {**overrides, "duration": f"{duration + _SLACK_S:g}s"}
        window = watch_lab(settings, folder, overrides, step)
        code = exit_code(window.ended)
        if not window.went_ns:  # stopped before there was anything to compare
            raise SystemExit(int(code))
        lab = Path(settings.out)
        return _Played(window.ended.run, lab, window.went_ns, libtorrents([lab]), code)

    return play


def _kad(folder: Path, nodes: int, lookups: int, duration: float | None, zipf: float, seed: int) -> _Play:
    """Return what plays the scene with amuled; raises UsageError, RefusedError."""
    with usage_errors():
        out = folder.resolve() / "lab"
        publishers = tuple(min(count, nodes) for count in KadLabSettings(out=out).publishers)
        settings = KadLabSettings(out=out, nodes=nodes, publishers=publishers, seed=seed)
        fetched = round(lookups * SOURCE_SHARE)
        lasts_s = duration or KadWorkload().duration_s
        within_s = min(KadWorkload().share_within_s, lasts_s)
        workload = KadWorkload(
            duration_s=lasts_s, searches=lookups - fetched, downloads=fetched, share_within_s=within_s, zipf=zipf
        )
    if lacks := missing(settings):
        raise RefusedError(lacks)

    def play(overrides: Mapping[str, Any], step: Callable[[str], None]) -> _Played:
        with orderly_end():
            window = watch_kad(settings, workload, folder, overrides, step)
        kad = load_kad_truth(window.lab)
        purposes = judge_by_purpose(kad)
        if kad.unreadable or kad.unread:
            step(f"the truth has gaps: {kad.unreadable} packets not readable, {kad.unread} found no room in a socket")
        step(f"{len(kad.truth.lookups)} lookups on the wire; of {purposes} what followed tells what they were for")
        return _Played(window.run, kad.truth, window.went_ns, releases())

    return play
