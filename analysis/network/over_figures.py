"""Figures of the network over several runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from analysis.network.churn import churn_of
from analysis.page.drawing import Drawing, drawing
from analysis.page.parts import legend_above
from analysis.page.style import SERIES, axes, panels, plain_ticks
from analysis.quantity import made_by
from analysis.table import Column, Table

if TYPE_CHECKING:
    from analysis.network.over import OverNetwork

_LEAST_HOURS = 4
_POINTS = 120


def figures(over: OverNetwork) -> list[Drawing]:
    """Return the figures that the runs have data for."""
    return [one for one in (_days(over), _stays(over)) if one is not None]


def _days(over: OverNetwork) -> Drawing | None:
    overlay = np.array(over.days.column("overlay"))
    hour = np.asarray(over.days.column("hour"))
    shown = [name for name in over.networks if len(np.unique(hour[overlay == name])) >= _LEAST_HOURS]
    if not shown:
        return None
    with panels("hours_of_day", 2, 1, height=1.6, share_x=True) as (figure, grid):
        for ax, name, label in ((grid[0][0], "nodes", "nodes up at once"), (grid[1][0], "lookups", "lookups a minute")):
            for which, colour in zip(shown, SERIES, strict=False):
                at = overlay == which
                mean, least, most = (
                    np.asarray(over.days.column(f"{name}{end}"))[at] for end in ("", "_least", "_most")
                )
                low, high = np.maximum(mean - least, 0), np.maximum(most - mean, 0)
                ax.errorbar(
                    hour[at] + 0.5,
                    mean,
                    (low, high),
                    color=colour,
                    label=which.capitalize(),
                    fmt="o",
                    markersize=3,
                    linewidth=1,
                )
            top = float(np.nanmax(np.append(np.asarray(over.days.column(f"{name}_most")), 0.0)))
            ax.set_ylim(0, 1.12 * top or 1.0)
            ax.set_ylabel(label)
            plain_ticks(ax, "y")
        _by_hour(grid[1][0])
        if len(shown) > 1:
            legend_above(grid[0][0])
        return drawing(
            "hours_of_day",
            "The network by hours of the day",
            "Nodes up at once and users' lookups captured a minute, each window's zone scaled to the whole network: "
            "mean over the windows that hold an hour, bars from the least to the most of them. Nothing is corrected "
            "for what was missed. Windows of different zones differ by more than the hour.",
            figure,
            over.days,
        )


def _by_hour(ax: Axes) -> None:
    ax.set_xlim(0, 24)
    ax.set_xticks(range(0, 25, 4))
    ax.set_xlabel("hour of the day (UTC)")


def _stays(over: OverNetwork) -> Drawing | None:
    """Draw the least and the most of the windows' survival curves, by overlay."""
    told = {name: found for name, found in over.stays.items() if len(found) > 1}
    bands = []
    for name, found in told.items():
        begin, end = max(one.seconds[0] for one in found), min(one.until_s for one in found)
        if begin < end:
            at = np.geomspace(begin, end, _POINTS)
            shares = np.stack([one.at(at)[0] for one in found])
            bands.append((name, at, shares.min(axis=0), shares.max(axis=0)))
    if not bands:
        return None
    with axes("stays_over") as (figure, ax):
        for (name, at, least, most), colour in zip(bands, SERIES, strict=False):
            ax.fill_between(
                at / 60, 100 * least, 100 * most, color=colour, alpha=0.3, linewidth=0.8, label=name.capitalize()
            )
        ax.set(xscale="log", xlabel="minutes", ylabel="% that last longer", ylim=(0, 102))
        plain_ticks(ax, "x")
        legend_above(ax)
        return drawing(
            "stays_over",
            "How long nodes stay, over all windows",
            "The least and the most of the windows' estimates by Kaplan and Meier at each length, as far as all of "
            "them reach, of stays that last long enough to be surely seen.",
            figure,
            Table(
                "stays_over",
                "How long nodes stay, over all windows",
                "one length of a stay, and the share of stays that last longer, over the windows of one network",
                made_by(churn_of),
                ("targets", "crawls"),
                (
                    Column("overlay", [name for name, at, _, _ in bands for _ in at], "", "the network"),
                    Column("length_s", np.concatenate([at for _, at, _, _ in bands]), "s", "length of a stay"),
                    Column("least", np.concatenate([band[2] for band in bands]), "share", "least of the windows"),
                    Column("most", np.concatenate([band[3] for band in bands]), "share", "most of the windows"),
                ),
            ),
        )
