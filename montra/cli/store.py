"""`montra store`: check, describe, seal and join run folders."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click
from rich.markup import escape

from montra.cli.common import Exit, clear_errors, emit, json_option, run_argument, tell
from montra.window.recover import seal_cut_off
from zone_store.run.join import shards_of
from zone_store.run.merge import merge as merge_runs
from zone_store.run.verify import stat as stat_run
from zone_store.run.verify import verify as verify_run


@click.group()
def store() -> None:
    """Check, describe, seal and join run folders."""


@store.command(epilog="Example: montra store verify runs/20261121T150000Z_mainline_a4-6")
@run_argument
@json_option
@clear_errors
def verify(run: Path, as_json: bool) -> None:
    """Check that RUN is whole: sums, schema, every block, every reference. Exit code 1 if not.

    A run that is not sealed is checked with the shards of its workers.
    """
    report = verify_run(run)
    for shard in [] if report.sealed else shards_of(run):
        part = verify_run(shard)
        report.captures, report.blocks = report.captures + part.captures, report.blocks + part.blocks
        report.attachments += part.attachments
        for problem in part.problems:
            report.problem(f"{shard.name}: {problem}")

    def text() -> None:
        for problem in report.problems:
            tell(f"[red]{escape(problem)}[/]")
        verdict = "[green]whole[/]" if report.ok else "[red]damaged[/]"
        sealed = "sealed" if report.sealed else "not sealed"
        tell(
            f"{run.name}: {verdict}, {sealed}, {report.captures} captures in {report.blocks} blocks, "
            f"{report.attachments} target intervals"
        )

    emit(as_json, dataclasses.asdict(report), text)
    if not report.ok:
        raise SystemExit(int(Exit.ERROR))


@store.command(epilog="Example: montra store stat --json RUN")
@run_argument
@json_option
@clear_errors
def stat(run: Path, as_json: bool) -> None:
    """Say what RUN holds and how large it is."""
    figures = stat_run(run)

    def text() -> None:
        for name, value in figures.items():
            tell(f"{name:<24} {value}")

    emit(as_json, figures, text)


@store.command(epilog="Example: montra store seal runs/20261121T150000Z_mainline_a4-6")
@run_argument
@json_option
@clear_errors
def seal(run: Path, as_json: bool) -> None:
    """Seal RUN, whose process was killed: what it had stored stays, the rest of its window is a gap on the ledger.

    The shards of a run of several processes are joined.
    """
    manifest = seal_cut_off(run)
    emit(
        as_json,
        {"run": str(run), "exit": manifest.exit, "captures": manifest.captures},
        lambda: tell(f"{run.name}: sealed as {manifest.exit} with {manifest.captures} captures"),
    )


@store.command(epilog="Example: montra store merge -o runs RUN_A RUN_B")
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o", "--out", default="runs", show_default=True, type=click.Path(path_type=Path), help="Parent of the joined run."
)
@json_option
@clear_errors
def merge(runs: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Join RUNS (shards of one zone, or zones under one prefix) into a new run folder."""
    joined = merge_runs(list(runs), out)
    emit(as_json, {"run": str(joined)}, lambda: click.echo(str(joined)))
