"""`montra analyze`: attribution and tables."""

from __future__ import annotations

from pathlib import Path

import click

from montra.cli.common import clear_errors, emit, json_option, require_extra, tell, workers_option
from montra.cli.republish import republish_options
from montra.cli.shown import shown_options
from montra.window.analyze import Republish, Shown, analyze_run


@click.command(epilog="Example: montra analyze runs/20261121T150000Z_mainline_a4-6")
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@republish_options
@shown_options
@workers_option
@json_option
@clear_errors
def analyze(runs: tuple[Path, ...], workers: int | None, republish: Republish, shown: Shown, as_json: bool) -> None:
    """Turn the captures of RUNS into lookups with a destination, and those into tables.

    Writes lookups.lmdb and analysis/ (CSV, Parquet, JSON) into each run folder; what was captured is not touched.
    """
    try:
        results = [analyze_run(run, workers, republish=republish, shown=shown) for run in runs]
    except ImportError as error:
        raise require_extra(error, "analysis") from error

    def text() -> None:
        for result in results:
            kinds = f"{result.lookups} lookups and {result.announces} announces"
            if result.tells_publishes:
                kinds = f"{result.searches} searches and {result.publishes} publishes"
            tell(
                f"[bold]{result.run.name}[/]: {kinds} of {result.requesters} requesters for {result.distinct_keys} "
                f"keys; tables in {result.out}"
            )

    emit(as_json, [result.as_dict() for result in results], text)
