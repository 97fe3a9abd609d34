"""Rates of coming and going: what is counted, and bounds that hold when nodes come in bursts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.network.flows import arrivals, departures, half_window_s, lengths_of
from analysis.network.rhythm import Rhythm, Stretch
from analysis.network.stays import End, Stays

from ..samples import at

NOTHING = np.empty(0, np.int64)


def rhythm(*stretches: tuple[float, float]) -> Rhythm:
    """Crawls of a minute, settled between these seconds."""
    return Rhythm(
        NOTHING,
        NOTHING,
        NOTHING,
        60.0,
        2,
        tuple(Stretch(at(since), at(until), at(until)) for since, until in stretches),
    )


def stays(*rows: tuple[float, float, End], again: bool = False) -> Stays:
    begin, end, how = zip(*rows, strict=True)
    return Stays(
        np.array([at(one) for one in begin], np.int64),
        np.array([at(one) for one in end], np.int64),
        np.array(how, np.uint8),
        np.full(len(rows), again),
    )


def test_who_comes_in_settled_times_and_stays_long_enough_is_counted() -> None:
    come = stays(
        (100, 9000, End.STILL),  # in the ramp
        (700, 900, End.GONE),  # 200 s, and 30 s before it was found
        (800, 910, End.GONE),  # 140 s: shorter than two and a half crawls
        (4000, 4200, End.LEFT),
        (4100, 4100, End.SILENT),
        (4150, 9000, End.STILL),  # too late to see whether it stays
    )
    found = arrivals(come, rhythm((600, 4200)), 0.0)
    assert (found.count, found.seconds) == (2, 3450)
    assert found.value == pytest.approx(2 / 57.5)
    assert found.low < found.value < found.high
    assert arrivals(stays((700, 900, End.GONE), again=True), rhythm((600, 4200)), 0.0).count == 0


def test_who_leaves_counts_once_the_stay_is_surely_long_enough() -> None:
    left = stays(
        (0, 700, End.GONE),  # within the shortest stay of the settled times: perhaps it came just before
        (0, 900, End.GONE),
        (700, 900, End.LEFT),
        (800, 860, End.GONE),
        (0, 2000, End.UNCLEAR),
        (0, 9000, End.STILL),
    )
    assert departures(left, rhythm((600, 4200))).count == 2


def test_two_stretches_are_one_time() -> None:
    come = stays((700, 1500, End.GONE), (2500, 3000, End.GONE), (2000, 9000, End.STILL))
    found = arrivals(come, rhythm((600, 1800), (2400, 4200)), 0.0)
    assert (found.count, found.seconds) == (2, 1050 + 1650)
    assert half_window_s(rhythm((600, 1800), (2400, 4200))) == 900


def test_nodes_still_unknown_may_all_be_false_arrivals() -> None:
    come = stays(*((700.0 + 60 * n, 2000.0 + 60 * n, End.GONE) for n in range(40)))
    sure, doubtful = (arrivals(come, rhythm((600, 4200)), unknown) for unknown in (0.0, 10.0))
    assert sure.low - doubtful.low == pytest.approx(10 / (sure.seconds / 60))
    assert (sure.value, sure.high) == (doubtful.value, doubtful.high)


def test_without_settled_times_nothing_is_told() -> None:
    assert math.isnan(arrivals(stays((0, 1, End.GONE)), rhythm(), 0.0).value)
    assert math.isnan(departures(stays((0, 1, End.GONE)), rhythm()).low)


def test_lengths_of_who_went_out_of_sight_are_watched_only_until_then() -> None:
    known = lengths_of(
        stays((700, 1270, End.LEFT), (700, 1270, End.GONE), (700, 9000, End.STILL), (700, 790, End.GONE)),
        rhythm((600, 4200)),
        3.0,
    )
    assert known.seconds.tolist() == [600, 600, 3530]
    assert known.ended.tolist() == [False, True, False]
    assert known.watched_s.tolist() == [600, 3530, 3530]
    assert (known.shortest_s, known.step_s, known.doubtful) == (150, 60, 3)


def bursts(rng: np.random.Generator, rate: float, seconds: float) -> NDArray[np.float64]:
    """Return times at which nodes come, at a rate that differs from two minutes to the next by half."""
    parts = np.arange(0, seconds, 120)
    counts = rng.poisson(rate * 120 * rng.gamma(4, 1 / 4, len(parts)))
    return np.repeat(parts, counts) + 120 * rng.random(int(counts.sum()))


def test_a_hundred_windows_of_bursts() -> None:
    rate, hits = 0.1, {"arrivals": 0, "departures": 0}
    watched = rhythm((600, 14400))
    for seed in range(100):
        rng = np.random.default_rng(seed)
        come = bursts(rng, rate, 15000)
        rows = stays(*((float(begin), float(begin) + 600, End.GONE) for begin in come))
        for name, found in (("arrivals", arrivals(rows, watched, 0.0)), ("departures", departures(rows, watched))):
            hits[name] += found.low <= 60 * rate <= found.high
    assert min(hits.values()) >= 93, hits
