"""Tables of how popularity is distributed: fits and their tests."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from analysis.popularity.compare import compare
from analysis.popularity.families import CUT_OFF
from analysis.popularity.shape import Fitted, Shape, shape_of
from analysis.quantity import made_by
from analysis.table import Column, Table


def comparisons_table(shapes: Sequence[Shape]) -> Table:
    """Return the likelihood-ratio tests of each pair of families."""
    rows = [(shape, scope, one) for shape in shapes for scope in shape.scopes for one in scope.compared]
    return Table(
        "popularity_tests",
        "Which distribution fits better",
        "One row for each pair of families fitted to the same counts. The power law is a limit of each other family: it"
        " can be refused, and never be favoured. The others are told apart only where one of them is better than it.",
        made_by(compare),
        ("lookups",),
        (
            Column("counted", [shape.measure for shape, _, _ in rows], "", "what is counted of each key"),
            Column("of", [scope.name for _, scope, _ in rows], "", "whether of all keys, or of the tail only"),
            Column("first", [one.first for _, _, one in rows], "", "a family"),
            Column("second", [one.second for _, _, one in rows], "", "another one"),
            Column(
                "log_ratio",
                np.round([one.ratio for *_, one in rows], 6) + 0.0,
                "",
                "ln likelihood of the first less the second's",
            ),
            Column("p", np.array([one.p for *_, one in rows]), "p", "chance of so great a ratio if both are as good"),
            Column(
                "favours",
                [one.favours or "cannot be told" for *_, one in rows],
                "",
                "the family that fits better: p below 0.05",
            ),
        ),
    )


def fits_table(shapes: Sequence[Shape]) -> Table:
    """Return the parameters of all fits with their intervals."""
    rows = [
        (shape, scope, one, name)
        for shape in shapes
        for scope in shape.scopes
        for one in scope.fitted
        for name in one.fit.known
    ]
    values = np.array([_told(one, name) for _, _, one, name in rows]).reshape(-1, 3)
    return Table(
        "popularity_fits",
        "Distributions fitted",
        "One row for each parameter of a family fitted by maximum likelihood to counts from the one in column `from` "
        "up. Counts are those captured: what is missed at random leaves alpha, sigma and beta as they are and makes "
        "exp(mu), tau and cut smaller by the share captured. No value: the fit is at its limit, the power law; no "
        "bound: the interval has no end there, or the tail was chosen for a power law and not for this family.",
        made_by(shape_of),
        ("lookups",),
        (
            Column("counted", [shape.measure for shape, *_ in rows], "", "what is counted of each key"),
            Column("of", [scope.name for _, scope, *_ in rows], "", "whether of all keys, or of the tail only"),
            Column("from", np.array([scope.least for _, scope, *_ in rows], np.int64), "", "least count fitted"),
            Column("keys", np.array([scope.keys for _, scope, *_ in rows], np.int64), "keys", "keys fitted"),
            Column("family", [one.fit.family for _, _, one, _ in rows], "", "family of distributions"),
            Column("parameter", [name for *_, name in rows], "", "its parameter"),
            Column("value", values[:, 0], "", "of greatest likelihood"),
            Column("value_low", values[:, 1], "", "lower bound of the 95 % interval, by profile likelihood"),
            Column("value_high", values[:, 2], "", "upper bound"),
            Column("fit_p", np.array([one.goodness for _, _, one, _ in rows]), "p", "of the fit; below 0.1 it is none"),
            Column(
                "log_likelihood",
                np.array([one.fit.log_likelihood for _, _, one, _ in rows]),
                "",
                "ln of the likelihood",
            ),
        ),
    )


def _told(one: Fitted, name: str) -> tuple[float, float, float]:
    """Return a parameter and its bounds, NaN where there is none; at the limit only a cut-off's alpha has a value."""
    value = one.fit.known[name]
    if one.fit.at_limit and not (one.fit.family == CUT_OFF and name == "alpha"):
        value = math.nan
    low, high = one.intervals.get(name, (math.nan, math.nan))
    return value, low if math.isfinite(low) else math.nan, high if math.isfinite(high) else math.nan
