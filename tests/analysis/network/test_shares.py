"""Shares of a sample, with bounds that are never too narrow."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.network.shares import shares_of


def test_published_bounds() -> None:
    # Clopper and Pearson's exact interval: 0 of 10, 1 of 10 and 10 of 10.
    found = shares_of([0, 1, 10], 10, outside=0.05)
    assert found.share.tolist() == [0, 0.1, 1]
    assert found.low == pytest.approx([0, 0.00253, 0.69150], abs=5e-6)
    assert found.high == pytest.approx([0.30850, 0.44502, 1], abs=5e-6)


def test_of_nothing() -> None:
    found = shares_of([0, 0], 0)
    assert np.isnan([found.share, found.low, found.high]).all()
    assert len(shares_of([], 5).share) == 0


@pytest.mark.parametrize("n", [40, 400])
def test_a_hundred_samples(n: int) -> None:
    truth = np.array([0.6, 0.3, 0.073, 0.027])
    hits = np.zeros(4, int)
    for seed in range(100):
        found = shares_of(np.random.default_rng(seed).multinomial(n, truth).tolist(), n)
        hits += (found.low <= truth) & (truth <= found.high)
    assert (hits >= 93).all(), hits
