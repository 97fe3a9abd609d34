"""Figures of the traffic of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from numpy.typing import NDArray

from analysis.load import Run
from analysis.page.drawing import Drawing, drawing
from analysis.page.parts import Clock, legend_above, listed, width
from analysis.page.style import GRID, MUTED, SERIES, axes
from analysis.table import Table
from analysis.traffic.balance import LINE_X, told_balances
from analysis.traffic.copies import MOST
from analysis.traffic.curves import STYLES, log_log, lone, publishers_above, shown_points
from analysis.traffic.intervals import share_bounds
from analysis.traffic.key_rates import ALL, KeyRates, told_sorts
from analysis.traffic.overall import Band
from analysis.traffic.series import Series
from analysis.traffic.tables import balance_curves, copies_table, key_rates_table, ranks_table, rates_table

if TYPE_CHECKING:
    from analysis.result import Analysis
    from analysis.traffic.chapter import Traffic

RATE_BINS = 60
PARTLY = 0.9
"""Times in which less of the nodes' time was monitored are shaded."""
_DONE = {"lookup": "looked up", "search": "searched", "publish": "published", "announce": "announced to"}
_MANY = {"file": "files", "keyword": "keywords", "info_hash": "info-hashes", "unknown": "keys of unknown sort"}


def figures(analysis: Analysis) -> list[Drawing]:
    """Return the figures that the run has data for."""
    traffic = analysis.traffic
    drawn = [
        _rates(traffic, analysis.run),
        _key_rates(traffic),
        *(_publish_rates(traffic, sort) for sort in _told_sorts(traffic)),
        _balance(traffic),
        _copies(traffic),
        _ranks(traffic),
    ]
    return [one for one in drawn if one is not None]


def _rates(traffic: Traffic, run: Run) -> Drawing | None:
    """Draw what there was a minute: captured as lines, bounds as bands, gaps and partly monitored times shaded."""
    names = ("searches", "publishes") if traffic.tells_publishes else ("lookups", "announces")
    shown = [traffic.rate(name) for name in names if traffic.count(name)]
    if not shown:
        return None
    with axes("rates") as (figure, ax):
        clock, top = Clock(run), 0.0
        for rate, colour in zip(shown, SERIES, strict=False):
            series, band = traffic.band(rate, RATE_BINS)
            edges = clock(np.append(series.begin_ns, run.end_ns))
            ax.stairs(band.captured, edges, baseline=None, color=colour, label=rate.name, linewidth=1.2)
            ax.stairs(_whole(band.high), edges, baseline=_whole(band.low), color=colour, alpha=0.25, fill=True, lw=0)
            top = max(top, _top(series, band))
        shades = _shades(ax, traffic.series.coarser(RATE_BINS), run, clock)
        ax.set_ylim(0, top * 1.05)
        ax.set_ylabel("messages a minute")
        clock.label(ax)
        handles = [*ax.get_legend_handles_labels()[0], *shades]
        ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderaxespad=0.2)
        measured = [traffic.captures[rate.name] for rate in shown]
        of = (
            "what there was, that is with what was missed, by the capture rate of the run and by how many nodes were "
            "monitored at the time"
            if all(measured)
            else "the rate as captured; what was missed was not measured, and is not in it"
        )
        return drawing(
            "rates",
            "Traffic over time",
            f"Lines: users' {listed([rate.name for rate in shown])} captured a minute, in steps of "
            f"{width(traffic.series.coarser(RATE_BINS).width_s)}. Bands: 95 % interval of {of}. Grey: the instrument "
            f"was not running. Light grey: less than {100 * PARTLY:.0f} % of the nodes' time was monitored, as at the "
            "beginning, when monitors are attached one after the other. Bands that reach far above the rest are cut.",
            figure,
            rates_table(traffic, RATE_BINS),
        )


