"""Where the tables of a data set lie, in which formats, and what the dictionary says of them."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis.dictionary import DICTIONARY, DICTIONARY_TEXT, Large, dictionary_of, in_words
from analysis.export.facts import Place
from analysis.privacy.limits import DOES_NOT_PROTECT, PROTECTS
from analysis.quantity import Quantity
from analysis.table import Table
from analysis.tables import csv_bytes, parquet_bytes, write_json
from zone_store.run.folder import write_atomic

ENDINGS = {"parquet": ".parquet", "csv": ".csv.gz"}
"""Of files, by format."""

CSV = "csv"
"""Folder of the small tables as CSV: a program that loads a folder of Parquet wants nothing else in it."""

TABLES, OVER = "tables", "over"
"""Folders of the tables of the analysis: of single runs, and of all together."""

HIVE = "overlay=*/zone=*/window=*"


class Files:
    """The folder of a data set while it is written. form: of its large tables."""

    def __init__(self, out: Path, form: str) -> None:
        self.out = out
        self.form = form
        self._told: dict[str, Table] = {}
        self._files: dict[str, list[str]] = {}

    @property
    def names(self) -> list[str]:
        """Names of the tables so far, those of the analysis as "tables/NAME"."""
        return list(self._told)

    def large(self, name: str, place: Place, stem: str) -> Path:
        """Return the path of a part of a large table of one run; its folder is made."""
        folder = self.out / name / str(place)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{stem}{ENDINGS[self.form]}"

    def put(self, table: Table, *, name: str = "", place: Place | None = None, about: Table | None = None) -> None:
        """Write a small table as Parquet and as CSV; raises RunError, OSError.

        name: its folder, place: of its run; of a table of all runs, which has no place, name is its path; about: the
        table before rows were left out, for the dictionary.
        """
        table, about = with_hex(table), with_hex(about or table)
        name = name or table.name
        at = Path(name) if place is None else Path(name) / str(place) / table.name
        told = name if place is None else f"{name}/{HIVE}/{table.name}"
        for form, root, data in (("parquet", Path(), parquet_bytes(table)), ("csv", Path(CSV), zipped(table))):
            path = self.out / root / f"{at}{ENDINGS[form]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, data)
        self._tell(name, about, [f"{told}{ENDINGS['parquet']}", f"{CSV}/{told}{ENDINGS['csv']}"])

    def put_large(self, table: Table, place: Place) -> None:
        """Write a table of one run that may be large, in the format of those; raises RunError, OSError."""
        data = parquet_bytes(table) if self.form == "parquet" else zipped(table)
        write_atomic(self.large(table.name, place, table.name), data)
        self._tell(table.name, table, [f"{table.name}/{HIVE}/{table.name}{ENDINGS[self.form]}"])

    def dictionary(self, numbers: Mapping[str, Quantity], large: Sequence[Large]) -> None:
        """Write the dictionary of all tables and numbers, and what is hidden and what is not; raises RunError.

        large: the tables that were written without `put`.
        """
        told: dict[str, Any] = dictionary_of(self._told.values(), numbers, "a data set of captured lookups", large)
        for table, name in zip(told["tables"], self._told, strict=False):
            table["name"], table["files"] = name, self._files[name]
            del table["rows"]
        told["hidden"] = {"protects": list(PROTECTS), "does_not_protect": list(DOES_NOT_PROTECT)}
        write_json(self.out / DICTIONARY, told)
        write_atomic(self.out / DICTIONARY_TEXT, (in_words(told) + _limits()).encode())

    def _tell(self, name: str, table: Table, files: list[str]) -> None:
        """Take a table into the dictionary, with columns that it has in other runs only."""
        known = self._told.setdefault(name, table)
        names = {column.name for column in known.columns}
        more = tuple(column for column in table.columns if column.name not in names)
        self._told[name] = replace(known, columns=known.columns + more)
        self._files[name] = files


def with_hex(table: Table) -> Table:
    """Return a table with IDs in hexadecimal, as lookups and keys of a data set have them."""
    columns = (
        column._replace(values=[row.tobytes().hex() for row in column.values])
        if isinstance(column.values, np.ndarray) and column.values.ndim == 2
        else column
        for column in table.columns
    )
    return replace(table, columns=tuple(columns))


def zipped(table: Table) -> bytes:
    """Return a table as CSV in gzip; the same table gives the same bytes."""
    return gzip.compress(csv_bytes(table), mtime=0)


def _limits() -> str:
    protects = "".join(f"- {line}\n" for line in PROTECTS)
    not_protected = "".join(f"- {line}\n" for line in DOES_NOT_PROTECT)
    return f"\n## What is hidden\n\n{protects}\n## What is not, and from whom\n\n{not_protected}"
