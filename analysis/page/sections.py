"""What a page is made of: sections, one for each run and one over all of them, of chapters in reading order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from analysis.page.drawing import Drawing
from analysis.page.trace import Origin
from analysis.privacy.suppress import suppress
from analysis.quantity import Quantity
from analysis.result import Analysis, Findings

TITLES = {
    "trust": "How far to trust this",
    "traffic": "Traffic",
    "popularity": "Popularity of keys",
    "imbalance": "Load imbalance",
    "network": "The network",
    "contents": "Contents",
    "losses": "Losses",
}
"""Chapters in reading order: one reads first whether to believe the rest."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """One chapter on the page.

    name: of its template; anchor: of its own on the page; result: what was found; quantities, tables, drawings: the
    same by name, tables without rows about too few people.
    """

    name: str
    title: str
    anchor: str
    result: Findings
    quantities: SimpleNamespace
    tables: SimpleNamespace
    drawings: SimpleNamespace

    @property
    def numbers(self) -> list[Quantity]:
        """All its numbers, in their order."""
        return list(vars(self.quantities).values())

    @property
    def figures(self) -> list[Drawing]:
        """All its figures, in their order."""
        return list(vars(self.drawings).values())


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with chapters.

    key: tells its anchors and figures apart; title: in a few words; origin: where its numbers come from; files: folder
    of its files as a reader finds it; chapters: in reading order; runs: what it is about, one or several.
    """

    key: str
    title: str
    origin: Origin
    files: str
    chapters: tuple[Chapter, ...]
    runs: tuple[Analysis, ...]

    @property
    def analysis(self) -> Analysis:
        """The run, of a section about one."""
        return self.runs[0]

    def number(self, chapter: str, name: str) -> Quantity | None:
        """Return a number of a chapter, None where there is none."""
        found = next((one for one in self.chapters if one.name == chapter), None)
        return None if found is None else getattr(found.quantities, name, None)

    def figures(self) -> list[Drawing]:
        """Return all its figures."""
        return [drawing for chapter in self.chapters for drawing in chapter.figures]


def chapter_of(
    name: str, key: str, result: Findings, drawings: Iterable[Drawing], least_people: int, title: str = ""
) -> Chapter:
    """Return a chapter for the page; least_people: rows about fewer are left out of its tables, and of what is told
    of its figures.
    """
    return Chapter(
        name=name,
        title=title or TITLES[name],
        anchor=f"{key}-{name}",
        result=result,
        quantities=_by_name(result.quantities()),
        tables=_by_name(suppress(table, least_people) for table in result.tables()),
        drawings=_by_name(replace(drawing, data=suppress(drawing.data, least_people)) for drawing in drawings),
    )


def title_of(overlay: str, zone: str) -> str:
    """Return what a run is called by: its zone and network."""
    return f"Zone {zone} of {overlay.capitalize()}"


def origin_of(key: str, runs: Sequence[Analysis], folder: str) -> Origin:
    """Return where the numbers of a section come from: the runs, told by the digests of their manifests."""
    return Origin(key, tuple((one.run.name, one.run.digest) for one in runs), folder)


def _by_name(parts: Iterable[Any]) -> SimpleNamespace:
    return SimpleNamespace(**{part.name: part for part in parts})
