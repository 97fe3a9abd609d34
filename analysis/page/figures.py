"""The figures of an analysis: each an SVG document with the words that go with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from analysis.imbalance.load import curve
from analysis.page.parts import Clock, broken, in_hours, legend_above, listed, log_log, width
from analysis.page.style import INK, MUTED, SERIES, axes, inline, number, svg
from analysis.result import Analysis
from analysis.traffic.copies import MOST
from analysis.traffic.publishers import LEAST_WATCHED, Publishers
from analysis.traffic.rates import ccdf, key_rates

TOP_CLIENTS = 8
RATE_BINS = 60
MOST_CRAWLS = 500


@dataclass(frozen=True, slots=True)
class FigureText:
    """A figure: its file name without ending, heading, caption in plain words, SVG document."""

    name: str
    title: str
    caption: str
    document: str

    def element(self, prefix: str) -> str:
        """Return the SVG as an element of a page; `prefix` keeps its IDs apart from those of other runs' figures."""
        return inline(self.document, f"{prefix}-{self.name}", self.title)


def figures(analysis: Analysis) -> list[FigureText]:
    """Return the figures that the run has data for."""
    draws = (_rates, _key_rates, _targets, _crawls, _copies, _ranks, _load, _clients, _publish_rates)
    drawn = [draw(analysis) for draw in draws]
    return [figure for figure in drawn if figure is not None]


def _rates(analysis: Analysis) -> FigureText | None:
    series = analysis.series.coarser(RATE_BINS)
    names = ["searches", "publishes"] if analysis.tells_publishes else ["lookups", "announces"]
    coloured = zip((*names, "node_lookups"), SERIES, strict=True)
    shown = [(name, colour) for name, colour in coloured if series.column(name).any()]
    if not shown:
        return None
    with axes("rates") as (figure, ax):
        clock = Clock(analysis.run)
        edges = clock(np.append(series.begin_ns, analysis.run.end_ns))
        for name, colour in shown:
            label = name.replace("_", " ")
            ax.stairs(series.a_minute(name), edges, baseline=None, color=colour, label=label, linewidth=1.3)
        ax.set_ylim(bottom=0)
        ax.set_ylabel("a minute")
        clock.label(ax)
        legend_above(ax)
        return FigureText(
            "rates",
            "Lookups over time",
            f"Users' {listed([name for name, _ in shown])} captured a minute, uncorrected for those missed, in steps "
            f"of {width(series.width_s)}. It rises first because monitors are attached one after the other; where the "
            "line is missing, the instrument was not running.",
            svg(figure),
        )


def _key_rates(analysis: Analysis) -> FigureText | None:
    keys = analysis.keys
    if analysis.tells_publishes:
        kinds = [("searches", keys.searches, SERIES[0]), ("publishes", keys.publishes, SERIES[1])]
    else:
        kinds = [("lookups", keys.lookups, SERIES[0]), ("announces", keys.announces, SERIES[1])]
    kinds.append(("node lookups", keys.node_lookups, SERIES[2]))
    if not analysis.lookups:
        return None
    with axes("key_rates") as (figure, ax):
        for label, counts, colour in kinds:
            x, share = ccdf(key_rates(counts, analysis.run.running_seconds))
            if len(x):
                ax.plot(x, share, color=colour, label=label, marker="o", markersize=2.5)
        log_log(ax)
        legend_above(ax)
        return FigureText(
            "key_rates",
            "How often keys are looked up",
            "Share of keys seen that are asked for at least so often (CCDF), both axes logarithmic: captured lookups "
            "over the whole running time. A straight fall to the right means that few keys draw most of the lookups.",
            svg(figure),
        )


