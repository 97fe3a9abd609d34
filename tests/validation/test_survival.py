"""The product-limit estimate."""

import math

from montra.validation.survival import Delay, quantiles


def test_a_published_table() -> None:
    # weeks in remission under 6-MP (Freireich et al., Blood 21, 1963): median 23, S(6) = 0.857, S(22) = 0.538
    ended = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    delays = [Delay(week, True) for week in ended] + [Delay(week, False) for week in censored]
    assert quantiles(delays, (0.14, 0.15, 0.46, 0.47, 0.5, 0.9)) == [6, 7, 22, 23, 23, math.inf]


def test_without_censoring_it_counts() -> None:
    delays = [Delay(float(s), True) for s in range(10, 0, -1)]
    assert quantiles(delays, (0.1, 0.5, 0.9, 1.0)) == [1, 5, 9, 10]


def test_nothing_reached_and_nothing_there() -> None:
    assert quantiles([Delay(5.0, False), Delay(7.0, False)], (0.5,)) == [math.inf]
    assert math.isnan(quantiles([], (0.5,))[0])
