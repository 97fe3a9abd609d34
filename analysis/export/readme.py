"""The README of a data set: what is in it, how to load it, what it hides; its snippets are run by a test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from analysis.export.facts import Place
from analysis.load import Run
from analysis.network.clients import plain_name
from analysis.privacy.limits import DOES_NOT_PROTECT, PROTECTS

README = "README.md"


def readme(form: str, runs: Sequence[tuple[Place, Run]], k: int, example: str) -> str:
    """Return the text. form: "parquet" or "csv", of the large tables; example: name of a table that is there."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,  # noqa: S701 - plain text; what comes from outside is made plain
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    rows = [(place, run, plain_name(run.manifest.exit)) for place, run in runs]
    return environment.get_template(f"{README}.j2").render(
        form=form, runs=rows, k=k, example=example, protects=PROTECTS, does_not_protect=DOES_NOT_PROTECT
    )
