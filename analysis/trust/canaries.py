"""What a window captured of its own canaries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `trials`, their share (NaN for no trials), and the bounds of its 95 % interval."""

    hits: int
    trials: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class MissCause:
    """Why so many were missed. what: "capture", "destination" (observed) or "inferred"; share: of misses of that sort;
    of_all: of all that could have been missed so; meaning: the cause in words; by_client: counts by requester's client.
    """

    what: str
    cause: str
    count: int
    share: float
    of_all: float
    meaning: str
    by_client: dict[str, int]


@dataclass(frozen=True, slots=True)
class Canaries:
    """The canaries of one run: own lookups for random keys of the zone, made as an ordinary requester makes them.

    lookups: made; excluded: those that cannot be judged, by reason; capture: of the rest, those captured; observed,
    inferred: of those captured, the ones whose observed, or inferred, destination is the nearest node that answered;
    causes: of all misses; function: dotted name of what judged them.
    """

    lookups: int
    excluded: dict[str, int]
    capture: Share
    observed: Share
    inferred: Share
    causes: tuple[MissCause, ...] = ()
    function: str = f"{__name__}.Canaries"
