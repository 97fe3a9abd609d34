"""All that an analysis found of one run: its chapters, and their numbers and tables as plain data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from analysis.contents.chapter import Contents
from analysis.given import Given
from analysis.imbalance.chapter import Imbalance
from analysis.load import Run
from analysis.network.chapter import Network
from analysis.popularity.chapter import Popularity
from analysis.quantity import Quantity
from analysis.table import Table
from analysis.traffic.chapter import Traffic
from analysis.trust.chapter import Trust
from zone_store.run.folder import LookupsMade

CHAPTERS = ("traffic", "popularity", "imbalance", "network", "contents", "trust")


class Findings(Protocol):
    """What a chapter found, of one run or over several."""

    def quantities(self) -> list[Quantity]:
        """Return the numbers, names apart."""

    def tables(self) -> list[Table]:
        """Return the tables, names apart from those of other chapters."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """The analysis of one run, small and fit to be sent between processes.

    run: its facts, without its targets; out: folder of its tables; given: what it was told; lookups_made: how its
    lookups were.
    """

    run: Run
    out: Path
    given: Given
    lookups_made: LookupsMade
    traffic: Traffic
    popularity: Popularity
    imbalance: Imbalance
    network: Network
    contents: Contents
    trust: Trust

    @property
    def chapters(self) -> dict[str, Findings]:
        """The chapters by name, in the order of `CHAPTERS`."""
        return {name: getattr(self, name) for name in CHAPTERS}

    @property
    def tells_publishes(self) -> bool:
        """Tell whether lookups of this overlay say if they search or publish."""
        return bool(self.given.republish_s)

    def quantities(self) -> dict[str, Quantity]:
        """Return all numbers as "chapter.name"."""
        return {f"{name}.{one.name}": one for name, chapter in self.chapters.items() for one in chapter.quantities()}

    def tables(self) -> list[Table]:
        """Return all tables, each a file of the output folder; nothing is suppressed yet."""
        return [table for chapter in self.chapters.values() for table in chapter.tables()]

    def as_dict(self) -> dict[str, Any]:
        """Return the summary: what analysis.json holds. Holds no address; a number that is not told is None."""
        run, manifest = self.run, self.run.manifest
        summary: dict[str, Any] = {
            "schema": 2,
            "run": {
                "name": run.name,
                "overlay": manifest.overlay,
                "zone": manifest.zone,
                "start_ns": run.start_ns,
                "end_ns": run.end_ns,
                "seconds": run.seconds,
                "running_seconds": run.running_seconds,
                "sealed": manifest.sealed,
                "exit": manifest.exit,
                "montra_version": manifest.montra_version,
                "git": manifest.git,
                "versions": manifest.versions,
                "captures": run.captures,
                "crawls": len(run.crawls),
                "manifest_sha256": run.digest,
            },
            "analysed_by": self.given.analysed_by,
            "least_people": self.given.least_people,
            "attribution": {
                "rule": self.lookups_made.rule,
                "span_ns": self.lookups_made.span_ns,
                "refresh_bits": self.lookups_made.refresh_bits,
            },
            "quantities": {name: asdict(one) for name, one in self.quantities().items()},
        }
        plain: dict[str, Any] = without_nan(summary)
        return plain


def without_nan(value: Any) -> Any:
    """Return plain data with None in place of what is no finite number, as JSON has none."""
    if isinstance(value, dict):
        return {key: without_nan(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
