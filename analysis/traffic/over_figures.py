"""Figures of the traffic of several runs: min-max envelopes, as the paper's figures 5 and 6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from analysis.page.drawing import Drawing, drawing
from analysis.page.style import SERIES, axes
from analysis.traffic.curves import log_log, lone, nodes_above
from analysis.traffic.envelope import Envelope, envelopes_table
from analysis.traffic.key_rates import ALL

_WHAT = {
    ALL: "keys",
    "file": "files",
    "keyword": "keywords",
    "info_hash": "info-hashes",
    "unknown": "keys of unknown sort",
}
_DONE = {"lookup": "looked up", "search": "searched", "publish": "published", "announce": "announced to"}
_COLOURS = {"publish": SERIES[1], "search": SERIES[0], "lookup": SERIES[0], "announce": SERIES[1], "balance": SERIES[2]}


def figures_of(envelopes: Sequence[Envelope], factors: Mapping[tuple[str, str], float]) -> list[Drawing]:
    """Return a figure for each envelope; factors: publishers for a publish a minute, by (overlay, sort)."""
    drawn = []
    for one in envelopes:
        if one.message == "balance":
            drawn.append(_balance(one))
        else:
            like = [other for other in envelopes if (other.overlay, other.message != "balance") == (one.overlay, True)]
            drawn.append(_rates(one, like, factors))
    return drawn


def _rates(one: Envelope, like: Sequence[Envelope], factors: Mapping[tuple[str, str], float]) -> Drawing:
    """Draw rates of keys on the same axes as those of the network's other messages and sorts, `like`."""
    name = f"rates_{one.overlay}_{one.message}_{one.sort}"
    what, done = _WHAT.get(one.sort, one.sort), _DONE[one.message]
    with axes(name, height=1.1) as (figure, ax):
        _fill(ax, one)
        log_log(ax, f"{done} a minute, at least", f"share of {what}")
        ax.set_xlim(min(e.x[0] for e in like) / 1.3, max(e.x[-1] for e in like) * 1.3)
        lowest = min(float(e.least[e.least > 0].min()) for e in like)
        ax.set_ylim(lowest / 2, 1.3)
        above = _publishers(ax, one, factors)
        return drawing(
            name,
            f"How often {what} of {one.overlay.capitalize()} are {done}",
            f"Share of {what} {done} at all that were so at least so often (CCDF), both axes logarithmic: the least "
            f"and the greatest at each rate of {one.runs} runs, from the lowest rate on that all of them can show. "
            f"Messages as captured.{above} A longer window sees more rare keys, so windows of unequal length differ "
            "for that alone.",
            figure,
            envelopes_table([one]),
        )


def _publishers(ax: Axes, one: Envelope, factors: Mapping[tuple[str, str], float]) -> str:
    """Draw publishing nodes above, where publishes of a known interval are drawn; return what it shows."""
    told = {sort: factor for (overlay, sort), factor in factors.items() if overlay == one.overlay}
    if one.message != "publish" or not told:
        return ""
    if one.sort in told:
        nodes_above(ax, told[one.sort], "publishing nodes")
        return f" Upper axis: rate times the republish interval of a {one.sort}, so nodes that publish it at a time."
    sort = min(told, key=told.__getitem__)
    nodes_above(ax, told[sort], f"publishing nodes, if a {sort}")
    return f" Upper axis: nodes that publish the key at a time, were it a {sort}."


def _balance(one: Envelope) -> Drawing:
    name = f"balance_{one.overlay}_{one.sort}"
    what = _WHAT.get(one.sort, one.sort)
    with axes(name) as (figure, ax):
        _fill(ax, one)
        ax.set(xlim=(-0.02, 1.02), ylim=(0, 1.02), xlabel="P / (S + P) of a key", ylabel=f"share of {what}")
        return drawing(
            name,
            f"Supply and demand of {what} of {one.overlay.capitalize()}",
            f"Share of {what} whose P/(S+P) is at most so large (CDF): the least and the greatest of {one.runs} runs. "
            "P: publishers, told apart by address and port, each once; S: searches, all of them. The height at 0: "
            "searched, never published; the step at 1: published, never searched in the window.",
            figure,
            envelopes_table([one]),
        )


def _fill(ax: Axes, one: Envelope) -> None:
    colour, balance = _COLOURS[one.message], one.message == "balance"
    # Between two rates that occur, as many keys have at least the rate as have the higher one.
    ax.fill_between(
        one.x, one.least, one.greatest, step=None if balance else "pre", color=colour, alpha=0.25, linewidth=0
    )
    for values in (one.least, one.greatest):
        shown = values >= 0 if balance else values > 0
        x = one.x[shown]
        drawn = "default" if balance else "steps-pre"
        ax.plot(x, values[shown], drawstyle=drawn, color=colour, linewidth=1.1, clip_on=not balance, **lone(x))