def _whole(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return bounds that can be drawn: NaN for those that are infinite."""
    return np.where(np.isfinite(values), values, np.nan)


def _top(series: Series, band: Band) -> float:
    """Return the height needed: all that was captured, and bounds where most nodes were monitored."""
    sure = np.isfinite(band.high) & ~(series.monitored < PARTLY)
    return float(max(np.nanmax(band.captured, initial=0.0), band.high[sure].max(initial=0.0))) or 1.0


def _shades(ax: Axes, series: Series, run: Run, clock: Clock) -> list[Patch]:
    """Shade the times in which nothing ran, and those in which little was monitored; return what explains them."""
    shades = []
    partly = np.flatnonzero(series.told & (series.monitored < PARTLY))
    ends = np.append(series.begin_ns, run.end_ns)
    for colour, label, spans in (
        (GRID, "partly monitored", [(ends[i], ends[i + 1]) for i in partly.tolist()]),
        (MUTED, "not running", list(run.gaps)),
    ):
        for begin, end in spans:
            ax.axvspan(*clock(np.array([begin, end])), color=colour, alpha=0.6, linewidth=0, zorder=0)
        if spans:
            shades.append(Patch(color=colour, alpha=0.6, linewidth=0, label=label))
    return shades


def _key_rates(traffic: Traffic) -> Drawing | None:
    """Draw how often keys are asked for, by message, and by sort where it is told (paper, figure 5)."""
    messages = ("search", "publish") if traffic.tells_publishes else ("lookup", "announce")
    shown = [
        rates
        for message in messages
        for sort in told_sorts(traffic.key_rates, message)
        if (rates := traffic.of_keys(message, sort))
    ]
    if not shown:
        return None
    counted = listed([f"{_named(one)} ({one.seen:,})" for one in shown])
    with axes("key_rates", height=1.1) as (figure, ax):
        for rates, style in zip(shown, STYLES, strict=False):
            _ccdf(ax, rates, *style, _named(rates))
        log_log(ax, "messages of the key a minute, at least")
        ax.legend(loc="lower left")  # where no CCDF goes
        return drawing(
            "key_rates",
            "How often keys are asked for",
            f"Share of {counted} that were so at least so often (CCDF), both axes logarithmic: captured messages by "
            "the whole running time. Bands: 95 % interval, the zone's keys being a sample of the network's. The lowest "
            "rate is one message in the window.",
            figure,
            key_rates_table(shown),
        )


def _named(rates: KeyRates) -> str:
    return f"{'keys' if rates.sort == ALL else _MANY.get(rates.sort, rates.sort)} {_DONE[rates.message]}"


def _ccdf(ax: Axes, rates: KeyRates, colour: str, dashes: object, label: str) -> None:
    at = shown_points(rates.count)
    reach = rates.reach()[at]
    bounds = np.array([share_bounds(hits, rates.seen) for hits in reach.tolist()])
    x = rates.rate[at]
    # Between two rates that occur, as many keys have at least the rate as have the higher one.
    ax.fill_between(x, bounds[:, 0], bounds[:, 1], step="pre", color=colour, alpha=0.2, linewidth=0)
    ax.step(x, reach / rates.seen, where="pre", color=colour, linestyle=dashes, label=label, **lone(x))


def _told_sorts(traffic: Traffic) -> list[str]:
    """Return the sorts of published keys to draw by themselves: those told, or all together where none is."""
    told = [sort for sort in traffic.publishers.intervals_s if traffic.of_keys("publish", sort)]
    return told or [ALL]


def _publish_rates(traffic: Traffic, sort: str) -> Drawing | None:
    """Draw the rates at which keys are published, and what number of publishers that is (paper, figures 5a and 5b)."""
    rates = traffic.of_keys("publish", sort)
    if rates is None or not traffic.publishers.intervals_s:
        return None
    name = "publish_rates" if sort == ALL else f"publish_rates_{sort}"
    what = "keys" if sort == ALL else _MANY.get(sort, sort)
    with axes(name, height=1.15) as (figure, ax):
        _ccdf(ax, rates, *STYLES[1], "")
        log_log(ax, "publishes of the key a minute, at least")
        told = publishers_above(ax, traffic.publishers, sort)
        return drawing(
            name,
            f"How often {what} are published" + (", and by how many" if told else ""),
            f"Share of the {rates.seen:,} {what} published that were so at least so often (CCDF), both axes "
            f"logarithmic. Band: 95 % interval. {told or 'This window is too short to tell how many nodes publish.'}",
            figure,
            key_rates_table([rates]),
        )


def _balance(traffic: Traffic) -> Drawing | None:
    shown = told_balances(traffic.balance)
    if not shown:
        return None
    with axes("balance") as (figure, ax):
        for one, (colour, dashes) in zip(shown, STYLES, strict=False):
            label = f"{_MANY.get(one.sort, one.sort)} ({one.keys:,})"
            ax.plot(
                np.append(0.0, LINE_X),
                np.append(0.0, one.line()),
                color=colour,
                linestyle=dashes,
                label=label,
                clip_on=False,
            )
        ax.set(xlim=(-0.02, 1.02), ylim=(0, 1.02), xlabel="P / (S + P) of a key", ylabel="share of keys")
        legend_above(ax)
        seeds = (
            ""
            if traffic.tells_publishes
            else (
                " Publishers are requesters that say they are seeds or announce; searches are all other lookups, so "
                "clients that do not say so count as demand."
            )
        )
        return drawing(
            "balance",
            "Supply and demand of keys",
            "Share of keys whose P/(S+P) is at most so large (CDF): P its publishers, told apart by address and port, "
            "each once; S its searches, all of them. The height at 0: keys searched, never published. The step at 1: "
            "keys published, never searched in this window." + seeds,
            figure,
            balance_curves(shown),
        )


def _copies(traffic: Traffic) -> Drawing | None:
    text = (
        "By how many monitors a lookup was heard. One is enough to capture it; where only one heard it, its "
        "destination is less sure."
    )
    return _distribution(copies_table(traffic), "monitors that heard the lookup", 1, text)


def _ranks(traffic: Traffic) -> Drawing | None:
    text = (
        "How many attached nodes were nearer to the key than the lookup's destination. 0: the lookup ended at the "
        "nearest node, as it should."
    )
    return _distribution(ranks_table(traffic), "nodes nearer to the key", 0, text)


def _distribution(table: Table, label: str, first: int, caption: str) -> Drawing | None:
    counts = np.asarray(table.column("lookups"))
    total = int(counts.sum())
    if not total:
        return None
    last = max(int(np.flatnonzero(counts)[-1]), first + 9)
    with axes(table.name) as (figure, ax):
        places = np.arange(first, last + 1)
        ax.bar(places, 100 * counts[first : last + 1] / total, color=SERIES[0], width=0.72)
        marked = places[:: 1 if len(places) <= 12 else 5]
        ax.set_xticks(marked, [f"{place}+" if place == MOST else str(place) for place in marked])
        ax.tick_params(axis="x", length=0)
        ax.grid(visible=False, axis="x")
        ax.set_xlabel(label)
        ax.set_ylabel("% of lookups")
        return drawing(table.name, table.title, caption, figure, table)
