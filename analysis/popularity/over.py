"""Popularity over runs: side by side; and over windows of a zone: which keys stay popular, come, rise, fall and go."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.engine.database import Database
from analysis.engine.opening import KEYS
from analysis.page.drawing import Drawing
from analysis.popularity.change import Changes, changes_of
from analysis.popularity.over_figures import change_figures, stability_figures
from analysis.popularity.over_runs import Run, rank_figures, runs_table, shapes_of
from analysis.popularity.over_tables import changed_keys, changes_table, stability_table, varying, zone_quantities
from analysis.popularity.pairs import Pair, compared, gather, pair_of
from analysis.popularity.stability import Stability, stability_of
from analysis.quantity import Quantity
from analysis.table import Table

if TYPE_CHECKING:
    from analysis.result import Analysis

MOST_TOLD = 50
"""Changed keys kept of two windows, the surest first."""


@dataclass(frozen=True, slots=True)
class Window:
    """When a run watched a zone, and for how long it was at work."""

    start_ns: int
    end_ns: int
    running_seconds: float


@dataclass(frozen=True, slots=True)
class Compared:
    """Two windows of one zone, by one way of counting.

    next_to: whether the second is the next window after the first; unchanged_share: see `Pair.share`; keys: compared;
    changes: keys that changed, by kind; told: the surest of them, which alone are left in `pair`. Changes are told of
    neighbouring windows only.
    """

    overlay: str
    zone: str
    measure: str
    first: Window
    second: Window
    next_to: bool
    keys: int
    stability: Stability
    changes: dict[str, int]
    pair: Pair
    told: Changes

    @property
    def hours_apart(self) -> float:
        """Hours from the middle of the first window to the middle of the second."""
        middles = [(window.start_ns + window.end_ns) / 2 for window in (self.first, self.second)]
        return (middles[1] - middles[0]) / 3.6e12


@dataclass(frozen=True, slots=True)
class OverPopularity:
    """What several runs tell.

    runs: distributions, see `over_runs`; compared: windows of one zone, in order of overlay, zone and way of counting.
    """

    runs: list[Run]
    compared: list[Compared]

    def quantities(self) -> list[Quantity]:
        """Return the numbers of each zone."""
        return zone_quantities(self.compared)

    def tables(self) -> list[Table]:
        """Return the tables."""
        of_windows = (stability_table, changes_table, changed_keys)
        return [runs_table(self.runs), *(make(self.compared) for make in of_windows)]

    @staticmethod
    def shown(table: Table, names: Sequence[str] = ()) -> list[str]:
        """Return the columns of a table, or those of them that are named, that a page shows: `over_tables.varying`."""
        return varying(table, names)

    def figures(self) -> list[Drawing]:
        """Return the figures."""
        return [*rank_figures(self.runs), *stability_figures(self.compared), *change_figures(self.compared)]


def over(analyses: Sequence[Analysis]) -> OverPopularity | None:
    """Return popularity in several runs, and how it changes over windows of one zone; None for a single run."""
    if len(analyses) < 2:
        return None
    found: list[Compared] = []
    ordered = sorted(analyses, key=lambda one: (*_zone(one), one.run.start_ns, one.run.name))
    for _, group in groupby(ordered, key=_zone):
        windows = list(group)
        if len(windows) > 1:
            found += _compare(windows)
    return OverPopularity(shapes_of(analyses), found)


def _zone(analysis: Analysis) -> tuple[str, str]:
    return analysis.run.manifest.overlay, analysis.run.manifest.zone


def _compare(windows: list[Analysis]) -> list[Compared]:
    """Compare the windows of one zone, in order of time."""
    found = []
    parts = [one.popularity for one in windows]
    measures = [measure for measure in parts[0].clumping if all(measure in part.clumping for part in parts)]
    with (
        tempfile.TemporaryDirectory(prefix=".engine-", dir=windows[0].out) as temporary,
        Database.over([one.out / KEYS for one in windows], temporary=Path(temporary)) as db,
    ):
        for measure in measures:
            gather(db, measure)
            for first, second in compared(len(windows)):
                totals = (parts[first].total(measure), parts[second].total(measure))
                clumping = max(parts[first].clumping[measure], parts[second].clumping[measure])
                pair = pair_of(db, first, second, totals, clumping)
                found.append(_compared(windows[first], windows[second], measure, pair, second == first + 1))
    return found


def _compared(first: Analysis, second: Analysis, measure: str, pair: Pair, next_to: bool) -> Compared:
    changes = changes_of(pair)
    surest = changes.surest(MOST_TOLD) if next_to else []
    overlay, zone = _zone(first)
    return Compared(
        overlay,
        zone,
        measure,
        _window(first),
        _window(second),
        next_to,
        len(pair.keys),
        stability_of(pair),
        changes.counts() if next_to else {},
        pair.take(surest),
        changes.take(surest),
    )


def _window(analysis: Analysis) -> Window:
    run = analysis.run
    return Window(run.start_ns, run.end_ns, run.running_seconds)