def _publish_rates(analysis: Analysis) -> FigureText | None:
    """Draw the rates at which keys are published, and what number of publishers that is (paper, figure 5)."""
    found = analysis.publishers
    x, share = ccdf(key_rates(analysis.keys.publishes, analysis.run.running_seconds))
    if not len(x) or not found.intervals_s:
        return None
    with axes("publish_rates", height=1.15) as (figure, ax):
        ax.plot(x, share, color=SERIES[1], marker="o", markersize=2.5)
        log_log(ax)
        ax.set_xlabel("publishes of the key a minute, at least")
        # A decade may hold no power of ten, so a narrow range is marked more often.
        marks = (1.0,) if x[-1] > 30 * x[0] else (1.0, 2.0, 5.0)
        told = _publishers_above(ax, found)
        for axis in (ax, *ax.child_axes):
            axis.xaxis.set_major_locator(LogLocator(subs=marks, numticks=8))
            axis.xaxis.set_minor_locator(NullLocator())
            axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        return FigureText(
            "publish_rates",
            "How often keys are published, and by how many" if told else "How often keys are published",
            "Share of published keys that are published at least so often (CCDF), both axes logarithmic. "
            + (told or "This window is too short to tell from that how many nodes publish a key."),
            svg(figure),
        )


def _publishers_above(ax: Axes, found: Publishers) -> str:
    """Draw an axis that turns rates into publishers of the most frequent sort of key; returns what it shows.

    Nothing, and "", where too little of the interval was watched to tell.
    """
    captured = 1.0 if found.capture is None else found.capture.share
    name, interval_s = min(found.intervals_s.items(), key=lambda item: item[1])
    if found.watched[name] < LEAST_WATCHED:
        return ""
    factor = interval_s / 60 / captured
    turned = (lambda rate: np.multiply(rate, factor), lambda count: np.divide(count, factor))
    above = ax.secondary_xaxis("top", functions=turned)
    above.set_xlabel(f"publishing nodes, if it is a {name} (every {in_hours(interval_s)})")
    others = [
        f"for a {other} {seconds / interval_s:.3g} times as many, being published every {in_hours(seconds)}"
        for other, seconds in found.intervals_s.items()
        if other != name and found.watched[other] >= LEAST_WATCHED
    ]
    corrected = "" if found.capture is None else ", corrected by the share captured"
    rest = "; " + "; ".join(others) + ". Which keys are which is not in the rate." if others else "."
    return (
        f"The upper axis turns rates into nodes that publish the key at a time{corrected}: rate times republish "
        f"interval{rest}"
    )


def _targets(analysis: Analysis) -> FigureText | None:
    targets = analysis.targets
    if not targets.found.any():
        return None
    with axes("targets") as (figure, ax):
        clock = Clock(analysis.run)
        times = clock(targets.time_ns)
        running = analysis.series.running_s > 0
        for label, values, colour in (
            ("found", targets.found, MUTED),
            ("monitor accepted", targets.accepted, SERIES[0]),
            ("monitor visible", targets.visible, SERIES[2]),
        ):
            ax.plot(times, np.where(running, values, np.nan), color=colour, label=label)
        ax.set_ylim(bottom=0)
        ax.set_ylabel("nodes of the zone")
        clock.label(ax)
        legend_above(ax)
        return FigureText(
            "targets",
            "Nodes and their monitors",
            "Nodes of the zone that the crawler knows, those that took their monitor in, and those seen to hand it "
            "out. In the gap between the top and the bottom line lookups can be missed.",
            svg(figure),
        )


