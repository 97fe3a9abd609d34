"""Many searches as one row of the table: medians, ranges, and the verdict against the network without monitors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from montra.validation.disruption.measures import Search

#: The policy that is no policy: a network without monitors.
NONE = "none"
#: Times below are counted as equal: a whole lookup takes a few milliseconds on one machine, and what the scheduler adds
#: to that says nothing about monitors.
RESOLUTION_S = 0.1
#: The bar: the median time to the first announce is at most so many times that without monitors.
BAR = 1.2


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most of some numbers; infinite where it did not happen while we watched, NaN of none."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Row:
    """What one client did under one policy, over its trials.

    silent: trials without an announce while we watched (their time counts as infinite); real, displaced: nodes of
    those that it should announce to, and did not, in all trials; ratio: of the medians of the first announce, 1 where
    both are below RESOLUTION_S, NaN without a measurement of no monitors; holds: ratio at most BAR, and no more nodes
    displaced than without monitors.
    """

    client: str
    policy: str
    trials: int
    silent: int
    first_announce_s: Spread
    ratio: float
    announced: Spread
    wanted: int
    displaced: int
    to_monitors: Spread
    lookup_s: Spread
    found: Spread
    first_found_s: Spread
    sent: Spread
    monitors_asked: Spread
    holds: bool


def spread(values: Sequence[float]) -> Spread:
    """Return median, least and most."""
    if not values:
        return Spread(math.nan, math.nan, math.nan)
    return Spread(float(median(values)), float(min(values)), float(max(values)))


def row(client: str, policy: str, searches: Sequence[Search], wanted: int, base: Row | None) -> Row:
    """Sum searches up. wanted: how many nodes each should announce to; base: the row of no monitors."""
    first = spread([math.inf if s.first_announce_s is None else s.first_announce_s for s in searches])
    displaced = sum(len(s.displaced) for s in searches)
    compared = base.first_announce_s.median if base else math.nan
    found_ratio = 1.0 if policy == NONE else ratio(first.median, compared)
    share = displaced / len(searches) if searches else math.nan
    least = base.displaced / base.trials if base and base.trials else 0.0
    return Row(
        client=client,
        policy=policy,
        trials=len(searches),
        silent=sum(s.first_announce_s is None for s in searches),
        first_announce_s=first,
        ratio=found_ratio,
        announced=spread([len(s.announced) for s in searches]),
        wanted=wanted * len(searches),
        displaced=displaced,
        to_monitors=spread([s.to_monitors for s in searches]),
        lookup_s=spread([s.lookup_s for s in searches]),
        found=spread([s.found for s in searches]),
        first_found_s=spread([math.inf if s.first_found_s is None else s.first_found_s for s in searches]),
        sent=spread([s.sent for s in searches]),
        monitors_asked=spread([s.monitors_asked for s in searches]),
        holds=found_ratio <= BAR and share <= least,
    )


def ratio(seconds: float, base: float) -> float:
    """Return how many times `base` it took, both taken as at least RESOLUTION_S; NaN where `base` is unknown."""
    if math.isinf(base):
        return math.nan
    return max(seconds, RESOLUTION_S) / max(base, RESOLUTION_S)


def rows(found: Mapping[tuple[str, str], Sequence[Search]], wanted: Mapping[str, int]) -> list[Row]:
    """Return a row for each (client, policy), in the order given, each beside its client's row of no monitors."""
    made: list[Row] = []
    bases: dict[str, Row] = {}
    for (client, policy), searches in sorted(found.items(), key=lambda item: item[0][1] != NONE):
        one = row(client, policy, searches, wanted[client], bases.get(client))
        if policy == NONE:
            bases[client] = one
        made.append(one)
    order = list(found)
    return sorted(made, key=lambda one: order.index((one.client, one.policy)))
