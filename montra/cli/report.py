"""`montra report`: figures and one HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from montra.cli.common import clear_errors, emit, json_option, require_extra, workers_option
from montra.cli.republish import republish_options
from montra.cli.shown import shown_options
from montra.window.analyze import Republish, Shown, report_runs


@click.command(epilog="Example: montra report -o report.html runs/20261121T150000Z_mainline_a4-6")
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Page to write [RUN/report.html].")
@republish_options
@shown_options
@workers_option
@json_option
@clear_errors
def report(
    runs: tuple[Path, ...], out: Path | None, workers: int | None, republish: Republish, shown: Shown, as_json: bool
) -> None:
    """Write one self-contained HTML page with the figures and tables of RUNS (analysing those that are not yet)."""
    try:
        page = report_runs(list(runs), out, workers, republish=republish, shown=shown)
    except ImportError as error:
        raise require_extra(error, "analysis") from error
    emit(as_json, {"report": str(page)}, lambda: click.echo(str(page)))
