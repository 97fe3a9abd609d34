"""The figures of imbalance over several runs."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from analysis.imbalance.runs import Row, envelope_table, runs_table
from analysis.load import NANOS
from analysis.page.drawing import Drawing, drawing
from analysis.page.parts import legend_above
from analysis.page.style import MUTED, SERIES, axes

MOST_RUNS = 30
"""Of more runs the table tells; a figure of as many lines could not be read."""


def figures_of(overlay: str, rows: list[Row]) -> list[Drawing]:
    """Return the figures of the runs of one overlay; none of a single run."""
    if len(rows) < 2:
        return []
    drawn = [_envelope(overlay, rows)]
    return [*drawn, _ginis(overlay, rows)] if len(rows) <= MOST_RUNS else drawn


def _envelope(overlay: str, rows: list[Row]) -> Drawing:
    table = envelope_table(overlay, rows)
    x, low, high, low_hashing, high_hashing = (100 * np.asarray(column.values) for column in table.columns)
    with axes(f"imbalance_envelope_{overlay}", height=1.15) as (figure, ax):
        ax.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="equality")
        ax.fill_between(x, low_hashing, high_hashing, color=SERIES[1], alpha=0.45, label="hashing and chance")
        ax.fill_between(x, low, high, color=SERIES[0], alpha=0.45, label="captured")
        for line, colour in ((low, SERIES[0]), (high, SERIES[0]), (low_hashing, SERIES[1]), (high_hashing, SERIES[1])):
            ax.plot(x, line, color=colour, linewidth=0.8)
        ax.set(xlim=(0, 100), ylim=(0, 100), xlabel="% of nodes, least loaded first", ylabel="% of the load")
        ax.legend(loc="upper left")
        return drawing(
            f"imbalance_envelope_{overlay}",
            f"Load of the nodes over {len(rows)} runs of {overlay.capitalize()}",
            "Min-max envelopes of the Lorenz curves of the runs: the captured load, and what hashing and chance alone "
            "would give.",
            figure,
            table,
        )


def _ginis(overlay: str, rows: list[Row]) -> Drawing:
    shown = ("nodes_gini", "nodes_hashing_gini")
    with axes(f"imbalance_ginis_{overlay}", height=0.6 + 0.12 * max(4, len(rows))) as (figure, ax):
        places = np.arange(len(rows))[::-1]
        for name, label, colour, marker, shift in (
            ("nodes_gini", "lookups", SERIES[0], "o", 0.15),
            ("nodes_hashing_gini", "hashing and chance", SERIES[1], "s", -0.15),
        ):
            values = np.array([row.values[name] for row in rows])
            ax.plot(values[:, 0], places + shift, marker, color=colour, markersize=4, label=label)
            ax.hlines(places + shift, values[:, 1], values[:, 2], color=colour, linewidth=1.2)
        ax.set_yticks(places, [f"{row.zone}  {_when(row.start_ns)}" for row in rows])
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False, axis="y")
        ax.set_ylim(-0.7, len(rows) - 0.3)
        ax.margins(x=0.08)
        ax.set_xlabel("Gini coefficient of the nodes' load")
        legend_above(ax)
        table = runs_table(rows)
        kept = tuple(c for c in table.columns if c.name in ("zone", "start_ns") or c.name.startswith(shown))
        return drawing(
            f"imbalance_ginis_{overlay}",
            f"Gini coefficients of runs of {overlay.capitalize()}",
            "How unevenly lookups fell on the nodes of each run, and how unevenly hashing and chance alone would have "
            "spread them; lines are 95 % intervals, where one is known. Runs by zone, month, day and hour (UTC).",
            figure,
            type(table)(f"imbalance_ginis_{overlay}", table.title, table.meaning, table.function, table.inputs, kept),
        )


def _when(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // NANOS, UTC):%m-%d %Hh}"
