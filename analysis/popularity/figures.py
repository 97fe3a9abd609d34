"""Figures of the popularity of keys in one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.page.drawing import Drawing, drawing
from analysis.page.style import MUTED, SERIES, axes, plain_ticks
from analysis.page.words import said_of
from analysis.popularity.families import FAMILIES
from analysis.popularity.fit import Fit
from analysis.popularity.shape import TAIL, Shape, in_words, shape_of
from analysis.quantity import made_by
from analysis.table import Column, Table

if TYPE_CHECKING:
    from analysis.result import Analysis

_DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))
_STYLES: dict[str, dict[str, Any]] = {
    family: {"color": SERIES[i], "linestyle": _DASHES[i]} for i, family in enumerate(FAMILIES)
}
_MOST_POINTS = 400


def figures(analysis: Analysis) -> list[Drawing]:
    """Return rank and frequency for each way of counting that has keys."""
    return [rank_frequency(shape) for shape in analysis.popularity.shapes if len(shape.counts.values) > 1]


def rank_frequency(shape: Shape) -> Drawing:
    """Draw how often the key of each rank is asked for, with the curves fitted to its tail."""
    places = _thinned(shape.counts.values)
    values, rank = shape.counts.values[places], shape.counts.rank()[places]
    scope = shape.scope(TAIL)
    # A family at its limit is the power law, whose line is there.
    fits = [] if scope is None else [one.fit for one in scope.fitted if not one.fit.at_limit]
    same = [] if scope is None else [one.fit.family for one in scope.fitted if one.fit.at_limit]
    curves = {one.family: _expected(values, one, one.n) for one in fits}
    name = f"rank_{shape.measure}"
    with axes(name, height=1.25) as (figure, ax):
        ax.plot(rank, values, "o", color=MUTED, markersize=3.5, fillstyle="none", markeredgewidth=0.8, label="counted")
        for family, expected in curves.items():
            ax.plot(expected, values, label=family, linewidth=1.5, **_STYLES[family])
        ax.set(xscale="log", yscale="log", xlabel="rank of the key", ylabel=f"{shape.measure} of the key")
        ax.set_xlim(0.8, 1.3 * shape.counts.total)
        plain_ticks(ax, "x")
        plain_ticks(ax, "y")
        ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderaxespad=0.2, handlelength=2.4)
        said = "" if scope is None else f" {scope.verdict}"
        at_limit = (
            f" The {in_words(same)} {'are' if len(same) > 1 else 'is'} no other line than the power law."
            if same
            else ""
        )
        begins = (
            "; too few keys for a fit" if scope is None else ", and the curves fitted to the tail, where they begin"
        )
        return drawing(
            name,
            f"Popularity of keys by {shape.measure}",
            f"How many {shape.measure} the key of each rank has, both axes logarithmic{begins}. Keys with equal counts "
            f"share the last of their ranks.{_of_rates(shape)}{at_limit}{said}",
            figure,
            _data(name, shape, values, rank, curves),
        )


def _of_rates(shape: Shape) -> str:
    """Return the exponent of what the counts are draws of, in words."""
    if shape.rates is None:
        return ""
    value, low, high = shape.rates.rank_exponent
    words = said_of(value, "", low, high)
    nearest = ", but no power law fits them" if shape.rates_doubtful else ""
    return f" The Zipf exponent of the rates behind the counts is {words.value} ({words.bounds}){nearest}."


def _expected(values: NDArray[np.int64], fitted: Fit, keys: int) -> NDArray[np.float64]:
    """Return the rank at which a fit of so many keys expects each count, NaN below its least one."""
    expected = np.full(len(values), np.nan)
    inside = values >= fitted.least
    expected[inside] = keys * fitted.at_least(values[inside])
    return expected


def _thinned(values: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return which of the values are drawn: of very many those that lie apart on a logarithmic axis."""
    if len(values) <= _MOST_POINTS:
        return np.arange(len(values))
    places = np.unique(np.searchsorted(values, np.geomspace(values[0], values[-1], _MOST_POINTS)))
    return np.asarray(places)


def _data(
    name: str, shape: Shape, values: NDArray[np.int64], rank: NDArray[np.int64], curves: dict[str, NDArray[np.float64]]
) -> Table:
    expected = [
        Column(
            family.replace(" ", "_").replace("-", "_"), ranks, "rank", f"rank at which the {family} expects the count"
        )
        for family, ranks in curves.items()
    ]
    return Table(
        name,
        f"Rank and frequency by {shape.measure}",
        "One row for each count that a key has; of very many counts some.",
        made_by(shape_of),
        ("lookups",),
        (
            Column("count", values, shape.measure, "of the key"),
            Column("rank", rank, "rank", "how many keys have so much or more"),
            *expected,
        ),
    )
