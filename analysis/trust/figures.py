"""The figure of trust: what a run captured and told right, of lookups whose truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analysis.page.drawing import Drawing, drawing
from analysis.page.parts import legend_above
from analysis.page.style import INK, MUTED, SERIES, axes
from analysis.quantity import made_by
from analysis.table import Column, Table

if TYPE_CHECKING:
    from analysis.result import Analysis
    from analysis.trust.chapter import Trust


class Judged(NamedTuple):
    """A share with its bounds, what it is of, how many tries it rests on and who judged it."""

    what: str
    share: float
    low: float
    high: float
    trials: int
    source: str


_SHORT = {
    "capture": "captured",
    "told_apart": "search or publish right",
    "destination": "observed destination right",
    "inferred": "inferred destination right",
    "own_monitor": "by the node's own monitor",
}
"""Shares of a validation that are drawn, in few words."""


def figures(analysis: Analysis) -> list[Drawing]:
    """Return the figure, none where nobody judged the run."""
    rows = judged(analysis.trust)
    if not rows:
        return []
    with axes("judged", height=0.3 + 0.14 * max(3, len(rows))) as (figure, ax):
        places = np.arange(len(rows))[::-1]
        for source, colour in (("canaries", SERIES[0]), ("truth", SERIES[1])):
            of = [i for i, row in enumerate(rows) if row.source == source]
            if not of:
                continue
            share, low, high = (
                100 * np.array([getattr(rows[i], name) for i in of]) for name in ("share", "low", "high")
            )
            label = "by canaries" if source == "canaries" else "by a known truth"
            spread = np.clip(np.array([share - low, high - share]), 0, None)
            ax.errorbar(share, places[of], xerr=spread, fmt="o", color=colour, markersize=4, capsize=2.5, label=label)
        ax.set_yticks(places, [row.what for row in rows])
        ax.tick_params(axis="y", length=0, labelcolor=INK)
        ax.grid(visible=False, axis="y")
        ax.axvline(100, color=MUTED, linewidth=0.7)
        least = min(row.low for row in rows if row.low == row.low)
        ax.set(
            xlim=(min(79.0, 100 * least - 4), 101),
            ylim=(-0.7, len(rows) - 0.3),
            xlabel="% of lookups known",
        )
        legend_above(ax)
        return [
            drawing(
                "judged",
                "What was captured and told right",
                "Shares of lookups whose truth is known, with 95 % intervals: the first is what corrects rates. "
                "Destinations are of captured lookups only.",
                figure,
                table(rows),
            )
        ]


def judged(trust: Trust) -> list[Judged]:
    """Return the shares that are drawn: of canaries, then of a comparison with the truth."""
    found = []
    if trust.canaries is not None:
        for what, share in (
            ("captured", trust.canaries.capture),
            ("observed destination right", trust.canaries.observed),
            ("inferred destination right", trust.canaries.inferred),
        ):
            found.append(Judged(what, share.share, share.low, share.high, share.trials, "canaries"))
    found += [
        Judged(_SHORT[one.name], one.share, one.low, one.high, one.trials, "truth")
        for one in trust.validation.proportions
        if one.name in _SHORT
    ]
    return [row for row in found if row.trials]


def table(rows: list[Judged]) -> Table:
    """Return the shares as a table."""
    sources = {row.source for row in rows}
    inputs = {"canaries": "canaries", "truth": "validation"}
    return Table(
        "judged",
        "What was captured and told right",
        "A row for each share.",
        made_by(judged),
        tuple(inputs[one] for one in sorted(sources)),
        (
            Column("what", [row.what for row in rows], "", "what the share is of"),
            Column("share", np.array([row.share for row in rows]), "share", "of lookups that could tell"),
            Column("low", np.array([row.low for row in rows]), "share", "lower 95 % bound"),
            Column("high", np.array([row.high for row in rows]), "share", "upper 95 % bound"),
            Column("trials", np.array([row.trials for row in rows], np.int64), "lookups", "that could tell"),
            Column("by", [row.source for row in rows], "", "who judged: canaries, or a comparison with the truth"),
        ),
    )
