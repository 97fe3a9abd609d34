"""Departures."""

import random

from montra.lab.churn import Departures


def test_sessions_are_exponential() -> None:
    departures = Departures(100.0, random.Random(1))
    for index in range(10_000):
        departures.enter(index, 1000.0)
    assert departures.due(1000.0) == []
    gone = departures.due(1100.0)
    assert 0.61 < len(gone) / 10_000 < 0.655  # 1 - 1/e = 0.632
    rest = departures.due(1e9)
    assert sorted(gone + rest) == list(range(10_000))
    assert departures.due(1e9) == []


def test_nobody_leaves_a_static_network() -> None:
    departures = Departures(0.0, random.Random(1))
    departures.enter(1, 0.0)
    assert departures.due(1e12) == []
