"""Several analyses put together: the reduce over windows and zones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.imbalance.over import OverImbalance
from analysis.imbalance.over import over as over_imbalance
from analysis.network.over import OverNetwork
from analysis.network.over import over as over_network
from analysis.popularity.over import OverPopularity
from analysis.popularity.over import over as over_popularity
from analysis.quantity import Quantity
from analysis.result import Analysis, Findings
from analysis.table import Table
from analysis.traffic.over import OverTraffic
from analysis.traffic.over import over as over_traffic


@dataclass(frozen=True, slots=True)
class Overview:
    """What several runs tell together; a chapter is None where they tell nothing more than each for itself."""

    traffic: OverTraffic | None
    popularity: OverPopularity | None
    imbalance: OverImbalance | None
    network: OverNetwork | None

    @property
    def chapters(self) -> dict[str, Findings]:
        """The chapters that there are, by name."""
        names = ("traffic", "popularity", "imbalance", "network")
        return {name: chapter for name in names if (chapter := getattr(self, name)) is not None}

    def quantities(self) -> dict[str, Quantity]:
        """Return all numbers as "over_chapter.name"."""
        chapters = self.chapters.items()
        return {f"over_{name}.{one.name}": one for name, chapter in chapters for one in chapter.quantities()}

    def tables(self) -> list[Table]:
        """Return all tables; nothing is suppressed yet."""
        return [table for chapter in self.chapters.values() for table in chapter.tables()]


def over(analyses: Sequence[Analysis]) -> Overview:
    """Put analyses together: runs of several zones and overlays, and of one zone at several times.

    Keys are compared by the keys.parquet of each run's folder of tables, all else by what the analyses hold.
    """
    return Overview(
        traffic=over_traffic(analyses),
        popularity=over_popularity(analyses),
        imbalance=over_imbalance(analyses),
        network=over_network(analyses),
    )
