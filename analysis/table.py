"""A table of the analysis: named columns that say what they hold, for files, page and data dictionary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray


class Column(NamedTuple):
    """One column: text as a list, all else as an array [n] (uint8[n, L] for IDs); unit "" where it has none."""

    name: str
    values: list[str] | NDArray[Any]
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length.

    name: of its file; title: in words; meaning: what a row is; function: dotted name of what made it (`made_by`);
    inputs: what of the run it was made from (`quantity.INPUTS`); people: name of the column that counts the distinct
    requesters behind a row, "" where rows are about no few people: rows of fewer than k are suppressed by it.
    """

    name: str
    title: str
    meaning: str
    function: str
    inputs: tuple[str, ...]
    columns: tuple[Column, ...]
    people: str = ""

    def __len__(self) -> int:
        return len(self.columns[0].values) if self.columns else 0

    def column(self, name: str) -> list[str] | NDArray[Any]:
        """Return the values of a column; raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column.values
        raise KeyError(name)
