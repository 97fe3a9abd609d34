"""Nodes that come and nodes that go: their rates, and the lengths of stays between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from analysis.load import NANOS
from analysis.network.lengths import Lengths
from analysis.network.rhythm import Rhythm
from analysis.network.stays import ENDED, End, Stays
from analysis.traffic.intervals import Z, count_bounds

_BINS = 120
_PARTS = 20
_LEAST_PARTS = 8
_LEAST_EVENTS = 40


@dataclass(frozen=True, slots=True)
class Rate:
    """Events a minute with 95 % bounds, and how many were counted in how many seconds; NaN for no time."""

    value: float
    low: float
    high: float
    count: int
    seconds: float


def lengths_of(stays: Stays, rhythm: Rhythm, unknown: float) -> Lengths:
    """Return the lengths of the stays that began in settled times.

    unknown: nodes that were still to be found when these began. Half a crawl is added for the time before a node was
    found, and leaving is put between the last answer and the first missed one, so lengths are right on average.
    """
    begin, end = stays.begin_ns, stays.end_ns
    seconds, ended, watched = (np.empty(0), np.empty(0, np.bool_), np.empty(0))
    before_s = rhythm.step_s / 2
    for stretch in rhythm.stretches:
        new = (begin > stretch.from_ns) & (begin <= stretch.until_ns) & ~stays.again
        gone = np.isin(stays.how[new], ENDED) & (end[new] <= stretch.until_ns)
        length = (np.minimum(end[new], stretch.until_ns) - begin[new]) / NANOS + before_s
        seconds = np.append(seconds, length)
        ended = np.append(ended, gone)
        out_of_sight = np.isin(stays.how[new], (End.LEFT, End.UNCLEAR)) & (end[new] <= stretch.until_ns)
        could = (stretch.until_ns - begin[new]) / NANOS + before_s
        watched = np.append(watched, np.where(out_of_sight, length, could))
    long = seconds >= rhythm.shortest_s
    return Lengths(
        seconds[long],
        ended[long],
        watched[long],
        rhythm.shortest_s,
        rhythm.step_s,
        unknown,
    )


def half_window_s(rhythm: Rhythm) -> float:
    """Return for how long stays of the create-based method are watched: half of the longest settled time."""
    return max((stretch.seconds for stretch in rhythm.stretches), default=0.0) / 2


def arrivals(stays: Stays, rhythm: Rhythm, unknown: float) -> Rate:
    """Return how many nodes come a minute that stay for `Rhythm.shortest_s` at least.

    Counted are those found in settled times, early enough to see whether they stay. The lower bound leaves out as many
    as were still to be found when these times began, since they may have been there before; lengths being known to one
    crawl, the bounds are those of stays that are longer and shorter by one.
    """
    shortest_ns = _shortest_ns(rhythm)
    spans = [(stretch.from_ns, stretch.until_ns - shortest_ns) for stretch in rhythm.stretches]
    length_ns = _lengths_ns(stays, rhythm)
    return _rate(stays.begin_ns[~stays.again], length_ns[~stays.again], rhythm, spans, unknown)


def departures(stays: Stays, rhythm: Rhythm) -> Rate:
    """Return how many nodes leave the zone a minute after a stay of `Rhythm.shortest_s` at least.

    Who was there from the start counts from then on that the stay is surely as long. Bounds as in `arrivals`.
    """
    shortest_ns = _shortest_ns(rhythm)
    left = np.isin(stays.how, (*ENDED, End.LEFT))
    spans = [(stretch.from_ns + shortest_ns, stretch.until_ns) for stretch in rhythm.stretches]
    return _rate(stays.end_ns[left], _lengths_ns(stays, rhythm)[left], rhythm, spans, 0.0)


def _shortest_ns(rhythm: Rhythm) -> int:
    return round(rhythm.shortest_s * NANOS) if rhythm.stretches else 0


def _lengths_ns(stays: Stays, rhythm: Rhythm) -> NDArray[np.int64]:
    """Return how long stays are known to have lasted, with half a crawl for the time before they were found."""
    before_ns = round(rhythm.step_s / 2 * NANOS) if rhythm.stretches else 0
    return stays.end_ns - stays.begin_ns + before_ns


def _rate(
    times: NDArray[np.int64],
    length_ns: NDArray[np.int64],
    rhythm: Rhythm,
    spans: list[tuple[int, int]],
    doubtful: float,
) -> Rate:
    """Return the rate of events at these times within spans, of stays long enough."""
    whole = [(begin, end) for begin, end in spans if begin < end]
    seconds = sum(end - begin for begin, end in whole) / NANOS
    if not whole:
        return Rate(np.nan, np.nan, np.nan, 0, 0.0)
    edges = [
        np.linspace(begin, end, max(2, round(_BINS * (end - begin) / NANOS / seconds) + 1)) for begin, end in whole
    ]
    exposure = np.concatenate([np.diff(of) / NANOS for of in edges])
    shortest_ns, step_ns = _shortest_ns(rhythm), round(rhythm.step_s * NANOS)
    counts, bounds = [], []
    for least_ns in (shortest_ns, shortest_ns + step_ns, shortest_ns - step_ns):
        shown = times[length_ns >= least_ns]
        together = np.concatenate([np.histogram(shown, of)[0] for of in edges]).astype(np.int64)
        counts.append(int(together.sum()))
        bounds.append(count_bounds(counts[-1], _burstiness(together, exposure)))
    low, high, minutes = max(0.0, bounds[1][0] - doubtful), bounds[2][1], seconds / 60
    return Rate(counts[0] / minutes, low / minutes, high / minutes, counts[0], seconds)


def _burstiness(counts: NDArray[np.int64], exposure: NDArray[np.float64]) -> float:
    """Return how many times the variance of a count is that of independent events, at least 1, to be used in bounds.

    Some twenty parts of the window are compared with its mean rate (Pearson's chi-square by its degrees of freedom,
    McCullagh and Nelder 1989, section 6.2), so a trend counts as well; the factor is raised by the quantile of
    Student's t, since it is itself estimated. Of few events nothing is said.
    """
    first = np.unique(np.linspace(0, len(counts), min(_PARTS, len(counts)) + 1).astype(np.intp)[:-1])
    n, seconds = np.add.reduceat(counts, first), np.add.reduceat(exposure, first)
    if len(n) < _LEAST_PARTS or n.sum() < _LEAST_EVENTS:
        return 1.0
    mean = seconds * (n.sum() / seconds.sum())
    freedom = len(n) - 1
    factor = float(((n - mean) ** 2 / mean).sum()) / freedom
    return max(1.0, factor * (float(t.ppf(0.975, freedom)) / Z) ** 2)
