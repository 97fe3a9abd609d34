"""Delay and loss."""

import random

import numpy as np
import pytest

from montra.simulator.latency import Wire


def test_delays_have_the_median_asked_for() -> None:
    wire = Wire(0.05, 0.5, 0.0, random.Random(1))
    ends = wire.ends_ns(20_000, np.random.default_rng(1))
    assert np.median(ends) == pytest.approx(25e6, rel=0.03)
    assert np.std(np.log(ends)) == pytest.approx(0.5, abs=0.02)
    assert wire.ours_ns == 25_000_000
    assert 1e6 < wire.end_ns() < 1e9


def test_loss_is_as_often_as_asked_for() -> None:
    wire = Wire(0.05, 0.5, 0.02, random.Random(1))
    assert sum(wire.lost() for _ in range(50_000)) / 50_000 == pytest.approx(0.02, abs=0.003)
    assert not any(Wire(0.05, 0.5, 0.0, random.Random(1)).lost() for _ in range(100))
