"""Verdicts: how often intervals held what was true."""

import math

import numpy as np
import pytest

from montra.validation.estimators.known import Drawn, ReachedBy, Reaches, mean
from montra.validation.estimators.trial import Outcome, settled
from montra.validation.estimators.verdict import table, verdicts


def outcomes(name: str, hits: int, trials: int, scenario: str = "small") -> list[Outcome]:
    """Return trials of which so many held the truth 1."""
    return [Outcome(scenario, name, seed, 1.0, 1.1, 0.9 if seed < hits else 1.05, 1.2) for seed in range(trials)]


def test_an_estimator_holds_with_93_of_100_and_not_with_92() -> None:
    found = verdicts([*outcomes("a.good", 93, 100), *outcomes("a.bad", 92, 100)])
    assert [(one.estimator, one.held.hits, one.verdict) for one in found.judged] == [
        ("a.bad", 92, "FAILS"),
        ("a.good", 93, "holds"),
    ]
    assert [one.estimator for one in found.failing] == ["a.bad"]


def test_a_scenario_far_below_is_not_hidden_by_others() -> None:
    found = verdicts([*outcomes("a.b", 100, 100, "easy"), *outcomes("a.b", 86, 100, "hard")])
    (one,) = found.judged
    assert (one.held.hits, one.held.trials) == (186, 200)
    assert one.worst.scenario == "hard"
    assert one.worst.contradicts
    assert one.verdict == "FAILS"
    (almost,) = verdicts([*outcomes("a.b", 100, 100, "easy"), *outcomes("a.b", 88, 100, "hard")]).judged
    assert almost.verdict == "holds"
    (few,) = verdicts(outcomes("a.b", 9, 10)).judged
    assert few.verdict == "too few trials"


def test_a_truth_that_all_trials_tell_together_is_settled_after_them() -> None:
    drawn = [
        Outcome("small", "a.share", seed, math.nan, 0.5, 0.4, 0.8, Drawn(np.array([0.0, 1.0, float(seed)]), mean))
        for seed in (0, 1)
    ]
    assert [one.truth for one in settled(drawn)] == [0.5, 0.5]
    (one,) = verdicts(drawn).judged
    assert (one.held.hits, one.scenarios[0].truth) == (2, 0.5)


def test_what_no_scenario_knows_is_listed_and_what_is_withheld_counted() -> None:
    unknown = Outcome("small", "a.unknown", 1, math.nan, 1.0, 0.9, 1.1)
    withheld = Outcome("small", "a.told", 100, 1.0, math.nan, math.nan, math.nan)
    without_interval = Outcome("small", "a.count", 1, math.nan, 5.0, math.nan, math.nan)
    found = verdicts([unknown, withheld, without_interval, *outcomes("a.told", 10, 10)])
    assert found.never_judged == ["a.unknown"]
    (one,) = found.judged
    assert (one.held.trials, one.scenarios[0].withheld) == (10, 1)
    header, row = table(found)
    assert row[:4] == ("a.told", "10 of 10", "small", "10 of 10")
    assert dict(zip(header, row, strict=True))["Verdict"] == "holds"


def test_shares_and_ranks_of_what_was_drawn() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert Reaches(3.0)(values) == 0.5
    assert ReachedBy(0.5)(values) == 3.0
    assert ReachedBy(0.1)(values) == 4.0
    assert math.isnan(mean(np.empty(0)))


@pytest.mark.parametrize(("low", "high", "hit"), [(0.9, 1.0, True), (1.0, 1.0, True), (1.01, 1.2, False)])
def test_bounds_belong_to_the_interval(low: float, high: float, *, hit: bool) -> None:
    assert Outcome("s", "a.b", 1, 1.0, 1.0, low, high).hit is hit
