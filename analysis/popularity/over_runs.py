"""How popularity is distributed in several runs, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.page.drawing import Drawing, drawing
from analysis.page.style import SERIES, axes, plain_ticks
from analysis.popularity.shape import TAIL, Shape, shape_of
from analysis.quantity import made_by
from analysis.table import Column, Table

if TYPE_CHECKING:
    from analysis.result import Analysis

_POINTS = 120
_MOST_NAMED = 6
_NONE = (math.nan, math.nan, math.nan)

Run = tuple[str, str, int, Shape]
"""Overlay, zone, start of the run, and one way of counting."""


def shapes_of(analyses: Sequence[Analysis]) -> list[Run]:
    """Return all distributions of all runs that have keys, by overlay, in their order, by zone and time."""
    found = [
        (one.run.manifest.overlay, one.run.manifest.zone, one.run.start_ns, place, shape)
        for one in analyses
        for place, shape in enumerate(one.popularity.shapes)
        if shape.counts.total
    ]
    ordered = sorted(found, key=lambda row: (row[0], row[3], row[1], row[2]))
    return [(overlay, zone, start_ns, shape) for overlay, zone, start_ns, _, shape in ordered]


def runs_table(runs: Sequence[Run]) -> Table:
    """Return the tails of all runs with their exponents."""
    shapes = [shape for *_, shape in runs]
    tails = [shape.tail for shape in shapes]
    scopes = [shape.scope(TAIL) for shape in shapes]
    rates = [shape.rates for shape in shapes]
    ranked = np.array([rate.rank_exponent if rate else _NONE for rate in rates]).reshape(-1, 3)

    def column(name: str, values: Iterable[float], unit: str, meaning: str) -> Column:
        return Column(name, np.fromiter(values, np.float64), unit, meaning)

    return Table(
        "popularity_of_runs",
        "Exponents of all runs",
        "One row for each run and way of counting: exponents of what keys are asked for at (rates), and of what was "
        "counted, which chance makes steeper where counts are small. No exponent: too few keys.",
        made_by(shape_of),
        ("lookups",),
        (
            Column("overlay", [overlay for overlay, *_ in runs], "", "the network"),
            Column("zone", [zone for _, zone, *_ in runs], "", "prefix of the IDs monitored and its length in bits"),
            Column("start_ns", np.array([start for _, _, start, _ in runs], np.int64), "ns", "start of the run"),
            Column("counted", [shape.measure for shape in shapes], "", "what is counted of each key"),
            Column("keys", np.array([shape.counts.total for shape in shapes], np.int64), "keys", "with any"),
            Column("rate_rank_exponent", ranked[:, 0], "", "Zipf exponent s of rates: rate ~ rank^-s"),
            Column("rate_rank_exponent_low", ranked[:, 1], "", "lower bound of its 95 % interval"),
            Column("rate_rank_exponent_high", ranked[:, 2], "", "upper bound"),
            column(
                "rate_exponent", (rate.tail.alpha if rate else math.nan for rate in rates), "", "alpha of the rates"
            ),
            column("rate_exponent_low", (rate.low if rate else math.nan for rate in rates), "", "lower bound, 95 %"),
            column("rate_exponent_high", (rate.high if rate else math.nan for rate in rates), "", "upper bound"),
            column("rate_p", (rate.goodness if rate else math.nan for rate in rates), "p", "of a power law of rates"),
            column(
                "tail_from", (tail.least if tail else math.nan for tail in tails), "", "where the counts' tail begins"
            ),
            column("tail_keys", (tail.keys if tail else math.nan for tail in tails), "keys", "in that tail"),
            column("exponent", (tail.alpha if tail else math.nan for tail in tails), "", "alpha of the counts' tail"),
            column("exponent_low", (shape.alpha_low for shape in shapes), "", "lower bound, 95 %"),
            column("exponent_high", (shape.alpha_high for shape in shapes), "", "upper bound"),
            column(
                "p",
                (scope.fitted[0].goodness if scope else math.nan for scope in scopes),
                "p",
                "of a power law of counts",
            ),
            Column(
                "verdict",
                [scope.verdict_in_brief if scope else "" for scope in scopes],
                "",
                "which family fits the counts' tail; a power law suffices where none fits better",
            ),
        ),
    )


def rank_figures(runs: Sequence[Run]) -> list[Drawing]:
    """Draw rank and frequency of several runs in one figure, for each network and way of counting."""
    drawn = []
    for (overlay, measure), group in groupby(runs, key=lambda row: (row[0], row[3].measure)):
        rows = list(group)
        if len(rows) < 2:
            continue
        name = f"ranks_{overlay}_{measure}"
        zones = sorted({zone for _, zone, *_ in rows})
        lines = [_line(shape) for *_, shape in rows]
        with axes(name, height=1.1) as (figure, ax):
            for (_, zone, _, _), (rank, share) in zip(rows, lines, strict=True):
                at = zones.index(zone)
                style = {0: "-", 1: "--"}.get(at // len(SERIES), ":")
                ax.plot(rank, 100 * share, style, color=SERIES[at % len(SERIES)], label=f"zone {zone}", linewidth=1.1)
            ax.set(xscale="log", yscale="log", xlabel="rank of the key", ylabel=f"% of {measure}")
            plain_ticks(ax, "x")
            plain_ticks(ax, "y")
            if len(zones) <= _MOST_NAMED:
                handles, labels = ax.get_legend_handles_labels()
                once = dict(zip(labels, handles, strict=True))
                figure.legend(once.values(), once.keys(), loc="outside upper left", ncols=3, handlelength=1.4)
            drawn.append(
                drawing(
                    name,
                    f"Popularity of keys of {overlay.capitalize()} by {measure}",
                    f"Share of all {measure} of its run that the key of each rank has, one line for each run of "
                    f"{overlay.capitalize()}; a colour is a zone. Both axes are logarithmic.",
                    figure,
                    _data(name, rows, lines),
                )
            )
    return drawn


def _line(shape: Shape) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return ranks, rising, and the share of all that the key of each has; of very many ranks some."""
    values, rank = shape.counts.values[::-1], shape.counts.rank()[::-1]
    share = values / float(shape.counts.values @ shape.counts.keys)
    if len(rank) <= _POINTS:
        return rank, share
    kept = np.unique(np.searchsorted(rank, np.geomspace(rank[0], rank[-1], _POINTS)))
    return rank[kept], share[kept]


def _data(name: str, rows: Sequence[Run], lines: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]]) -> Table:
    each = [row for row, (rank, _) in zip(rows, lines, strict=True) for _ in rank]
    return Table(
        name,
        "Rank and frequency of all runs",
        "One row for a rank in a run.",
        made_by(shape_of),
        ("lookups",),
        (
            Column("zone", [zone for _, zone, *_ in each], "", "prefix of the IDs monitored and its length in bits"),
            Column("start_ns", np.array([start for _, _, start, _ in each], np.int64), "ns", "start of the run"),
            Column("rank", np.concatenate([rank for rank, _ in lines]), "rank", "how many keys have so much or more"),
            Column(
                "share", np.concatenate([share for _, share in lines]), "share", "of the run's, that such a key has"
            ),
        ),
    )
