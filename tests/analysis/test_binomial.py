"""Exact bounds of shares, beside published values."""

import numpy as np
import pytest

from analysis.binomial import exact_bounds


def test_bounds_are_those_of_clopper_and_pearson() -> None:
    low, high = exact_bounds(np.array([0, 1, 5, 10]), 10, 0.05)
    assert low == pytest.approx([0.0, 0.0025286, 0.187086, 0.691503], abs=1e-6)
    assert high == pytest.approx([0.308497, 0.445016, 0.812914, 1.0], abs=1e-6)


def test_hits_need_not_be_whole() -> None:
    low, high = exact_bounds(np.array([2.0, 2.5, 3.0]), 10.5, 0.05)
    assert (np.diff(low) > 0).all()
    assert (np.diff(high) > 0).all()
