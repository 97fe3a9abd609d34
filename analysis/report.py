"""One self-contained HTML page about one or more runs: it loads nothing, so it can be mailed, kept and printed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from analysis.analyze import analyze
from analysis.canaries import Canaries, MissCause
from analysis.clients import VersionName, hex_version, plain_name
from analysis.figures import FigureText, figures, rate_envelope
from analysis.load import NANOS
from analysis.load_balance import top_share
from analysis.result import Analysis
from zone_store.run.folder import RunError, write_atomic

PAGE = "report.html"
VALIDATION = "validation.json"
TOP_ROWS = 20
LEAST_EVIDENCE = 20
"""Fewer validated lookups than this are called too few to say much."""

_WHAT = {
    "capture": "Lookups captured",
    "capture_by_key": "the same, lookups of a key not independent",
    "counted": "captured and counted",
    "capture_lookups": "captured, of lookups that only search",
    "capture_announces": "captured, of lookups that lead to an announce",
    "destination": "Observed destination right, of those captured",
    "destination_by_key": "the same, lookups of a key not independent",
    "inferred": "Inferred destination right, of those captured",
    "inferred_by_key": "the same, lookups of a key not independent",
    "own_monitor": "Sent to an instrumented node nearest to the key, captured by its own monitor",
    "any_monitor": "the same, captured by any monitor",
    "unexplained": "Lookups that nobody made, of those counted",
    "reached_closest": "True destination was the nearest node alive",
}
#: What `MissCause.what` means on the page.
_MISSED = {
    "capture": "not captured",
    "destination": "wrong observed destination",
    "inferred": "wrong inferred destination",
    "own_monitor": "not captured by the node's own monitor",
}


@dataclass(frozen=True, slots=True)
class Proportion:
    """A validated share with its 95 % interval, and the number of tries it rests on."""

    what: str
    share: float
    low: float
    high: float
    trials: int


@dataclass(frozen=True, slots=True)
class Validation:
    """What a validation file says; problem: what is wrong with it.

    causes: why what was missed was missed; excluded: (reason, count) of lookups left out; facts: further (name, value)
    rows.
    """

    proportions: tuple[Proportion, ...] = ()
    causes: tuple[MissCause, ...] = ()
    excluded: tuple[tuple[str, int], ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One run on the page: `key` tells its anchors and figures apart."""

    key: str
    analysis: Analysis
    figures: list[FigureText]
    validation: Validation


def report(
    folders: Sequence[Path],
    out_html: Path | None = None,
    *,
    version_name: VersionName = hex_version,
    analysed_by: str = "",
    canaries: Callable[[Path], Canaries | None] = lambda _: None,
) -> Path:
    """Analyse runs, write their tables and figures, and one page about all of them; returns the page's path.

    out_html: the page (report.html in the first run's folder if None). A `validation.json` in a run folder (a
    comparison with the truth: shares as {"share", "low", "high", "trials"}, causes of misses as `MissCause`) is shown
    with its run. canaries: says what a run captured of its own, None if it made none. Raises RunError as `analyze`
    does, and ValueError for no folders.
    """
    if not folders:
        raise ValueError("a report needs at least one run")
    sections = [
        _section(f"run{i}", folder, version_name, analysed_by, canaries(folder)) for i, folder in enumerate(folders, 1)
    ]
    page = folders[0] / PAGE if out_html is None else out_html
    write_atomic(page, render(sections).encode())
    return page


def render(sections: Sequence[Section]) -> str:
    """Return the page; the same analyses give the same text."""
    over_all = rate_envelope([section.analysis for section in sections]) if len(sections) > 1 else None
    return _environment().get_template("report.html.j2").render(sections=sections, over_all=over_all)


def read_validation(path: Path) -> Validation:
    """Read a comparison of a run with the truth; nothing if there is none, what is wrong as its `problem`."""
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return Validation()
    except (OSError, ValueError, RecursionError):
        return Validation(problem=f"{path.name} could not be read")
    if not isinstance(data, dict):
        data = {}
    proportions = [proportion for name, what in _WHAT.items() if (proportion := _proportion(what, data.get(name)))]
    facts = data.get("facts")
    rows = [row for row in facts if isinstance(row, list) and len(row) == 2] if isinstance(facts, list) else []
    problem = "" if proportions else f"{path.name} holds no share with an interval"
    return Validation(
        tuple(proportions),
        _causes(data.get("causes")),
        tuple(_reasons(data.get("excluded"))),
        tuple((str(name), str(value)) for name, value in rows),
        problem,
    )


def _causes(entry: object) -> tuple[MissCause, ...]:
    """Return the causes of misses of a validation file, without what is none."""
    found = []
    for row in entry if isinstance(entry, list) else []:
        try:
            cause = msgspec.convert(row, MissCause)
        except msgspec.ValidationError:
            continue
        found.append(replace(cause, cause=plain_name(cause.cause.replace("_", " "))))
    return tuple(found)


def _reasons(entry: object) -> list[tuple[str, int]]:
    """Return the counts above zero of a validation file's reasons."""
    if not isinstance(entry, dict):
        return []
    return [
        (plain_name(reason.replace("_", " ")), count)
        for reason, count in entry.items()
        if isinstance(count, int) and count
    ]


def _proportion(what: str, entry: object) -> Proportion | None:
    """Return a proportion of a validation file, None if it is none or rests on no trial."""
    if not isinstance(entry, dict):
        return None
    numbers = [entry.get(name) for name in ("share", "low", "high", "trials")]
    share, low, high, trials = (float(n) if isinstance(n, int | float) else math.nan for n in numbers)
    if not all(map(math.isfinite, (share, low, high, trials))) or trials <= 0:
        return None
    return Proportion(what, share, low, high, int(trials))


def _section(key: str, folder: Path, version_name: VersionName, analysed_by: str, canaries: Canaries | None) -> Section:
    analysis = analyze(folder, version_name=version_name, analysed_by=analysed_by, canaries=canaries)
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
    return Section(key, analysis, drawn, read_validation(folder / VALIDATION))


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
        "when": _when,
        "plain": plain_name,
    }
    environment.globals |= {"top_share": top_share, "top_rows": TOP_ROWS, "least_evidence": LEAST_EVIDENCE}
    environment.globals |= {"element": _element, "missed": _MISSED}
    return environment


def _element(figure: FigureText, key: str) -> Markup:
    """Return a figure for the page: our own SVG, in which matplotlib escaped all text."""
    return Markup(figure.element(key))  # noqa: S704


def _percent(value: float, digits: int = 1) -> str:
    return "unknown" if math.isnan(value) else f"{100 * value:.{digits}f} %"


def _decimal(value: float, digits: int = 1) -> str:
    return "unknown" if math.isnan(value) else f"{value:,.{digits}f}"


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
