"""What a comparison of a run with the truth says."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from montra.validation.wilson import Proportion


@dataclass(frozen=True, slots=True)
class Copies:
    """Distinct monitors that got a copy, over the captured lookups; counts: lookups by number of copies."""

    mean: float
    median: float
    counts: dict[int, int]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Nodes that came into the zone during the window.

    visible: those seen handing their monitor out before they left or the window ended; median_s, p90_s: of the seconds
    from their start until then, NaN where there are none.
    """

    nodes: int
    visible: int
    median_s: float
    p90_s: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run against the truth, over all lookups for keys in the zone that the requesters made in [since_ns, until_ns).

    lookups: commands in the truth; excluded: those left out, by reason; capture: lookups with an attributed lookup of
    the same requester and key; capture_lookups, capture_announces: the same for each kind of command; destination: of
    the captured, those attributed to the node that really was nearest to the key among all that received the query;
    split: captured lookups that came out as more than one; misfiled: captured lookups that attribution marked as
    maintenance, so that analysis leaves them out; capture_misses, destination_misses: every failure by reason;
    reached_closest: lookups whose true destination was the nearest of all live nodes (the network's own quality, not
    montra's); coverage: share of the zone's node time during which the node was seen handing its monitor out.
    """

    run: str
    truth: str
    zone: str
    since_ns: int
    until_ns: int
    lookups: int
    excluded: dict[str, int]
    capture: Proportion
    capture_lookups: Proportion
    capture_announces: Proportion
    destination: Proportion
    split: int
    misfiled: int
    copies: Copies
    capture_misses: dict[str, int]
    destination_misses: dict[str, int]
    reached_closest: Proportion
    coverage: float
    arrivals: Arrivals

    def to_json(self) -> bytes:
        """Return the comparison as one JSON object; NaN becomes null."""
        return msgspec.json.encode(self)
