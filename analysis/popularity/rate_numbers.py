"""What a reader is told of the power law of the keys' rates."""

from __future__ import annotations

import math
from dataclasses import replace

from analysis.popularity.goodness import DOUBTFUL
from analysis.popularity.rates import rates_of
from analysis.popularity.shape import Shape
from analysis.quantity import Quantity, made_by

MEASURES = {
    "lookups": "users' lookups",
    "searches": "users' searches",
    "publishes": "users' publishes",
    "requesters": "distinct requesters",
}
"""Ways of counting what keys are asked for, and what is counted."""

_SURE = (
    "the wider of likelihood and keys drawn with return, the tail's beginning sought anew; counts are taken as Poisson "
    "draws of the keys' rates, in clumps of one requester's repeats, and misses as random"
)
_P = "parametric bootstrap, the tail's beginning sought anew (Clauset, Shalizi and Newman 2009)"


def rate_quantities(shape: Shape) -> list[Quantity]:
    """Return the exponents of the rates by one way of counting; withheld where there are too few keys."""
    name, what, rates = shape.measure, MEASURES[shape.measure], shape.rates

    def told(part: str, value: float, unit: str, meaning: str, method: str) -> Quantity:
        return Quantity(f"{name}_{part}", value, unit, meaning, made_by(rates_of), ("lookups",), method=method)

    meaning = (
        f"alpha of the power law nearest to what keys' counts are draws of: keys of whom {what} are expected at rate r "
        "~ r^-alpha, where many are"
    )
    exponent = told("rate_exponent", math.nan, "", meaning, _SURE)
    if rates is None:
        return [replace(exponent, withheld=shape.withheld or "no power law of rates has counts like these")]
    tail, low, high = rates.tail, rates.low, rates.high
    rank, rank_low, rank_high = rates.rank_exponent
    doubt = "; it does not fit, so that this is the nearest power law and no more" if rates.goodness < DOUBTFUL else ""
    exponent = replace(exponent, value=tail.alpha, low=low, high=high, meaning=meaning + doubt)
    return [
        exponent,
        replace(
            exponent,
            name=f"{name}_rate_rank_exponent",
            value=rank,
            low=rank_low,
            high=rank_high,
            meaning=f"the same as Zipf exponent s of rank and rate: {what} expected of the key of rank r ~ r^-s{doubt}",
        ),
        told("rate_tail_from", tail.least, name, "count from which a power law of rates is nearest to the counts", ""),
        told("rate_tail_keys", tail.keys, "keys", f"keys with so many of {what} or more", ""),
        told(
            "rate_power_law_p",
            rates.goodness,
            "p",
            "chance of a tail as far from its own power law of rates as this one, if it were one; below 0.1 it is none",
            _P,
        ),
    ]
