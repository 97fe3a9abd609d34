"""From sections to HTML: the templates, and what they may call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from analysis.network.clients import plain_name
from analysis.page import words
from analysis.page.drawing import Drawing
from analysis.page.grid import csv_link, grid
from analysis.page.sections import Chapter, Section
from analysis.page.style import is_wide
from analysis.page.summary import COVERAGE, FIRST, compared, highlights, sentences
from analysis.page.trace import Trace
from analysis.quantity import Quantity

TEMPLATES = Path(__file__).parent / "templates"

MISSED = {
    "capture": "not captured",
    "destination": "wrong observed destination",
    "inferred": "wrong inferred destination",
    "own_monitor": "not captured by the node's own monitor",
}
"""What `MissCause.what` means on the page."""


def render(
    sections: Sequence[Section],
    together: Section | None = None,
    links: Sequence[str] = (),
    *,
    trace_file: str,
    mark: Callable[[Any], Any] | None = None,
) -> tuple[str, Trace]:
    """Return the page and where its numbers come from; the same analyses give the same text.

    sections: one for each run; together: what they tell together, None for a page about one run; links: of runs that
    have pages of their own those pages, and then this one has a row for each only; trace_file: name of the file of the
    trace; mark: is handed all that templates print, for checks of the page.
    """
    trace = Trace()
    runs = [section.analysis for section in sections]
    columns, cells = compared(sections)
    places = links or [f"#{section.key}" for section in sections]
    rows = [
        {"section": section, "cells": row, "link": link}
        for section, row, link in zip(sections, cells, places, strict=True)
    ]
    page = (
        _environment(trace, mark)
        .get_template("report.html.j2")
        .render(
            articles=() if links else sections,
            overall=together,
            columns=columns,
            rows=rows,
            title=sections[0].title if together is None else together.title,
            told={one.run.manifest.overlay: one.given.caveats for one in runs},
            named=any(one.given.names for one in runs),
            least_people=max(one.given.least_people for one in runs),
            origin=(together or sections[0]).origin,
            trace_file=trace_file,
        )
    )
    return page, trace


def _environment(trace: Trace, mark: Callable[[Any], Any] | None) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # client versions, ledger names and exit words come from outside
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=mark,
    )
    environment.filters |= {
        "count": lambda value: f"{value:,}",
        "percent": words.percent,
        "duration": words.duration,
        "when": words.when,
        "plain": plain_name,
        "sentence": words.sentence,
    }
    environment.globals |= {
        "trace": trace,
        "said": words.said,
        "about": about,
        "highlights": highlights,
        "coverage": COVERAGE,
        "first": FIRST,
        "sentences": sentences,
        "missed": MISSED,
        "grid": grid,
        "csv_link": csv_link,
        "is_wide": is_wide,
        "element": _element,
        "unplaced": lambda section, part: _unplaced(trace, section, part),
    }
    return environment


def about(quantity: Quantity) -> str:
    """Return what a number is, for readers who point at it."""
    return ". ".join(part.rstrip(".") for part in (quantity.meaning, quantity.method, quantity.withheld) if part)


def _element(figure: Drawing, key: str) -> Markup:
    """Return a figure for the page: our own SVG, in which matplotlib escaped all text."""
    return Markup(figure.element(key))  # noqa: S704


def _unplaced(trace: Trace, section: Section, part: Chapter) -> list[Drawing]:
    """Return the figures of a chapter that its template did not place."""
    return [one for one in part.figures if not trace.drawn(section.origin, part.name, one)]
