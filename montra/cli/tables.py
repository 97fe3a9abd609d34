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


def headed(rows: Sequence[tuple[str, ...]], title: str | None = None) -> Table:
    """Return rows as a table, of which the first is its header."""
    header, *body = rows
    table = Table(*header, box=None, pad_edge=False, title=title, title_justify="left")
    for row in body:
        table.add_row(*row)
    return table


def misses_table(rows: Sequence[tuple[str, ...]]) -> Table | str:
    """Return the causes of misses as a table, a line where only the header is there."""
    return headed(rows, "Why lookups were missed") if len(rows) > 1 else "Nothing was missed."
