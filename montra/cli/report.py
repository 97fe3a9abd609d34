"""`montra report`: figures and one HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from montra.cli.common import clear_errors, emit, json_option, require_extra, workers_option
from montra.cli.privacy import privacy_options
from montra.cli.republish import republish_options
from montra.cli.shown import shown_options
from montra.window.analyze import Privacy, Republish, Shown, report_runs


@click.command(epilog="Example: montra report -o report.html runs/20261121T150000Z_mainline_a4-6")
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Page to write [RUN/report.html; for several RUNS report.html in the folder that holds the first].",
)
@privacy_options
@republish_options
@shown_options
@workers_option
@json_option
@clear_errors
def report(
    runs: tuple[Path, ...],
    out: Path | None,
    workers: int | None,
    republish: Republish,
    shown: Shown,
    privacy: Privacy,
    as_json: bool,
) -> None:
    """Write one self-contained HTML page with the figures and tables of RUNS, analysing them.

    Figures are also written as SVG and PDF, with their data, and the page's JSON says where each number comes from. Of
    more than four RUNS each gets a page of its own, beside the one about all of them.
    """
    try:
        page = report_runs(list(runs), out, workers, republish=republish, shown=shown, privacy=privacy)
    except ImportError as error:
        raise require_extra(error, "analysis") from error
    trace = page.with_suffix(".json")
    emit(as_json, {"report": str(page), "trace": str(trace)}, lambda: click.echo(str(page)))
