"""Rates of a window: known values, and that their intervals hold the truth in 93 of 100 trials and more."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.traffic.intervals import share_bounds
from analysis.traffic.overall import band_of, rate_of, repeats_of
from analysis.traffic.series import NAMES, Series
from analysis.trust.capture import BY_CANARIES, CaptureRate

from .worlds import database, rows

TRIALS = 100
HOURS = 6


def series(seconds: NDArray[np.float64], running_s: NDArray[np.float64] | None = None) -> Series:
    """Return six hours of lookups at these times."""
    edges = np.arange(0, HOURS * 3600 + 1, 60)
    counts = np.zeros((len(edges) - 1, len(NAMES)), np.int64)
    counts[:, 0] = np.histogram(seconds, edges)[0]
    full = np.full(len(counts), 60.0)
    return Series(60, edges[:-1] * 10**9, full if running_s is None else running_s, counts, full, full.copy())


def poisson(rng: np.random.Generator, a_minute: float) -> NDArray[np.float64]:
    return rng.uniform(0, HOURS * 3600, rng.poisson(a_minute * HOURS * 60))


def bursty(rng: np.random.Generator, a_minute: float, size: float = 8, span_s: float = 60) -> NDArray[np.float64]:
    """Return lookups that come in bursts of a geometric size, spread over a minute."""
    begin = rng.uniform(-10 * span_s, HOURS * 3600, rng.poisson(a_minute / size * (HOURS * 60 + 10 * span_s / 60)))
    times = np.repeat(begin, rng.geometric(1 / size, len(begin)))
    return times + rng.exponential(span_s, len(times))


@pytest.mark.parametrize(("make", "a_minute"), [(poisson, 20.0), (poisson, 0.05), (bursty, 20.0)])
def test_the_rate_as_captured_holds_the_truth(make: type, a_minute: float) -> None:
    rng = np.random.default_rng(0)
    found = [rate_of(series(make(rng, a_minute)), "lookups", None).captured for _ in range(TRIALS)]
    assert sum(low <= a_minute <= high for _, low, high in found) >= 93
    assert float(np.mean([rate for rate, _, _ in found])) == pytest.approx(a_minute, rel=0.06)


def test_it_holds_the_truth_with_gaps_and_a_trend() -> None:
    rng = np.random.default_rng(1)
    running = np.full(HOURS * 60, 60.0)
    running[60:100] = 0
    running[200:210] = 30
    at = np.arange(HOURS * 60) * 60 + 30
    mean = np.linspace(5, 30, HOURS * 60)
    truth = float((mean * running).sum() / running.sum())
    held = 0
    for _ in range(TRIALS):
        counts = rng.poisson(mean * running / 60)
        _, low, high = rate_of(series(np.repeat(at, counts), running), "lookups", None).captured
        held += low <= truth <= high
    assert held >= 93


def test_the_corrected_rate_holds_the_truth_with_the_capture_rates_own_error() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(TRIALS):
        hits = int(rng.binomial(300, 0.8))
        capture = CaptureRate(hits / 300, *share_bounds(hits, 300), 300, BY_CANARIES)
        made = bursty(rng, 20.0)
        rate = rate_of(series(made[rng.random(len(made)) < 0.8]), "lookups", capture)
        held += rate.corrected[1] <= 20 <= rate.corrected[2]
        assert rate.corrected[0] == pytest.approx(rate.captured[0] / capture.share)
    assert held >= 93


def test_repeats_of_a_requester_hours_apart_widen_the_bounds() -> None:
    """Clients ask again and again while they want a key: parts of the window do not show that these belong together."""
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(TRIALS):
        begins = rng.uniform(-12 * 3600, HOURS * 3600, rng.poisson(150 * 18))
        asks = rng.geometric(0.25, len(begins))  # every 50 minutes
        who = np.repeat(np.arange(len(begins)), asks)
        again = np.arange(len(who)) - np.repeat(np.cumsum(asks) - asks, asks)
        times = np.repeat(begins, asks) + again * 3000.0
        inside = (times >= 0) & (times < HOURS * 3600)
        n = np.bincount(who[inside])
        rate = rate_of(series(times[inside]), "lookups", None, float((n * n).sum() / n.sum()))
        held += rate.captured[1] <= 150 * 4 / 60 <= rate.captured[2]
    assert held >= 93


def test_bursts_that_come_again_with_those_who_ask_again_widen_the_bounds() -> None:
    """One in so many asks again a quarter of an hour later: a burst is a burst of the second asks, too."""
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(TRIALS):
        begins = bursty(rng, 20.0)
        asks = rng.geometric(0.6, len(begins))
        who = np.repeat(np.arange(len(begins)), asks)
        again = np.arange(len(who)) - np.repeat(np.cumsum(asks) - asks, asks)
        times = (np.repeat(begins, asks) + again * 900.0 * rng.normal(1, 0.05, len(who))) % (HOURS * 3600)
        n = np.bincount(who)
        rate = rate_of(series(times), "lookups", None, float((n * n).sum() / n.sum()))
        held += rate.captured[1] <= 20 / 0.6 <= rate.captured[2]
    assert held >= 93


def test_repeats_are_of_a_requester_for_a_key() -> None:
    requester = np.array([1, 1, 1, 2, 2, 3])
    key = np.array([7, 7, 8, 7, 7, 9])
    db = database(
        rows(np.arange(6.0), requester, key, "search"),
        rows(np.arange(2.0), 1, 7, "publish"),
        rows(np.arange(9.0), 1, 7, "search", maintenance=2),
    )
    # Searches: pairs of 2, 1, 2 and 1; lookups, of which publishes are some: 4, 1, 2 and 1.
    assert repeats_of(db, ["searches", "lookups", "announces"], 8) == {
        "searches": pytest.approx(10 / 6),
        "lookups": pytest.approx(22 / 8),
        "announces": 1.0,
    }


def test_a_run_never_at_work_has_no_rate_and_nobody_knows_the_corrected_one() -> None:
    empty = series(np.empty(0), np.zeros(HOURS * 60))
    assert math.isnan(rate_of(empty, "lookups", None).captured[0])
    rate = rate_of(series(np.empty(0)), "lookups", None)
    assert rate.captured == (0.0, 0.0, pytest.approx(-math.log(0.0175) / 360))
    assert all(map(math.isnan, rate.corrected))
    assert rate.excess == 0.0


def test_bounds_over_time_are_wide_where_little_was_monitored() -> None:
    rng = np.random.default_rng(4)
    one = series(poisson(rng, 60.0))
    visible = np.full(HOURS * 60, 54.0)
    visible[:30] = np.linspace(0, 54, 30)
    one = Series(60, one.begin_ns, one.running_s, one.counts, one.found_s, visible)
    capture = CaptureRate(0.8, 0.76, 0.84, 400, BY_CANARIES)
    band = band_of(one, rate_of(one, "lookups", capture), capture)
    assert np.isnan(band.high[0])  # no monitor was visible: anything may have been missed
    assert band.high[3] > 3 * band.high[200]
    late = slice(60, None)
    assert float(((band.low <= 75) & (band.high >= 75))[late].mean()) > 0.95
    assert (band.low[late] <= band.captured[late] / 0.76).all()
    unknown = band_of(one, rate_of(one, "lookups", None), None)
    assert (unknown.low <= unknown.captured).all()
    assert (unknown.high[1:] >= unknown.captured[1:]).all()
