"""The rhythm of the crawls: how finely they tell times, when all was known, and how late they miss a node.

Four things stand between a node's stay and what a run holds of it.

- *Granularity.* Each crawl asks each node once, at some moment of the crawl. A stay is known to within one crawl at
  either end, and a stay shorter than a crawl may pass unseen.
- *The ramp.* Who was there when the run began is found one after the other. None of these came then.
- *The lag.* A node counts as gone after it was missed in several crawls and did not answer a last question. How many
  crawls that takes depends on settings and on what monitors heard; it shows in the run itself: by so many crawls the
  number of nodes that answer runs ahead of the number of nodes not yet given up.
- *The end.* Who leaves within that lag before the run ends, or stops for a gap, still counts as there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.load import NANOS, Run
from analysis.network.completeness import at_once

SHORTEST_STEPS = 2.5
"""Stays of so many crawls are surely seen and told from shorter ones; of shorter ones nothing is estimated."""

_MOST_LAG = 12
_USUAL_LAG = 2
_FEWEST_CRAWLS = 12
_FEWEST_GONE = 20
_SETTLING = 4
"""With fewer crawls in a row nobody can tell whether what they find is new."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which all was known and changes are seen: from_ns, until_ns. cut_ns: end of crawling after it."""

    from_ns: int
    until_ns: int
    cut_ns: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.until_ns - self.from_ns) / NANOS


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The crawls of a run, m of them that anybody answered.

    begin_ns, end_ns, answered int64[m]; step_s: median time from one crawl to the next, NaN for fewer than two; lag:
    crawls that a node is missed in before it is given up; stretches: the settled times, one for each time without a
    gap, none where crawls were too few.
    """

    begin_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    answered: NDArray[np.int64]
    step_s: float
    lag: int
    stretches: tuple[Stretch, ...]

    @property
    def shortest_s(self) -> float:
        """Length from which on stays are estimated."""
        return SHORTEST_STEPS * self.step_s

    @property
    def settled_s(self) -> float:
        """Seconds of all stretches."""
        return sum(stretch.seconds for stretch in self.stretches)

    def left_ns(self, given_up_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return when nodes most likely left that were given up at these times: between two crawls' questions."""
        middle = (self.begin_ns + self.end_ns) // 2
        last = np.searchsorted(self.end_ns, given_up_ns, side="left") - 1 - self.lag
        known = (last >= 0) & (last + 1 < len(middle))
        at = np.clip(last, 0, max(0, len(middle) - 2))
        if len(middle) < 2:
            return given_up_ns
        between = middle[at] + (middle[at + 1] - middle[at]) // 2
        return np.where(known, between, given_up_ns - round(self.lag * self.step_s * NANOS))


def rhythm_of(run: Run, begin_ns: NDArray[np.int64], end_ns: NDArray[np.int64], gone: NDArray[np.bool_]) -> Rhythm:
    """Return the rhythm, given all stays as the run holds them: from being found to being given up.

    begin_ns, end_ns int64[n]: of each; gone bool[n]: ended because crawls missed the node.
    """
    crawls = [crawl for crawl in run.crawls if crawl.answered > 0]
    begins, ends, answered = (
        np.array([getattr(crawl, name) for crawl in crawls], np.int64) for name in ("begin_ns", "end_ns", "answered")
    )
    steps = np.diff((begins + ends) / 2) / NANOS
    step_s = float(np.median(steps)) if len(steps) else float("nan")
    lag = _lag(ends, answered, begin_ns, end_ns, gone, _told(run))
    stretches = []
    for since, until in _between_gaps(run):
        inside = (begins >= since) & (ends <= until)
        found = np.sort(begin_ns[(begin_ns >= since) & (begin_ns < until)])
        stretch = _stretch(begins[inside], ends[inside], found, lag)
        if stretch is not None:
            stretches.append(stretch)
    return Rhythm(begins, ends, answered, step_s, lag, tuple(stretches))


def _told(run: Run) -> int:
    """Return after how many missed crawls the crawler was told to give a node up."""
    crawl = run.manifest.parameters.get("crawl", {})
    told = crawl.get("gone_after", _USUAL_LAG) if isinstance(crawl, dict) else _USUAL_LAG
    return told if isinstance(told, int) and 0 < told <= _MOST_LAG else _USUAL_LAG


def _between_gaps(run: Run) -> list[tuple[int, int]]:
    edges = [run.start_ns, *(at for gap in run.gaps for at in gap), run.end_ns]
    return [(begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True) if begin < end]


def _lag(
    ends: NDArray[np.int64],
    answered: NDArray[np.int64],
    begin_ns: NDArray[np.int64],
    end_ns: NDArray[np.int64],
    gone: NDArray[np.bool_],
    told: int,
) -> int:
    """Return by how many crawls answers run ahead of the nodes given up.

    At the end of a crawl the nodes that are known but did not answer are those given up within the next `lag` crawls.
    Both numbers rise and fall with chance; the lag is the one for which they do so together.
    """
    given_up = np.sort(end_ns[gone])
    crawls = len(ends) - _MOST_LAG
    if crawls < _FEWEST_CRAWLS or len(given_up) < _FEWEST_GONE:
        return told
    first = crawls // 4  # the ramp tells nothing
    missed = (at_once(begin_ns, end_ns, ends) - answered)[first:crawls]
    upto = np.searchsorted(given_up, ends, side="right")
    spread = [
        float(np.var(missed - (upto[first + lag : crawls + lag] - upto[first:crawls]))) for lag in range(_MOST_LAG + 1)
    ]
    return int(np.argmin(spread))


def _stretch(begins: NDArray[np.int64], ends: NDArray[np.int64], found: NDArray[np.int64], lag: int) -> Stretch | None:
    """Return the settled part of a time of crawls without a gap.

    It begins with the second crawl that finds no more than crawls in the later half usually do: Poisson chance at three
    deviations. It ends where the last crawls still had time to give a node up.
    """
    last = len(ends) - 2 - lag
    if len(ends) < _SETTLING or last < 1:
        return None
    new = np.diff(np.searchsorted(found, ends, side="right"), prepend=0)
    seconds = np.maximum(np.diff(ends, prepend=begins[0]), 1) / NANOS
    usual = float(np.median((new / seconds)[len(ends) // 2 :])) * seconds
    calm = np.flatnonzero(new[1:] <= usual[1:] + 3 * np.sqrt(usual[1:]) + 1) + 1
    settled = int(calm[0]) if len(calm) else len(ends) - 1
    if settled >= last:
        return None
    return Stretch(int(ends[settled]), int(ends[last]), int(ends[-1]))
