"""Where each number of the page comes from: an identifier on the page, and its record in the JSON beside it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from posixpath import normpath
from typing import Any

from analysis.given import Given
from analysis.page.drawing import Drawing
from analysis.quantity import Quantity, made_by
from analysis.table import Table
from zone_store.run.folder import read_manifest

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Origin:
    """What a part of the page is about.

    key: tells its identifiers from those of others; runs: name and SHA-256 of the manifest of each run it was made
    from; folder: where its files are, beside the page or in the run's folder.
    """

    key: str
    runs: tuple[tuple[str, str], ...]
    folder: str


@dataclass(slots=True)
class Trace:
    """All that a page shows, by identifier: filled while the page is rendered."""

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    _drawn: set[tuple[str, str, str]] = field(default_factory=set)

    def number(self, origin: Origin, chapter: str, quantity: Quantity) -> str:
        """Return the identifier of a quantity, and keep where it comes from."""
        return self._keep(
            f"{origin.key}.{chapter}.{quantity.name}",
            origin,
            "number",
            quantity.function,
            quantity.inputs,
            "analysis.json",
            value=_plain(quantity.value),
            low=_plain(quantity.low),
            high=_plain(quantity.high),
            unit=quantity.unit,
            meaning=quantity.meaning,
            method=quantity.method,
            withheld=quantity.withheld,
        )

    def table(self, origin: Origin, chapter: str, table: Table) -> str:
        """Return the identifier of a table, and keep where it comes from."""
        return self._keep(
            f"{origin.key}.{chapter}.table.{table.name}",
            origin,
            "table",
            table.function,
            table.inputs,
            f"{table.name}.csv",
            title=table.title,
            meaning=table.meaning,
            rows=len(table),
            columns={column.name: {"unit": column.unit, "meaning": column.meaning} for column in table.columns},
        )

    def figure(self, origin: Origin, chapter: str, drawing: Drawing) -> str:
        """Return the identifier of a figure, and keep where it comes from."""
        self._drawn.add((origin.key, chapter, drawing.name))
        return self._keep(
            f"{origin.key}.{chapter}.figure.{drawing.name}",
            origin,
            "figure",
            drawing.data.function,
            drawing.data.inputs,
            f"figures/{drawing.name}.csv",
            title=drawing.title,
            meaning=drawing.data.meaning,
            columns={column.name: {"unit": column.unit, "meaning": column.meaning} for column in drawing.data.columns},
        )

    def fact(self, origin: Origin, name: str, value: object) -> str:
        """Return the identifier of a fact of the run's manifest, and keep it."""
        function, inputs = made_by(read_manifest), ("manifest",)
        return self._keep(
            f"{origin.key}.manifest.{name}", origin, "fact", function, inputs, "../manifest.json", value=str(value)
        )

    def setting(self, origin: Origin, name: str, value: object) -> str:
        """Return the identifier of something that the analysis was told, and keep it."""
        return self._keep(
            f"{origin.key}.given.{name}",
            origin,
            "fact",
            made_by(Given),
            ("manifest",),
            "analysis.json",
            value=str(value),
        )

    def drawn(self, origin: Origin, chapter: str, drawing: Drawing) -> bool:
        """Tell whether a figure is on the page already."""
        return (origin.key, chapter, drawing.name) in self._drawn

    def document(self, page: str) -> bytes:
        """Return all records as JSON, in the order in which the page shows them."""
        content = {"schema": SCHEMA, "page": page, "entries": self.entries}
        return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False).encode() + b"\n"

    def _keep(
        self,
        name: str,
        origin: Origin,
        kind: str,
        function: str,
        inputs: tuple[str, ...],
        file: str,
        **more: object,
    ) -> str:
        runs = [{"run": run, "manifest_sha256": manifest} for run, manifest in origin.runs]
        self.entries[name] = {
            "kind": kind,
            **more,
            "function": function,
            "inputs": list(inputs),
            "runs": runs,
            "file": normpath(f"{origin.folder}/{file}"),
        }
        return name


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
