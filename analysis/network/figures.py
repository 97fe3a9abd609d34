"""Figures of the network in one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.network.clients import askers_of
from analysis.network.days import LEAST_S
from analysis.network.hours import HOUR_NS
from analysis.page.drawing import Drawing, drawing
from analysis.page.parts import Clock, broken, legend_above
from analysis.page.style import INK, MUTED, SERIES, axes, plain_ticks
from analysis.quantity import made_by
from analysis.table import Column, Table

if TYPE_CHECKING:
    from analysis.result import Analysis

TOP_CLIENTS = 8
MOST_CRAWLS = 500
_LEAST_HOURS = 3


def figures(analysis: Analysis) -> list[Drawing]:
    """Return the figures that the run has data for."""
    drawn = [draw(analysis) for draw in (_population, _stays, _flows, _targets, _crawls, _clients)]
    return [one for one in drawn if one is not None]


def _population(analysis: Analysis) -> Drawing | None:
    people = analysis.network.population
    if not len(people.time_ns):
        return None
    with axes("population") as (figure, ax):
        clock = Clock(analysis.run)
        times = clock(people.time_ns)
        told = ~np.isnan(people.nodes)
        if told.any():
            ax.fill_between(times, people.low, people.high, color=SERIES[0], alpha=0.25, linewidth=0)
            ax.plot(times, people.nodes, color=SERIES[0], label="up, by capture-recapture")
        ax.plot(times, people.answered, color=MUTED, linewidth=0.8, linestyle=(0, (3, 2)), label="answered")
        for begin, end in analysis.run.gaps:
            ax.axvspan(*clock(np.array([begin, end])), color=MUTED, alpha=0.25, linewidth=0)
        ax.set_ylim(0, 1.1 * float(np.nanmax(np.append(people.answered, people.high))))
        ax.set_ylabel("nodes of the zone")
        clock.label(ax)
        legend_above(ax)
        return drawing(
            "population",
            "Nodes of the zone over time",
            "Reachable nodes up at once: those that answered a crawl, and what capture-recapture makes of them, with "
            "the bounds of sampling alone. Nodes that no table names are in neither."
            + (" Shaded: the instrument was not running." if analysis.run.gaps else ""),
            figure,
            people.table(),
        )


def _stays(analysis: Analysis) -> Drawing | None:
    churn = analysis.network.churn
    shown = [
        (one, label, colour)
        for one, label, colour in (
            (churn.product, "Kaplan-Meier", SERIES[0]),
            (churn.created, "create-based", SERIES[1]),
        )
        if one is not None and len(one.seconds) > 1
    ]
    if not shown:
        return None
    table = churn.survival()
    length = np.asarray(table.column("length_s"))
    unit, size = next((unit, size) for unit, size in (("hours", 3600), ("minutes", 60), ("seconds", 1))
                      if length[-1] >= 5 * size or size == 1)  # fmt: skip
    with axes("stays") as (figure, ax):
        for one, label, colour in shown:
            share, low, high = 100 * one.at(length)
            ax.fill_between(length / size, low, high, color=colour, alpha=0.2, linewidth=0)
            ax.plot(length / size, share, color=colour, label=label)
        ax.set(xscale="log", xlabel=f"length of a stay, {unit}", ylabel="% that last longer", ylim=(0, 102))
        plain_ticks(ax, "x")
        legend_above(ax)
        return drawing(
            "stays",
            "How long nodes stay",
            "Share of stays that last longer, of those that began in the window and last long enough to be surely "
            "seen, by two methods with 95 % bounds at each length. The create-based method reaches half of the window; "
            "Kaplan and Meier's reaches further and supposes that who came late stays as long as who came early.",
            figure,
            table,
        )


def _flows(analysis: Analysis) -> Drawing | None:
    hours = analysis.network.hours
    told = hours.settled_s >= LEAST_S
    if int(told.sum()) < _LEAST_HOURS:
        return None
    with axes("flows") as (figure, ax):
        clock = Clock(analysis.run)
        middle = clock(hours.begin_ns + HOUR_NS // 2)
        for name, values, colour in (("come", hours.came, SERIES[0]), ("leave", hours.left, SERIES[1])):
            rate = np.where(told, values * 60 / np.where(told, hours.settled_s, 1.0), np.nan)
            ax.plot(middle, rate, color=colour, label=name, marker="o", markersize=3, linewidth=1)
        ax.set_ylim(bottom=0)
        ax.set_ylabel("nodes a minute")
        clock.label(ax)
        legend_above(ax)
        return drawing(
            "flows",
            "Nodes that come and leave",
            "Nodes found and nodes given up a minute, by hours of the clock, while all nodes were known; leaving is "
            "put back by the time that crawls take to notice. Brief stays, which crawls miss in part, are in it.",
            figure,
            hours.table(),
        )


def _targets(analysis: Analysis) -> Drawing | None:
    targets = analysis.network.targets
    if not targets.found.any():
        return None
    with axes("targets") as (figure, ax):
        clock = Clock(analysis.run)
        times = clock(targets.time_ns)
        for label, values, colour in (
            ("found", targets.found, MUTED),
            ("monitor accepted", targets.accepted, SERIES[0]),
            ("monitor visible", targets.visible, SERIES[2]),
        ):
            ax.plot(times, np.where(targets.running, values, np.nan), color=colour, label=label)
        ax.set_ylim(bottom=0)
        ax.set_ylabel("nodes of the zone")
        clock.label(ax)
        legend_above(ax)
        return drawing(
            "targets",
            "Nodes and their monitors",
            "Nodes of the zone that the crawler knows, those that took their monitor in, and those seen to hand it "
            "out. In the gap between the top and the bottom line lookups can be missed. Nodes just gone are counted "
            "until crawls have missed them twice.",
            figure,
            targets.table(),
        )


def _crawls(analysis: Analysis) -> Drawing | None:
    table = analysis.network.crawls
    there = np.flatnonzero(np.asarray(table.column("estimate")) > 0)
    every = -(-len(there) // MOST_CRAWLS)
    shown = there[::every] if len(there) else there
    if not len(shown):
        return None
    names = ("end_ns", "completeness", "completeness_low", "completeness_high")
    columns = {name: np.asarray(table.column(name))[shown] for name in names}
    with axes("crawls") as (figure, ax):
        share, low, high = (broken(columns["end_ns"], 100 * columns[name]) for name in names[1:])
        clock = Clock(analysis.run)
        times = clock(share[0])
        ax.fill_between(times, low[1], high[1], color=SERIES[0], alpha=0.25, linewidth=0, label="sampling interval")
        few = len(shown) < 30
        ax.plot(
            times,
            share[1],
            color=SERIES[0],
            label="completeness, upper bound",
            linewidth=1.5 if few else 0.8,
            marker="o" * few,
            markersize=3,
        )
        # room above 100 for the markers, and never so near that thousandths look like a fall
        ax.set_ylim(min(90.0, float(np.nanmin(low[1])) - 1), 100.5)
        ax.set_ylabel("% of listed nodes")
        clock.label(ax)
        legend_above(ax)
        return drawing(
            "crawls",
            "Completeness of the crawls",
            "What share of the zone's established nodes, those that others list, each crawl found, estimated by "
            "capture-recapture. It is an upper bound: nodes that no table names yet are not in it. The interval is "
            "that of sampling alone and says nothing of this bias, so that under churn the truth lies below it."
            + (f" One crawl in {every} is shown." if every > 1 else ""),
            figure,
            Table(
                "crawls_shown",
                "Completeness of the crawls",
                "one crawl",
                table.function,
                table.inputs,
                tuple(
                    Column(one.name, columns[one.name], one.unit, one.meaning)
                    for one in table.columns
                    if one.name in names
                ),
            ),
        )


def _clients(analysis: Analysis) -> Drawing | None:
    network = analysis.network
    asked = [client for client in network.askers.clients if client.lookups]
    # People's requests: too few of them are shown to nobody.
    clients = [client for client in asked if client.requesters >= analysis.given.least_people]
    if not clients or not network.tells_clients:
        return None
    shown = [(client.name, client.share) for client in clients[:TOP_CLIENTS]]
    rest = len(asked) - len(shown)
    if rest:
        shown.append((f"others ({rest})", 1 - sum(share for _, share in shown)))
    names, shares = [name for name, _ in shown], np.array([share for _, share in shown])
    with axes("clients", height=0.4 + 0.1 * max(4, len(shown))) as (figure, ax):
        places = np.arange(len(shown))[::-1]
        bars = ax.barh(places, 100 * shares, color=SERIES[0], height=0.66)
        ax.bar_label(bars, [f"{100 * share:.1f} %" for share in shares], padding=4, color=INK, fontsize=8)
        ax.set_yticks(places, names)
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False, axis="y")
        ax.set(xmargin=0.18, ylim=(min(0, len(shown) - 4) - 0.6, len(shown) - 0.4))
        ax.set_xlabel("% of lookups")
        return drawing(
            "clients",
            "Clients that ask",
            "Shares of lookups by the version that queries carry. Some clients send none, and it can be forged.",
            figure,
            Table(
                "clients_shown",
                "Clients that ask",
                "one client, or all others together",
                made_by(askers_of),
                ("lookups",),
                (
                    Column("client", names, "", "its name"),
                    Column("share", shares, "share", "of users' lookups"),
                ),
            ),
        )
