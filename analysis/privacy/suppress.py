"""Small counts: rows that are about fewer than k people are left out, and it is said how many."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.table import Column, Table


def suppress(table: Table, k: int) -> Table:
    """Return a table without the rows whose `people` are fewer than k; its meaning says how many were left out.

    A table without a column of people is returned as it is; k = 1 leaves out rows about nobody only. What is hidden is
    which key, client or place such a row was about. That there are such rows, and by other tables' totals how much they
    come to, is told. Raises KeyError for a table that names no column of its own.
    """
    if not table.people:
        return table
    keep = np.asarray(table.column(table.people)) >= k
    left_out = int(len(keep) - keep.sum())
    if not left_out:
        return table
    columns = tuple(column._replace(values=_kept(column, keep)) for column in table.columns)
    rows = "row" if left_out == 1 else "rows"
    said = f"{_ended(table.meaning)} {left_out:,} {rows} of fewer than {k} {table.people.replace('_', ' ')} left out."
    return replace(table, columns=columns, meaning=said.strip())


def _ended(meaning: str) -> str:
    return f"{meaning.rstrip('.')}." if meaning else ""


def _kept(column: Column, keep: NDArray[np.bool_]) -> list[str] | NDArray[Any]:
    if isinstance(column.values, list):
        return [value for value, kept in zip(column.values, keep.tolist(), strict=True) if kept]
    values: NDArray[Any] = column.values[keep]
    return values
