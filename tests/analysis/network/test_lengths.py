"""Lengths of stays, some of which are only known to be longer: against published numbers, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.network.lengths import LEAST_STAYS, Lengths, create_based, kaplan_meier, quantile, thinned


def lengths(seconds: list[float], ended: list[bool], times: int = 1, **more: float) -> Lengths:
    """Return the lengths, each so many times, that could have been watched for 100 s."""
    n = len(seconds) * times
    given = {"shortest_s": 1.0, "step_s": 0.0} | more
    return Lengths(np.array(seconds * times, float), np.array(ended * times), np.full(n, 100.0), **given)


# Freireich et al. 1963, remission under 6-MP in weeks, as in Kaplan-Meier's textbooks: 21 patients, 9 relapses.
WEEKS = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
ENDED = [bool(int(end)) for end in "111010100110001100000"]


def test_kaplan_meier_is_that_of_the_textbook() -> None:
    # Forty patients in the place of each: the shares are the same, and enough are watched to the last.
    found = kaplan_meier(lengths([float(week) for week in WEEKS], ENDED, times=40))
    assert found is not None
    assert found.seconds.tolist() == [1, 6, 7, 10, 13, 16, 22, 23]
    wanted = [1.0, 0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    assert found.share == pytest.approx(wanted, abs=5e-4)
    assert (found.stays, found.until_s) == (840, 35)
    assert found.at(np.array([0.5, 6.0, 9.9, 35.0, 36.0]))[0] == pytest.approx(
        [math.nan, 0.857, 0.807, 0.448, math.nan], abs=5e-4, nan_ok=True
    )


def test_bounds_of_kaplan_meier_are_greenwoods() -> None:
    # S(6) of 840, 120 ended at once: var(S) = S^2 * d / (n (n - d)); bounds of 97 % on the log(-log) scale.
    found = kaplan_meier(lengths([float(week) for week in WEEKS], ENDED, times=40))
    assert found is not None
    share, spread = 720 / 840, 2.17009 * math.sqrt(120 / (840 * 720)) / abs(math.log(720 / 840))
    assert found.low[1] == pytest.approx(share ** math.exp(spread))
    assert found.high[1] == pytest.approx(share ** math.exp(-spread))


def test_create_based_takes_only_who_could_be_watched_long_enough() -> None:
    known = Lengths(
        np.append(np.arange(1.0, 41.0), [5.0] * 10),
        np.append(np.ones(40, np.bool_), np.zeros(10, np.bool_)),
        np.append(np.full(40, 60.0), np.full(10, 5.0)),  # ten came too late
        shortest_s=1.0,
        step_s=0.0,
    )
    found = create_based(known, 30.0)
    assert found is not None
    assert (found.stays, found.until_s) == (40, 30)
    assert found.at(np.array([10.0, 20.0, 30.0]))[0].tolist() == [0.75, 0.5, 0.25]
    assert np.isnan(found.at(np.array([31.0]))).all()
    value, low, high = quantile(found, known, 0.5)
    assert (value, low < 20 < high) == (20, True)
    # Beyond half of the window nothing is told, not even by those whose length is known.
    assert np.isnan(quantile(found, known, 0.9)).all()


def test_bounds_are_moved_out_by_a_crawl_and_by_doubt() -> None:
    times = [float(n) for n in range(1, 201)]
    sure = lengths(times, [True] * 200)
    found = kaplan_meier(sure)
    assert found is not None
    value, low, high = quantile(found, sure, 0.5)
    assert (value, low, high) == (100, 85, 115)
    assert quantile(found, lengths(times, [True] * 200, step_s=2.0), 0.5) == (100, 83, 117)
    doubted = quantile(found, lengths(times, [True] * 200, doubtful=20.0), 0.5)
    assert doubted[0] == value
    assert doubted[1] < low - 5
    assert doubted[2] > high + 5


def test_an_upper_bound_out_of_reach_is_infinite() -> None:
    known = lengths([10.0] * 14 + [20.0] * 12, [True] * 14 + [False] * 12)
    found = kaplan_meier(known)
    assert found is not None
    assert quantile(found, known, 0.5)[0] == 10
    assert quantile(found, known, 0.5)[2] == math.inf


def test_too_few_tell_nothing() -> None:
    few = lengths([5.0] * (LEAST_STAYS - 1), [True] * (LEAST_STAYS - 1))
    assert kaplan_meier(few) is None
    assert create_based(few, 10.0) is None
    enough = lengths([5.0] * LEAST_STAYS, [True] * LEAST_STAYS)
    assert create_based(enough, 10.0) is not None
    assert create_based(enough, 1.0) is None  # half of the window is no longer than the shortest stay


def test_few_steps_of_many_are_those_steps() -> None:
    found = kaplan_meier(lengths([float(n) for n in range(2, 2002)], [True] * 2000))
    assert found is not None
    few = thinned(found, 50)
    assert len(few.seconds) == 50
    assert (few.seconds[0], few.seconds[-1]) == (found.seconds[0], found.seconds[-1])
    assert few.at(few.seconds).tolist() == found.at(few.seconds).tolist()
    assert thinned(found, 5000) is found
