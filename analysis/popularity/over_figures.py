"""Figures of popularity over windows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.load import NANOS
from analysis.page.drawing import Drawing, drawing
from analysis.page.style import INK, MUTED, SERIES, axes
from analysis.popularity.change import CHANGES, LEAST_CHANGE
from analysis.popularity.over_tables import changes_table, stability_table
from analysis.popularity.pairs import PEOPLE
from analysis.table import Table

if TYPE_CHECKING:
    from analysis.popularity.over import Compared

MOST_BARS = 12
"""Pairs of windows in a figure of changes, the latest of each network."""

_COLOURS = dict(zip(CHANGES, (SERIES[2], SERIES[0], SERIES[1], SERIES[3]), strict=True))
_MARKERS = "osD^v"


def stability_figures(rows: Sequence[Compared]) -> list[Drawing]:
    """Draw how much the lists of two windows have in common; one for each network.

    By how far they are apart; by zone where all are as far.
    """
    drawn = []
    told = sorted((row for row in rows if row.stability.keys), key=_in_order)
    for (overlay, measure), group in groupby(told, key=lambda row: (row.overlay, row.measure)):
        pairs = list(group)
        name = f"stability_{overlay}_{measure}"
        apart = {round(pair.hours_apart, 1) for pair in pairs}
        by_zone = len(apart) == 1 and len({pair.zone for pair in pairs}) == len(pairs)
        with axes(name, height=0.5 + 0.12 * max(3, len(pairs)) if by_zone else 1.0) as (figure, ax):
            if by_zone:
                _stable_by_zone(figure, ax, pairs)
            else:
                _stable_by_time(ax, pairs)
            lengths = sorted({pair.stability.keys for pair in pairs})
            distance = f", {apart.pop():g} hours apart" if by_zone else ""
            drawn.append(
                drawing(
                    name,
                    f"Do the keys with most {measure} stay so?",
                    f"Lists of the {' or '.join(map(str, lengths))} keys with most {measure} in two windows of a zone "
                    f"of {overlay.capitalize()}{distance}: what share is in both. Bars are what chance alone leaves in "
                    "95 of 100 cases if no key's popularity had changed; points short of them are real change.",
                    figure,
                    _named(stability_table(pairs), name),
                )
            )
    return drawn


def _stable_by_zone(figure: Figure, ax: Axes, pairs: Sequence[Compared]) -> None:
    """Draw one row for each zone: what its two lists share, on the range of chance."""
    places = np.arange(len(pairs))[::-1]
    mean, low, high = 100 * np.array([pair.stability.chance[0] for pair in pairs]).T
    unchanged = "if nothing had changed"
    ax.errorbar(mean, places, xerr=(mean - low, high - mean), fmt="|", color=MUTED, label=unchanged, linewidth=3)
    found = [100 * pair.stability.found[0] for pair in pairs]
    ax.plot(found, places, _MARKERS[0], color=SERIES[0], label="found", markersize=5)
    ax.set_yticks(places, [f"zone {pair.zone}" for pair in pairs])
    ax.tick_params(axis="y", length=0)
    ax.set(xlim=(0, 104), xlabel="% of keys in both lists", ylim=(-0.6, len(pairs) - 0.4))
    figure.legend(loc="outside upper left", ncols=2, borderaxespad=0.2, handlelength=1.4)


def _stable_by_time(ax: Axes, pairs: Sequence[Compared]) -> None:
    """Draw what lists share by how far they are apart, zones by their colours."""
    hours = np.array([pair.hours_apart for pair in pairs])
    mean, low, high = 100 * np.array([pair.stability.chance[0] for pair in pairs]).T
    unchanged = "if nothing had changed"
    ax.errorbar(hours, mean, (mean - low, high - mean), fmt="_", color=MUTED, label=unchanged, linewidth=1.3)
    found = np.array([100 * pair.stability.found[0] for pair in pairs])
    for at, zone in enumerate(sorted({pair.zone for pair in pairs})):
        mine = np.array([pair.zone == zone for pair in pairs])
        marker, colour = _MARKERS[at % len(_MARKERS)], SERIES[at % len(SERIES)]
        ax.plot(hours[mine], found[mine], marker, color=colour, label=f"zone {zone}", markersize=5)
    ax.set(xlabel="hours from window to window", ylabel="% of keys in both lists", ylim=(0, 104))
    ax.set_xlim(left=0, right=1.08 * max(1.0, hours.max()))
    ax.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 3, 6, 10], integer=True))
    ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderaxespad=0.2, handlelength=1.4)


def change_figures(rows: Sequence[Compared]) -> list[Drawing]:
    """Draw how many keys came, rose, fell and went from window to window; one for each network."""
    drawn = []
    told = sorted((row for row in rows if row.next_to and row.keys), key=_in_order)
    for (overlay, measure), group in groupby(told, key=lambda row: (row.overlay, row.measure)):
        pairs = sorted(group, key=lambda row: row.second.start_ns)[-MOST_BARS:]
        name = f"changes_{overlay}_{measure}"
        with axes(name, height=0.5 + 0.12 * max(3, len(pairs))) as (figure, ax):
            places = np.arange(len(pairs))[::-1]
            for direction, kinds in ((1, ("rising", "new")), (-1, ("dying", "gone"))):
                base = np.zeros(len(pairs))
                for kind in kinds:
                    share = direction * np.array([100 * pair.changes[kind] / pair.keys for pair in pairs])
                    ax.barh(places, share, left=base, color=_COLOURS[kind], height=0.62, label=kind)
                    base += share
            ax.axvline(0, color=INK, linewidth=0.8)
            ax.set_yticks(places, [_said(pair) for pair in pairs])
            ax.tick_params(axis="y", length=0)
            ax.grid(visible=False, axis="y")
            reach = max(1.0, *(abs(edge) for edge in ax.get_xlim()))
            ax.set(xlim=(-reach, reach), xlabel="% of keys compared", ylim=(-0.6, len(pairs) - 0.4))
            ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
            figure.legend(loc="outside upper left", ncols=4, borderaxespad=0.2, handlelength=1.0, columnspacing=1.2)
            drawn.append(
                drawing(
                    name,
                    f"Keys whose {measure} changed from window to window",
                    f"Share of keys of {overlay.capitalize()} that were asked for more (right) or less (left) than in "
                    f"the window before, by a factor of {LEAST_CHANGE:g} or more and beyond chance; each bar is the "
                    "later window.",
                    figure,
                    _named(changes_table(pairs), name),
                )
            )
    return drawn


def _in_order(row: Compared) -> tuple[str, int]:
    return row.overlay, list(PEOPLE).index(row.measure)


def _said(pair: Compared) -> str:
    start = datetime.fromtimestamp(pair.second.start_ns // NANOS, UTC)
    return f"{pair.zone}, {start:%d %b %H:%M}"


def _named(table: Table, name: str) -> Table:
    return Table(name, table.title, table.meaning, table.function, table.inputs, table.columns, table.people)
