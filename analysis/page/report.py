"""One self-contained HTML page about one or more runs: it loads nothing, so it can be mailed, kept and printed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from analysis.analyze import analyze
from analysis.given import Given
from analysis.imbalance.load import top_share
from analysis.load import NANOS
from analysis.network.clients import plain_name
from analysis.page.figures import FigureText, figures
from analysis.result import Analysis
from analysis.traffic.envelope import rate_envelope
from analysis.traffic.publishers import LEAST_WATCHED
from zone_store.run.folder import RunError, write_atomic

PAGE = "report.html"
TOP_ROWS = 20
LEAST_EVIDENCE = 20
"""Fewer validated lookups than this are called too few to say much."""

#: What `MissCause.what` means on the page.
_MISSED = {
    "capture": "not captured",
    "destination": "wrong observed destination",
    "inferred": "wrong inferred destination",
    "own_monitor": "not captured by the node's own monitor",
}


@dataclass(frozen=True, slots=True)
class Section:
    """One run on the page: `key` tells its anchors and figures apart."""

    key: str
    analysis: Analysis
    figures: list[FigureText]


def report(
    folders: Sequence[Path],
    out_html: Path | None = None,
    given: Callable[[Path], Given] = lambda _: Given(),
) -> Path:
    """Analyse runs, write their tables and figures, and one page about all of them; returns the page's path.

    out_html: the page (report.html in the first run's folder if None); given: what `analyze` is to be told of a run.
    Runs may be of different overlays: each has the same sections. A `validation.json` in a run folder is shown with its
    run. Raises RunError as `analyze` does, and ValueError for no folders.
    """
    if not folders:
        raise ValueError("a report needs at least one run")
    sections = [_section(f"run{i}", folder, given(folder)) for i, folder in enumerate(folders, 1)]
    page = folders[0] / PAGE if out_html is None else out_html
    write_atomic(page, render(sections).encode())
    return page


def render(sections: Sequence[Section]) -> str:
    """Return the page; the same analyses give the same text."""
    over_all = rate_envelope([section.analysis for section in sections]) if len(sections) > 1 else None
    told = {section.analysis.run.manifest.overlay: section.analysis.given.caveats for section in sections}
    named = any(section.analysis.given.names for section in sections)
    page = _environment().get_template("report.html.j2")
    return page.render(sections=sections, over_all=over_all, told=told, named=named)


def _section(key: str, folder: Path, given: Given) -> Section:
    analysis = analyze(folder, given=given)
    drawn = figures(analysis)
    out = analysis.out / "figures"
    try:
        out.mkdir(exist_ok=True)
        for old in out.glob("*.svg"):
            old.unlink()
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror}") from error
    for figure in drawn:
        write_atomic(out / f"{figure.name}.svg", figure.document.encode())
    return Section(key, analysis, drawn)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,  # client versions, ledger names and exit words come from outside
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": lambda value: f"{value:,}",
        "percent": _percent,
        "decimal": _decimal,
        "duration": _duration,
        "size": _size,
        "when": _when,
        "plain": plain_name,
    }
    environment.globals |= {"top_share": top_share, "top_rows": TOP_ROWS, "least_evidence": LEAST_EVIDENCE}
    environment.globals |= {"element": _element, "missed": _MISSED, "least_watched": LEAST_WATCHED}
    return environment


def _element(figure: FigureText, key: str) -> Markup:
    """Return a figure for the page: our own SVG, in which matplotlib escaped all text."""
    return Markup(figure.element(key))  # noqa: S704


def _percent(value: float, digits: int = 1) -> str:
    return "unknown" if math.isnan(value) else f"{100 * value:.{digits}f} %"


def _decimal(value: float, digits: int = 1) -> str:
    return "unknown" if math.isnan(value) else f"{value:,.{digits}f}"


def _size(size: int) -> str:
    """Return bytes in the largest unit that leaves at least one of it."""
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size} B"


def _duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    if math.isnan(seconds):
        return "unknown"
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size:,} {unit} {rest} {name}" if rest else f"{whole // size:,} {unit}"
    return f"{whole} s"


def _when(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // NANOS, UTC):%Y-%m-%d %H:%M:%S}"
