"""Popularity of keys in one run: which are asked for most, and how it is distributed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from analysis.engine.source import Source
from analysis.popularity.counts import counts_of
from analysis.popularity.goodness import DOUBTFUL
from analysis.popularity.pairs import PEOPLE, clumping_of
from analysis.popularity.rate_numbers import MEASURES, rate_quantities
from analysis.popularity.shape import TAIL, Shape, shape_of
from analysis.popularity.tables import comparisons_table, fits_table
from analysis.popularity.top import Top, top_of
from analysis.quantity import Quantity, made_by
from analysis.table import Table


@dataclass(frozen=True, slots=True)
class Popularity:
    """The results.

    top: keys asked for most; tells_publishes: whether lookups say if they search or publish; shapes: distributions, one
    for each way of counting: requesters last, by whom no key becomes popular because one client asks again and again;
    clumping: for each way of counting lookups, see `pairs.clumping_of`.
    """

    top: Top
    tells_publishes: bool
    shapes: list[Shape]
    clumping: dict[str, float]

    def total(self, measure: str) -> int:
        """Return what all keys come to by one way of counting."""
        counts = next(shape.counts for shape in self.shapes if shape.measure == measure)
        return int(counts.values @ counts.keys)

    def quantities(self) -> list[Quantity]:
        """Return the numbers."""
        return [one for shape in self.shapes for one in (*_quantities(shape), *rate_quantities(shape))]

    def tables(self) -> list[Table]:
        """Return the tables."""
        return [self.top.table(self.tells_publishes), comparisons_table(self.shapes), fits_table(self.shapes)]


def examine(source: Source) -> Popularity:
    """Return the popularity of the run's keys."""
    tells = bool(source.given.republish_s)
    measures = ("searches", "publishes", "requesters") if tells else ("lookups", "requesters")
    captured = 1.0 if source.capture is None else source.capture.share
    clumping = {measure: clumping_of(source.db, measure) for measure in measures if measure in PEOPLE}
    shapes = [
        shape_of(measure, counts_of(source.db, measure), captured, clumping.get(measure, 1.0)) for measure in measures
    ]
    return Popularity(top_of(source.db, source.run), tells, shapes, clumping)


_INPUTS = ("lookups", "canaries", "validation")
_SURE = (
    "the wider of profile likelihood and keys drawn with return, the tail's beginning sought anew; wider downwards by "
    "what misses bend the small counts, if the share captured is known"
)


def _quantities(shape: Shape) -> list[Quantity]:
    """Return the numbers of one way of counting; those of its tail are withheld where it has too few keys."""
    name, what, counts, tail = shape.measure, MEASURES[shape.measure], shape.counts, shape.tail
    scope = shape.scope(TAIL)

    def told(part: str, value: float, unit: str, meaning: str, method: str = "") -> Quantity:
        return Quantity(f"{name}_{part}", value, unit, meaning, made_by(shape_of), ("lookups",), method=method)

    once = int(counts.keys[counts.values == 1].sum()) / counts.total if counts.total else math.nan
    alone = told("once_share", once, "share", f"of these keys, those with one of {what} only")
    found = [
        told("keys", counts.total, "keys", f"keys with {what}"),
        alone if alone.told else replace(alone, withheld="no key has any"),
    ]
    exponent = told(
        "exponent",
        math.nan if tail is None else tail.alpha,
        "",
        f"alpha of the power law nearest to the tail of counts: keys counted with n of {what} ~ n^-alpha; chance makes "
        "it steeper than that of the keys' rates where counts are small",
        _SURE,
    )
    if tail is None or scope is None:
        return [*found, replace(exponent, withheld=shape.withheld)]
    inside = counts.tail(tail.least)
    share = int(inside.values @ inside.keys) / int(counts.values @ counts.keys)
    low, high = shape.alpha_low, shape.alpha_high
    p = scope.fitted[0].goodness
    doubt = "; it does not fit, so that this is the nearest power law and no more" if p < DOUBTFUL else ""
    bounded = replace(exponent, meaning=exponent.meaning + doubt, inputs=_INPUTS, low=low, high=high)
    ranked = f"the same as exponent s of rank and frequency: counted {what} of the key of rank r ~ r^-s{doubt}"
    return [
        *found,
        told("tail_from", tail.least, name, f"count from which a power law is nearest to {what} of a key"),
        told("tail_keys", tail.keys, "keys", f"keys with so many of {what} or more"),
        told("tail_share", share, "share", f"of all {what}, those of these keys"),
        bounded,
        replace(
            bounded,
            name=f"{name}_rank_exponent",
            value=1 / (tail.alpha - 1),
            meaning=ranked,
            low=1 / (high - 1),
            high=1 / (low - 1) if low > 1 else math.inf,
        ),
        told(
            "power_law_p",
            p,
            "p",
            "chance of a tail as far from its own power law as this one, if it were one; below 0.1 it is none",
            "parametric bootstrap, the tail's beginning sought anew (Clauset, Shalizi and Newman 2009)",
        ),
    ]