def _crawls(analysis: Analysis) -> FigureText | None:
    estimated = [crawl for crawl in analysis.run.crawls if crawl.estimate > 0]
    every = -(-len(estimated) // MOST_CRAWLS)
    crawls = estimated[::every] if estimated else []
    if not crawls:
        return None
    with axes("crawls") as (figure, ax):
        ends = np.array([crawl.end_ns for crawl in crawls], np.int64)
        share, low, high = (
            broken(ends, np.array([100 * getattr(crawl, name) for crawl in crawls]))
            for name in ("completeness", "completeness_low", "completeness_high")
        )
        clock = Clock(analysis.run)
        times = clock(share[0])
        ax.fill_between(times, low[1], high[1], color=SERIES[0], alpha=0.25, linewidth=0, label="sampling interval")
        few = len(crawls) < 30
        ax.plot(
            times,
            share[1],
            color=SERIES[0],
            label="completeness, upper bound",
            linewidth=1.5 if few else 0.8,
            marker="o" * few,
        )
        # room above 100 for the markers, and never so near that thousandths look like a fall
        ax.set_ylim(min(90.0, float(np.nanmin(low[1])) - 1), 100.5)
        ax.set_ylabel("% of listed nodes")
        clock.label(ax)
        legend_above(ax)
        return FigureText(
            "crawls",
            "Completeness of the crawls",
            "What share of the zone's established nodes, those that others list, each crawl found, estimated by "
            "capture-recapture. It is an upper bound: nodes that no table names yet are not in it. The interval is "
            "that of sampling alone and says nothing of this bias, so that under churn the truth lies below it."
            + (f" One crawl in {every} is shown." if every > 1 else ""),
            svg(figure),
        )


def _copies(analysis: Analysis) -> FigureText | None:
    text = (
        "By how many monitors a lookup was heard. One is enough to capture it; where only one heard it, its "
        "destination is less sure."
    )
    return _distribution("copies", "Monitors that heard a lookup", "monitors", analysis.copies.copies, 1, text)


def _ranks(analysis: Analysis) -> FigureText | None:
    text = (
        "How many attached nodes were nearer to the key than the lookup's destination. 0: the lookup ended at the "
        "nearest node, as it should."
    )
    return _distribution("ranks", "Rank of the destination", "nearer nodes", analysis.copies.ranks, 0, text)


def _distribution(
    name: str, title: str, label: str, counts: NDArray[np.int64], first: int, caption: str
) -> FigureText | None:
    total = int(counts.sum())
    if not total:
        return None
    last = max(int(np.flatnonzero(counts)[-1]), first + 9)
    with axes(name) as (figure, ax):
        places = np.arange(first, last + 1)
        ax.bar(places, 100 * counts[first : last + 1] / total, color=SERIES[0], width=0.72)
        marked = places[:: 1 if len(places) <= 12 else 5]
        ax.set_xticks(marked, [f"{place}+" if place == MOST else str(place) for place in marked])
        ax.tick_params(axis="x", length=0)
        ax.grid(visible=False, axis="x")
        ax.set_xlabel(label)
        ax.set_ylabel("% of lookups")
        return FigureText(name, title, caption, svg(figure))


def _load(analysis: Analysis) -> FigureText | None:
    load = analysis.load
    x, y = curve(load.rate)
    if not len(x):
        return None
    with axes("load") as (figure, ax):
        ax.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="equality")
        by_hashing = curve(load.expected)
        ax.plot(100 * by_hashing[0], 100 * by_hashing[1], color=SERIES[1], label="hashing alone")
        ax.plot(100 * x, 100 * y, color=SERIES[0], label="measured")
        ax.set(xlim=(0, 100), ylim=(0, 100), xlabel="% of nodes, least loaded first", ylabel="% of summed rates")
        ax.legend(loc="upper left")
        return FigureText(
            "load",
            "Load of the nodes",
            f"Lorenz curve of the rates at which lookups ended at each node while it was attached. Gini coefficient "
            f"{load.gini:.2f}; if the same lookups had been for keys of their own, so spread over the same nodes by "
            f"hashing and chance alone, {load.expected_gini:.2f}.",
            svg(figure),
        )


def _clients(analysis: Analysis) -> FigureText | None:
    clients = [client for client in analysis.clients if client.lookups]
    if not clients or not analysis.tells_clients:
        return None
    shown = [(client.name, client.share) for client in clients[:TOP_CLIENTS]]
    if len(clients) > TOP_CLIENTS:
        shown.append((f"{len(clients) - TOP_CLIENTS} others", sum(client.share for client in clients[TOP_CLIENTS:])))
    with axes("clients", height=0.35 + 0.09 * max(4, len(shown))) as (figure, ax):
        places = np.arange(len(shown))[::-1]
        bars = ax.barh(places, [100 * share for _, share in shown], color=SERIES[0], height=0.66)
        ax.bar_label(bars, [f"{100 * share:.1f} %" for _, share in shown], padding=4, color=INK, fontsize=9)
        ax.set_yticks(places, [name for name, _ in shown])
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False, axis="y")
        ax.set(xmargin=0.14, ylim=(min(0, len(shown) - 4) - 0.6, len(shown) - 0.4))
        ax.set_xlabel("% of lookups")
        return FigureText(
            "clients",
            "Clients",
            "Shares of lookups by the version that queries carry. Some clients send none, and it can be forged.",
            svg(figure),
        )
