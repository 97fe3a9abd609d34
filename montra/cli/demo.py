"""`montra demo`: the whole way on a private network of real clients, judged by what those clients themselves logged."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from montra.cli.common import Exit, clear_errors, emit, json_option, results, steps, tell
from montra.cli.lab_errors import lab_errors, usage_errors
from montra.cli.lab_plans import libtorrents
from montra.cli.lab_window import watch_lab
from montra.cli.made import line, made
from montra.cli.monitor import exit_code
from montra.cli.options import WorkersType
from montra.cli.tables import grid, misses_table
from montra.lab.settings import ChurnSettings, LabSettings, WorkloadSettings
from montra.validation.compare import compare
from montra.validation.tables import VALIDATION, document, rows, why_missed
from montra.window.analyze import analyze_run, report_runs
from montra.window.units import format_duration, parse_duration

#: The workload's keys. Many and not too unequal, because lookups of one key end at one node: what is right or wrong for
#: one of them is so for most, and only distinct keys tell more.
KEYS, ZIPF = 300, 0.6


def _settings(folder: Path, nodes: int, lookups: int, announces: int, churn: str, seed: int) -> LabSettings:
    mean_session_s = parse_duration(churn) if churn else 0.0
    return LabSettings(
        out=str(folder / "lab"),
        nodes=nodes,
        seed=seed,
        workload=WorkloadSettings(
            lookups=lookups,
            announces=announces,
            duration_s=60.0 if churn else 30.0,
            info_hashes=KEYS,
            zipf=ZIPF,
        ),
        churn=ChurnSettings(mean_session_s=mean_session_s),
    )


@click.command(epilog="Example: montra demo --churn 2m --nodes 150")
@click.option("--nodes", default=128, show_default=True, help="libtorrent nodes, three quarters of them in the zone.")
@click.option("--lookups", default=320, show_default=True, help="Lookups that only search.")
@click.option("--announces", default=110, show_default=True, help="Lookups that end in an announce.")
@click.option("--churn", default="", help="Mean session of a node, such as 2m; nobody leaves without it.")
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
    nodes: int,
    lookups: int,
    announces: int,
    churn: str,
    seed: int,
    every: int,
    workers: int | str,
    replies: str,
    out: Path,
    as_json: bool,
) -> None:
    """Run everything once: a private network of real libtorrent nodes, a window on a zone of it, the report.

    \b
    1. start the nodes on loopback addresses and let their routing tables converge
    2. crawl the zone, put a monitor beside each of its nodes
    3. let the nodes look up and announce
    4. seal the run, find each lookup's destination, write tables and the report
    5. compare with what the nodes themselves logged

    Needs no privileges and sends nothing beyond 127.0.0.0/8. Ends in under three minutes. Fails when the
    workload did not run as asked for, so that the figures would be of something else.
    """
    begin = time.monotonic()
    step = steps()
    folder = out / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    with usage_errors():
        settings = _settings(folder, nodes, lookups, announces, churn, seed)
    with lab_errors("lab,analysis"):
        window = watch_lab(
            settings, folder, {"monitors.every": every, "processes.workers": workers, "replies.mode": replies}, step
        )
        ended = window.ended
        if not window.went_ns:  # stopped before there was anything to compare
            raise SystemExit(int(exit_code(ended)))
        analysis = analyze_run(ended.run)
        comparison = compare(ended.run, Path(settings.out), since_ns=window.went_ns)
        # names, not paths: the file may be passed on
        comparison = replace(comparison, run=ended.run.name, truth=Path(settings.out).name)
        (ended.run / VALIDATION).write_bytes(document(comparison))
        page = report_runs([ended.run])
    step(f"{analysis.lookups} lookups attributed; report written")
    told = made(seed, libtorrents([Path(settings.out)]))
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
            "run": str(ended.run),
            "report": str(page),
            "seconds": round(seconds, 1),
            **told,
            "comparison": msgspec.json.decode(document(comparison)),
        },
        text,
    )
    if exit_code(ended) != Exit.OK:
        raise SystemExit(int(exit_code(ended)))
    if comparison.flaw:
        raise click.ClickException(comparison.flaw)
