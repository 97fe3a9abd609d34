"""Imbalance over several runs: how far zones and windows of one overlay differ, and what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.imbalance.over_figures import figures_of
from analysis.imbalance.runs import MEANS, Row, envelope_table, mean_of, row_of, runs_table
from analysis.page.drawing import Drawing
from analysis.quantity import Quantity
from analysis.table import Table

if TYPE_CHECKING:
    from analysis.result import Analysis


@dataclass(frozen=True, slots=True)
class OverImbalance:
    """Imbalance of several runs, by overlay, zone and start."""

    rows: tuple[Row, ...]

    @property
    def overlays(self) -> tuple[str, ...]:
        """The overlays that there are."""
        return tuple(dict.fromkeys(row.overlay for row in self.rows))

    def of(self, overlay: str) -> list[Row]:
        """Return the runs of an overlay."""
        return [row for row in self.rows if row.overlay == overlay]

    def quantities(self) -> list[Quantity]:
        """Return the means over zones."""
        return [mean_of(overlay, name, self.of(overlay)) for overlay in self.overlays for name in MEANS]

    def tables(self) -> list[Table]:
        """Return a row for each run, and the envelopes that are drawn."""
        return [runs_table(self.rows), *(envelope_table(name, self.of(name)) for name in self.overlays)]

    def figures(self) -> list[Drawing]:
        """Return the figures that the runs have data for."""
        return [drawn for name in self.overlays for drawn in figures_of(name, self.of(name))]


def over(analyses: Sequence[Analysis]) -> OverImbalance | None:
    """Return the imbalance of several runs, None where there is nothing to compare."""
    rows = [row_of(one) for one in analyses if one.imbalance.nodes.lookups.any()]
    if len(rows) < 2:
        return None
    return OverImbalance(tuple(sorted(rows, key=lambda row: (row.overlay, row.zone, row.start_ns))))
