"""Gini, Lorenz, shares and variation of known vectors; a histogram gives what its values do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.imbalance.measures import curve, gini, lorenz, top_share, variation


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, 1, 1, 1], 0.0), ([0, 0, 0, 1], 0.75), ([1, 2, 3, 4], 0.25), ([4, 3, 2, 1], 0.25), ([7], 0.0), ([0, 2], 0.5)],
)
def test_gini_of_known_vectors(values: list[int], expected: float) -> None:
    assert gini(np.array(values, np.float64)) == pytest.approx(expected)


def test_variation_of_known_vectors() -> None:
    assert variation(np.array([2.0, 2.0])) == 0.0
    assert variation(np.array([0.0, 2.0])) == 1.0
    assert variation(np.array([1.0, 3.0]), np.array([3.0, 1.0])) == pytest.approx(math.sqrt(0.75) / 1.5)


def test_nothing_has_no_measures() -> None:
    for measure in (gini, variation, lambda values: top_share(values, 0.1)):
        assert math.isnan(measure(np.empty(0)))
        assert math.isnan(measure(np.zeros(3)))
    assert [part.tolist() for part in lorenz(np.zeros(2))] == [[], []]


def test_top_share_takes_one_at_least() -> None:
    values = np.array([1.0, 1.0, 2.0, 6.0])
    assert top_share(values, 0.01) == 0.6
    assert top_share(values, 0.5) == 0.8


def test_lorenz_goes_from_nothing_to_all() -> None:
    x, y = lorenz(np.array([3.0, 0.0, 1.0, 0.0]))
    assert x.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert y.tolist() == [0.0, 0.0, 0.0, 0.25, 1.0]


def test_a_long_curve_is_thinned_keeps_its_ends_and_shows_the_most_loaded() -> None:
    x, y = curve(np.arange(5000.0))
    assert len(x) == len(y) <= 202
    assert (x[0], y[0], x[-1], y[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert x[-2] > 0.999


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 5)), min_size=1, max_size=8), st.floats(0.01, 1))
def test_a_histogram_gives_what_its_values_do(cells: list[tuple[int, int]], share: float) -> None:
    values, weights = (np.array(column, np.float64) for column in zip(*cells, strict=True))
    spread = np.repeat(values, weights.astype(int))
    for one, other in (
        (gini(values, weights), gini(spread)),
        (variation(values, weights), variation(spread)),
        (top_share(values, share, weights), top_share(spread, share)),
    ):
        assert one == pytest.approx(other, nan_ok=True, abs=1e-9)
