"""What a window captured of its own canaries, and rates corrected by that."""

from __future__ import annotations

import math
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
    causes: of all misses.
    """

    lookups: int
    excluded: dict[str, int]
    capture: Share
    observed: Share
    inferred: Share
    causes: tuple[MissCause, ...] = ()

    def corrected(self, rate: float) -> tuple[float, float, float]:
        """Return a rate with what was missed added: rate / capture, and its bounds by those of the capture rate.

        Assumed: users' clients are captured as canaries are, which behave as libtorrent does; the interval is that of
        the capture rate alone. NaN where no canary was captured.
        """
        if not self.capture.hits:
            return math.nan, math.nan, math.nan
        return rate / self.capture.share, rate / self.capture.high, rate / self.capture.low
