"""Tables of results for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table


def grid(rows: Sequence[tuple[str, str]]) -> Table:
    """Return names and values side by side."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in rows:
        table.add_row(name, value)
    return table


def misses_table(rows: Sequence[tuple[str, ...]]) -> Table | str:
    """Return a table whose first row is its header; a line where nothing follows it."""
    header, *body = rows
    if not body:
        return "Nothing was missed."
    table = Table(*header, box=None, pad_edge=False, title="Why lookups were missed", title_justify="left")
    for row in body:
        table.add_row(*row)
    return table
