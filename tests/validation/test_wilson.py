"""Wilson intervals against published values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from montra.validation.wilson import wilson


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (5, 10, 0.2366, 0.7634),
        (400, 400, 0.9905, 1.0),
    ],
)
def test_known_values(hits: int, trials: int, low: float, high: float) -> None:
    proportion = wilson(hits, trials)
    assert proportion.share == hits / trials
    assert round(proportion.low, 4) == low
    assert round(proportion.high, 4) == high


def test_nothing_tried_says_nothing() -> None:
    proportion = wilson(0, 0)
    assert math.isnan(proportion.share)
    assert (proportion.low, proportion.high) == (0.0, 1.0)
    assert str(proportion) == "none"


def test_reads_as_a_sentence_part() -> None:
    assert str(wilson(15, 148)) == "10.1% (15 of 148; 95 % 6.2% to 16.0%)"


@pytest.mark.parametrize(("hits", "trials"), [(-1, 3), (4, 3), (0, -1)])
def test_refuses_what_is_no_proportion(hits: int, trials: int) -> None:
    with pytest.raises(ValueError, match="is no proportion"):
        wilson(hits, trials)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_holds_the_share_and_mirrors(pair: tuple[int, int]) -> None:
    hits, trials = pair
    proportion, mirrored = wilson(hits, trials), wilson(trials - hits, trials)
    assert 0 <= proportion.low <= proportion.share <= proportion.high <= 1
    assert proportion.low == pytest.approx(1 - mirrored.high, abs=1e-12)
