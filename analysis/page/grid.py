"""A table as the page shows it: few rows, numbers in words, an interval in the cell of its number."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from analysis.page.words import cell, said_of
from analysis.table import Column, Table
from analysis.tables import csv_bytes

MOST_LINKED = 256 * 1024
"""Bytes of CSV that a page carries for one table; a larger one is in its file only."""

_IDENTIFIER = 20
"""Text of hexadecimal digits of at least this length is an ID: its beginning is shown, the whole of it on demand."""

_LABEL = re.compile(r"[a-z]+(_[a-z]+)+")
"""Names that the analysis gives; those of strangers, such as clients, have other letters."""


class Cell(NamedTuple):
    """What stands in a cell: text, the interval beside it, and the whole of what is shown in part ("" for no more)."""

    text: str
    bounds: str = ""
    whole: str = ""


class Head(NamedTuple):
    """A column's head: its words, its unit, what it holds, and whether it holds numbers."""

    words: str
    unit: str
    meaning: str
    numeric: bool


class Grid(NamedTuple):
    """A table for the page: heads, rows of cells, and how many rows there are in all."""

    heads: list[Head]
    rows: list[list[Cell]]
    total: int


def grid(table: Table, rows: int = 20, columns: Sequence[str] | None = None) -> Grid:
    """Return the first rows of a table for the page: all columns, or those named, in that order.

    A column's bounds, called as it is with `_low` and `_high` (or these alone for the one before them), stand in its
    cells; a column that says nothing in these rows is left out. Raises KeyError for a column that it has not.
    """
    by_name = {column.name: column for column in table.columns}
    chosen = list(table.columns) if columns is None else [by_name[name] for name in columns]
    bounds = _bounds(table.columns)
    inner = {name for pair in bounds.values() for name in pair}
    shown = [column for column in chosen if column.name not in inner and _says(column, rows)]
    numeric = [_is_numeric(column) for column in shown]
    heads = [
        Head(_words(column.name), _unit(column), column.meaning, is_number)
        for column, is_number in zip(shown, numeric, strict=True)
    ]
    taken = [_cells(column, [by_name[name] for name in bounds.get(column.name, ())], rows) for column in shown]
    return Grid(heads, [list(row) for row in zip(*taken, strict=True)], len(table))


def csv_link(table: Table) -> str:
    """Return a link that holds a table as CSV, "" for one too large to be carried by a page."""
    data = csv_bytes(table)
    return "" if len(data) > MOST_LINKED else f"data:text/csv;base64,{base64.b64encode(data).decode()}"


def _bounds(columns: Sequence[Column]) -> dict[str, tuple[str, str]]:
    """Return the names of the columns of bounds by the column that they bound."""
    names = [column.name for column in columns]
    found = {name: (f"{name}_low", f"{name}_high") for name in names}
    for i, name in enumerate(names[:-2]):
        if names[i + 1 : i + 3] == ["low", "high"]:
            found[name] = ("low", "high")
    return {name: pair for name, pair in found.items() if set(pair) <= set(names)}


def _says(column: Column, rows: int) -> bool:
    if not len(column.values):
        return True
    if isinstance(column.values, list):
        return any(column.values[:rows])
    return column.values.dtype.kind != "f" or not np.isnan(column.values[:rows]).all()


def _is_numeric(column: Column) -> bool:
    return not isinstance(column.values, list) and column.values.ndim == 1 and column.values.dtype != np.bool_


def _words(name: str) -> str:
    """Return a column's name in words: `share_at_least_0_1` is "share at least 0.1", `begin_ns` is "begin"."""
    return re.sub(r"\b(\d+) (?=\d+\b)", r"\1.", re.sub(r"_n?s$", "", name).replace("_", " "))


def printable(text: str) -> str:
    """Return a text of a stranger without letters that would change how those around it are shown."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _unit(column: Column) -> str:
    if column.unit == "ns" or column.name.endswith("_ns"):
        return "UTC"
    # what the cells say themselves, or the name does
    said = column.unit in ("share", "s", "seconds", "bytes", "%") or column.unit in column.name.split("_")
    said = said or (column.unit == "a minute" and column.name.endswith("per_minute"))
    return "" if said else column.unit


def _cells(column: Column, bounds: list[Column], rows: int) -> list[Cell]:
    values: list[Any]
    if isinstance(column.values, list):
        values = column.values[:rows]
    elif column.values.ndim == 2:
        values = [bytes(row).hex() for row in column.values[:rows]]
    else:
        values = column.values[:rows].tolist()
    if bounds:
        low, high = (np.asarray(one.values[:rows], float).tolist() for one in bounds)
        return [_bounded(*triple, column.unit) for triple in zip(values, low, high, strict=True)]
    return [_cell(value, column) for value in values]


def _bounded(value: float, low: float, high: float, unit: str) -> Cell:
    words = said_of(float(value), unit, low, high)
    return Cell("" if value != value else words.value, words.bounds)


def _cell(value: Any, column: Column) -> Cell:
    if isinstance(value, str) and len(value) >= _IDENTIFIER and not set(value) - set("0123456789abcdef"):
        return Cell(f"{value[:12]}…", whole=value)
    if isinstance(value, str):
        return Cell(value.replace("_", " ") if _LABEL.fullmatch(value) else printable(cell(value, name=column.name)))
    return Cell(cell(value, column.unit, column.name))
