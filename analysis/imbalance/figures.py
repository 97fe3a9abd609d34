"""The figures of the chapter on imbalance."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from analysis.imbalance.caching import COPIES
from analysis.imbalance.ends import MOST_RANK
from analysis.imbalance.estimates import Estimate
from analysis.imbalance.nodes import Curve
from analysis.imbalance.tables import caching_table, ends_table, hottest_table, key_lorenz_table, lorenz_table
from analysis.page.drawing import Drawing, drawing
from analysis.page.parts import legend_above
from analysis.page.style import MUTED, SERIES, axes
from analysis.table import Column, Table

if TYPE_CHECKING:
    from analysis.imbalance.chapter import Imbalance
    from analysis.result import Analysis

FEWEST = 10
"""Of fewer nodes, keys or lookups nothing is drawn: the picture would be chance."""

SHOWN_NODES = 20
STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D")


def figures(analysis: Analysis) -> list[Drawing]:
    """Return the figures that the run has data for."""
    drawn = [draw(analysis.imbalance) for draw in (_nodes, _keys, _ends, _hottest, _caching)]
    return [one for one in drawn if one is not None]


def _nodes(c: Imbalance) -> Drawing | None:
    load = c.nodes
    if np.count_nonzero(load.lookups) < FEWEST:
        return None
    with axes("load", height=1.15) as (figure, ax):
        _equality(ax)
        _line(ax, load.curve_gaps, "gaps between IDs", 2)
        _line(ax, load.curve_hashing, "hashing and chance", 1)
        _line(ax, load.curve, "captured", 0)
        ax.set(xlabel="% of nodes, least loaded first", ylabel="% of the load")
        ax.legend(loc="upper left")
        rates = (
            f" Gini coefficient of the rates behind the load, chance taken out: {_said(load.rates.gini)}."
            if not math.isnan(load.rates.gini.value)
            else ""
        )
        return drawing(
            "load",
            "Load of the nodes",
            f"Lorenz curves of lookups a minute at each node while it was watched. Gini coefficient "
            f"{_said(load.realised.gini)}; if each lookup had been for a random key of its own "
            f"{_said(load.hashing.gini)}; of the parts of the key space that IDs give to nodes "
            f"{_said(load.gaps.gini)}.{rates}",
            figure,
            lorenz_table(load),
        )


def _keys(c: Imbalance) -> Drawing | None:
    load = c.keys
    if load.keys.sum() < FEWEST:
        return None
    with axes("key_load", height=1.15) as (figure, ax):
        _equality(ax)
        _line(ax, load.curve, "captured", 0)
        ax.set(xlabel="% of keys, least popular first", ylabel="% of lookups")
        ax.legend(loc="upper left")
        return drawing(
            "key_load",
            "Lookups of the keys",
            f"Lorenz curve of lookups among keys that were looked up. Gini coefficient {_said(load.realised.gini)}; "
            f"if all keys were alike popular, by chance alone, {_said(load.chance.gini)}. Keys that nobody looked up "
            "are not in it, so it depends on the length of the window.",
            figure,
            key_lorenz_table(load),
        )


def _ends(c: Imbalance) -> Drawing | None:
    ends = c.ends
    if ends.sampled < FEWEST:
        return None
    last = max(int(np.flatnonzero(ends.ranks)[-1]), 9)
    places = np.arange(last + 1)
    with axes("ended_elsewhere") as (figure, ax):
        ax.bar(places, 100 * ends.ranks[: last + 1] / ends.sampled, color=SERIES[0], width=0.72)
        marked = places[:: 1 if last <= 11 else 5]
        ax.set_xticks(marked, [f"{one}+" if one == MOST_RANK else str(one) for one in marked])
        ax.tick_params(axis="x", length=0)
        ax.grid(visible=False, axis="x")
        ax.set(xlabel="attached nodes nearer to the key", ylabel="% of these lookups")
        return drawing(
            "ended_elsewhere",
            "Lookups that ended elsewhere",
            f"Of {ends.sampled:,} lookups inferred to have ended at another node than the nearest attached one: how "
            f"many were nearer. {_said(ends.share, 100)} % of all captured lookups ended elsewhere.",
            figure,
            ends_table(ends),
        )


def _hottest(c: Imbalance) -> Drawing | None:
    hot, table = c.hottest, hottest_table(c.hottest)
    if hot.lookups.sum() < FEWEST or len(c.nodes.name) < FEWEST:
        return None
    shown = min(SHOWN_NODES, len(hot.name))
    with axes("hottest") as (figure, ax):
        places = np.arange(1, shown + 1)
        whole = hot.a_minute[:shown]
        of_top, of_popular = whole * hot.top_key[:shown], whole * hot.popular[:shown]
        others = np.maximum(0.0, of_popular - of_top)
        ax.bar(places, of_top, color=SERIES[0], width=0.72, label="its top key")
        ax.bar(places, others, bottom=of_top, color=SERIES[1], width=0.72, label="other popular keys")
        rest = np.maximum(of_popular, of_top)
        ax.bar(places, whole - rest, bottom=rest, color=MUTED, width=0.72, label="all others")
        ax.set_xticks([one for one in (1, 5, 10, 15, 20) if one <= shown])
        ax.tick_params(axis="x", length=0)
        ax.grid(visible=False, axis="x")
        ax.set(xlabel="nodes, most loaded first", ylabel="lookups a minute")
        legend_above(ax)
        return drawing(
            "hottest",
            "What the most loaded nodes are asked for",
            "Captured lookups a minute at the most loaded nodes: those for the one key that the node is asked for "
            "most, for other keys among the most popular of the zone, and for all others.",
            figure,
            _first(table, shown),
        )


def _caching(c: Imbalance) -> Drawing | None:
    what_if = c.caching
    if len(what_if.keys) < 2 or len(c.nodes.name) < FEWEST:
        return None
    with axes("caching") as (figure, ax):
        places = np.arange(len(COPIES) + 1)
        for keys, colour, style, marker in zip(
            np.unique(what_if.keys[1:]).tolist(), SERIES, STYLES, MARKERS, strict=False
        ):
            left = np.append(1.0, what_if.was_hottest_left[what_if.keys == keys])
            label = "top key" if keys == 1 else f"top {keys:,}"
            ax.plot(places, 100 * left, color=colour, linestyle=style, marker=marker, markersize=3.5, label=label)
        ax.set_xticks(places, ["none", *map(str, COPIES)])
        ax.set_ylim(0, 105 * max(1.0, float(what_if.was_hottest_left.max())))
        ax.set(xlabel="nodes that share each cached key", ylabel="% of load left")
        legend_above(ax)
        return drawing(
            "caching",
            "What caching near popular keys would leave",
            "Load left at the 1 % of nodes that are most loaded now, if the lookups for the most popular keys were "
            "shared evenly by the nodes nearest to each; a real scheme would share less evenly. More than 100 % is "
            "left where lookups for a key ended at more nodes before than would share it.",
            figure,
            caching_table(what_if),
        )


def _equality(ax: Axes) -> None:
    ax.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="equality")
    ax.set(xlim=(0, 100), ylim=(0, 100))


def _line(ax: Axes, points: Curve, label: str, series: int) -> None:
    x, y = points
    ax.plot(100 * x, 100 * y, color=SERIES[series], linestyle=STYLES[series], label=label)


def _said(estimate: Estimate, factor: float = 1.0) -> str:
    digits = 2 if factor == 1.0 else 1
    if math.isnan(estimate.value):
        return "not told"
    value = f"{factor * estimate.value:.{digits}f}"
    if math.isnan(estimate.low):
        return value
    return f"{value} ({factor * estimate.low:.{digits}f} to {factor * estimate.high:.{digits}f})"


def _first(table: Table, rows: int) -> Table:
    return replace(table, columns=tuple(Column(c.name, c.values[:rows], c.unit, c.meaning) for c in table.columns))
