"""From analyses to sections of a page: chapters in reading order, each with its figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Protocol

from analysis.contents.figures import figures as contents_figures
from analysis.imbalance.figures import figures as imbalance_figures
from analysis.network.clients import plain_name
from analysis.network.figures import figures as network_figures
from analysis.over import Overview
from analysis.page.drawing import Drawing
from analysis.page.sections import TITLES, Chapter, Section, chapter_of, origin_of, title_of
from analysis.popularity.figures import figures as popularity_figures
from analysis.result import Analysis, Findings
from analysis.traffic.figures import figures as traffic_figures
from analysis.trust.figures import figures as trust_figures

_DRAWN: dict[str, Callable[[Analysis], list[Drawing]]] = {
    "trust": trust_figures,
    "traffic": traffic_figures,
    "popularity": popularity_figures,
    "imbalance": imbalance_figures,
    "network": network_figures,
    "contents": contents_figures,
}
_OVERALL = "all"


class _Drawn(Findings, Protocol):
    """A chapter over several runs."""

    def figures(self) -> list[Drawing]:
        """Return its figures."""


def article(key: str, analysis: Analysis, *, alone: bool = False, drawn: bool = True) -> Section:
    """Return the section about one run.

    key: tells it from others; alone: whether it is on a page of its own, in the run's folder; drawn: with its figures.
    """
    results, least = analysis.chapters, analysis.given.least_people
    figures = {name: draw(analysis) for name, draw in _DRAWN.items()} if drawn else {}
    chapters = [
        chapter_of(name, key, results[name], figures.get(name, []), least) for name in TITLES if name in results
    ]
    manifest = analysis.run.manifest
    files = analysis.out.name if alone else f"{analysis.run.name}/{analysis.out.name}"
    return Section(
        key=key,
        title=title_of(plain_name(manifest.overlay), plain_name(manifest.zone)),
        origin=origin_of(key, [analysis], files),
        files=files,
        chapters=(*chapters, _losses(key, analysis)),
        runs=(analysis,),
    )


def _losses(key: str, analysis: Analysis) -> Chapter:
    """Return the ledger as a chapter of its own, the last: what is missing of all that was said before."""
    (table,) = (table for table in analysis.trust.tables() if table.name == "losses")
    nothing = SimpleNamespace()
    return Chapter(
        "losses", TITLES["losses"], f"{key}-losses", analysis.trust, nothing, SimpleNamespace(losses=table), nothing
    )


def overall(analyses: Sequence[Analysis], found: Overview, files: str) -> Section:
    """Return the section about all runs together; files: folder of its tables and figures."""
    least = max(one.given.least_people for one in analyses)
    parts: dict[str, _Drawn | None] = {
        "traffic": found.traffic,
        "popularity": found.popularity,
        "imbalance": found.imbalance,
        "network": found.network,
    }
    chapters = tuple(
        chapter_of(name, _OVERALL, part, part.figures(), least)
        for name in TITLES
        if (part := parts.get(name)) is not None
    )
    overlays = sorted({plain_name(one.run.manifest.overlay).capitalize() for one in analyses})
    title = f"{len(analyses)} runs of {' and '.join(overlays)}"
    return Section(_OVERALL, title, origin_of(_OVERALL, analyses, files), files, chapters, tuple(analyses))
