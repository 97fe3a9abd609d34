"""`montra export`: a data set for pandas, DuckDB and R."""

from __future__ import annotations

from pathlib import Path

import click

from montra.cli.common import clear_errors, emit, json_option, require_extra, tell, workers_option
from montra.cli.options import refuse_old
from montra.cli.privacy import privacy_options
from montra.cli.republish import republish_options
from montra.cli.shown import shown_options
from montra.window.analyze import Privacy, Republish, Shown
from montra.window.export import FORMATS, export_runs


@click.command(epilog="Example: montra export -o dataset runs/*_kad_a4-6")
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="New folder for the data set.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="Of lookups, keys and targets; small tables are written in both.",
)
@privacy_options
@republish_options
@shown_options
@workers_option
@json_option
@clear_errors
def export(
    runs: tuple[Path, ...],
    out: Path,
    form: str,
    workers: int | None,
    republish: Republish,
    shown: Shown,
    privacy: Privacy,
    as_json: bool,
) -> None:
    """Analyse RUNS and write one data set of them that can be given away: lookups, keys, targets, crawls, all tables.

    Addresses are pseudonyms, rare keys and places are blanked; README.md of the folder says what that does and does not
    protect from, and how to load the data; DICTIONARY.md says what each column is.
    """
    refuse_old(out)
    try:
        made = export_runs(runs, out, form, workers, republish=republish, shown=shown, privacy=privacy)
    except ImportError as error:
        raise require_extra(error, "analysis") from error
    rows = sum(made.lookups.values())
    emit(
        as_json,
        {"folder": str(out), "lookups": made.lookups, "keys": made.keys},
        lambda: tell(
            f"[bold]{out}[/]: {rows} lookups of {len(runs)} run{'s' * (len(runs) > 1)}; start with {out / 'README.md'}"
        ),
    )
