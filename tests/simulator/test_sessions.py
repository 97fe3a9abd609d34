"""Session lengths and who is up when."""

import numpy as np
import pytest

from montra.simulator.sessions import Sessions

LENGTHS = Sessions.of_quantiles(12_000.0, 540_000.0, 0.03)


def test_lengths_have_the_published_quantiles() -> None:
    assert LENGTHS.shape == pytest.approx(0.4259, abs=1e-3)
    drawn = LENGTHS.draw(200_000, np.random.default_rng(1))
    assert np.mean(drawn < 12_000) == pytest.approx(0.5, abs=0.005)
    assert np.mean(drawn > 540_000) == pytest.approx(0.03, abs=0.002)
    assert drawn.mean() == pytest.approx(LENGTHS.mean_s, rel=0.03)


def test_sessions_met_running_are_the_long_ones() -> None:
    age, rest = LENGTHS.draw_running(200_000, np.random.default_rng(2))
    assert age.mean() == pytest.approx(rest.mean(), rel=0.03)
    # the mean rest of a renewal process: E[L^2] / 2 E[L]
    lengths = LENGTHS.draw(2_000_000, np.random.default_rng(3))
    assert rest.mean() == pytest.approx(np.mean(lengths**2) / 2 / lengths.mean(), rel=0.1)


def test_the_network_neither_grows_nor_shrinks() -> None:
    up, down = LENGTHS.intervals(20_000, -3600.0, 21_600.0, np.random.default_rng(4))
    live = [int(np.count_nonzero((up <= t) & (down > t))) for t in (-3600.0, 0.0, 10_000.0, 21_599.0)]
    assert live[0] == 20_000
    assert live[1:] == pytest.approx([20_000] * 3, rel=0.02)
    assert bool(np.all(down > -3600.0))
    assert bool(np.all(up < 21_600.0))
