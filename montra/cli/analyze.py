"""`montra analyze`: attribution and tables."""

from __future__ import annotations

from pathlib import Path

import click

from montra.cli.common import clear_errors, emit, json_option, require_extra, tell, workers_option
from montra.cli.privacy import privacy_options
from montra.cli.republish import republish_options
from montra.cli.shown import shown_options
from montra.window.analyze import Privacy, Republish, Shown, analyze_runs


@click.command(epilog="Example: montra analyze runs/20261121T150000Z_mainline_a4-6")
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@privacy_options
@republish_options
@shown_options
@workers_option
@json_option
@clear_errors
def analyze(
    runs: tuple[Path, ...],
    workers: int | None,
    republish: Republish,
    shown: Shown,
    privacy: Privacy,
    as_json: bool,
) -> None:
    """Turn the captures of RUNS into lookups with a destination, and those into tables.

    Writes lookups.lmdb and analysis/ (CSV, Parquet, JSON) into each run folder; what was captured is not touched.
    """
    try:
        results = analyze_runs(runs, workers, republish=republish, shown=shown, privacy=privacy)
    except ImportError as error:
        raise require_extra(error, "analysis") from error

    def text() -> None:
        for result in results:
            traffic = result.traffic
            kinds = f"{traffic.lookups} lookups and {traffic.count('announces')} announces"
            if result.tells_publishes:
                kinds = f"{traffic.count('searches')} searches and {traffic.count('publishes')} publishes"
            tell(
                f"[bold]{result.run.name}[/]: {kinds} of {traffic.requesters} requesters for {traffic.keys} keys; "
                f"tables in {result.out}"
            )

    emit(as_json, [result.as_dict() for result in results], text)
