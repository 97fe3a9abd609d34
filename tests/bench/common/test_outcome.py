"""Figures, ratios and curves of an outcome."""

from __future__ import annotations

import json
import math

import pytest

from bench.common.outcome import Curve, Goal, Outcome, Summary, ratios, summary
from bench.common.text import lines


def curve(costs: tuple[float, ...]) -> Curve:
    return Curve("c", "rows", (100.0, 1_000.0, 10_000.0, 100_000.0), "seconds", costs)


def test_summary_is_median_least_most() -> None:
    assert summary([3.0, 1.0, 10.0]) == Summary(3.0, 1.0, 10.0)
    with pytest.raises(ValueError, match="no rounds"):
        summary([])


def test_ratios_are_formed_in_each_round() -> None:
    # a machine that got four times slower between the rounds changes no ratio
    rounds = [{"a": {"x": 8.0}, "b": {"x": 4.0}}, {"a": {"x": 2.0}, "b": {"x": 1.0}}]
    assert ratios(rounds, "a", "b", "x") == Summary(2.0, 2.0, 2.0)


def test_n_log_n_has_exponent_one() -> None:
    found = curve(tuple(7 * n * math.log(n) for n in (100, 1_000, 10_000, 100_000)))
    assert found.exponent == pytest.approx(1.0)
    assert found.grows_as_wanted


def test_a_square_grows_faster_than_wanted() -> None:
    found = curve(tuple(float(n * n) for n in (100, 1_000, 10_000, 100_000)))
    assert found.exponent > 1.6
    assert not found.grows_as_wanted


def test_summarise_takes_what_every_round_of_a_system_has() -> None:
    outcome = Outcome("b", {}, {}, rounds=[{"a": {"x": 1, "y": 2}, "b": {"x": 5}}, {"a": {"x": 3}, "b": {"x": 5}}])
    outcome.summarise("x", "y")
    assert outcome.figures == {"a": {"x": Summary(2, 1, 3)}, "b": {"x": Summary(5, 5, 5)}}


def test_an_outcome_is_json_and_text() -> None:
    outcome = Outcome("store", {"cpu": "two"}, {"rows": 5}, rounds=[{"a": {"x (s)": 1.5}, "b": {"x (s)": 3.0}}])
    outcome.summarise("x (s)")
    outcome.ratios["a / b, x"] = ratios(outcome.rounds, "a", "b", "x (s)")
    outcome.curves.append(curve((1.0, 20.0, 300.0, 4_000.0)))
    outcome.goals += [Goal("rate", "at least 2", "1.5", met=False), Goal("loss", "none", "0", met=True)]
    outcome.problems.append("2 and 3")
    plain = json.loads(json.dumps(outcome.as_dict()))
    assert plain["figures"]["b"]["x (s)"] == {"median": 3.0, "least": 3.0, "most": 3.0}
    assert plain["ratios"]["a / b, x"]["median"] == 0.5
    assert plain["curves"][0]["sizes"] == [100, 1_000, 10_000, 100_000]
    assert plain["curves"][0]["grows_as_wanted"] is True
    text = "\n".join(lines(outcome))
    assert "MISSED   rate: 1.5; aimed at at least 2" in text
    assert "reached  loss: 0; aimed at none" in text
    assert "PROBLEM  2 and 3" in text
    assert "0.5 (0.5 - 0.5)" in text
