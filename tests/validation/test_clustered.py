"""Intervals for clustered trials."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from montra.validation.clustered import clustered
from montra.validation.wilson import wilson


def test_all_alike_counts_as_kish_says() -> None:
    found = clustered([(4, 4), (2, 2), (1, 1), (1, 1)])
    assert (found.clusters, found.trials, found.share, found.high) == (4, 8, 1.0, 1.0)
    assert found.effective == pytest.approx(64 / 22)
    assert found.low == pytest.approx(0.4309, abs=1e-4)  # n / (n + 1.96^2)
    assert clustered([(0, 4), (0, 4)]).effective == pytest.approx(2)
    assert clustered([(3, 7)]).effective == pytest.approx(1)


def test_known_correlation() -> None:
    # 2 of 4, 4 of 4: MSB 0.5, MSW 1/6, m0 4, so rho = (1/2 - 1/6) / (1/2 + 3/6) = 1/3 and deff = 1 + 3 / 3 = 2
    found = clustered([(2, 4), (4, 4)])
    assert found.effective == pytest.approx(4)
    assert (found.low, found.high) == pytest.approx((wilson(3, 4).low, wilson(3, 4).high))
    assert str(found) == "95 % 30.1% to 95.4% (2 keys, as 4)"


def test_independent_trials_lose_nothing() -> None:
    assert clustered([(1, 1), (0, 1), (1, 1)]).effective == 3
    assert clustered([(1, 2), (1, 2)]).effective == 4  # rho below 0 is no reason for a narrower interval


def test_nothing_tried() -> None:
    found = clustered([(0, 0)])
    assert (found.clusters, found.trials, found.low, found.high) == (0, 0, 0.0, 1.0)
    assert math.isnan(found.share)
    assert str(found) == "none"


@given(st.lists(st.integers(1, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1))
def test_never_narrower_than_plain(sizes: list[tuple[int, int]]) -> None:
    found, plain = clustered(sizes), wilson(sum(hit for hit, _ in sizes), sum(n for _, n in sizes))
    assert found.share == plain.share
    assert 1 - 1e-9 <= found.effective <= plain.trials + 1e-9
    assert found.high - found.low >= plain.high - plain.low - 1e-9
