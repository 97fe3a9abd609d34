"""Truths are computed otherwise than the analysis does, and right."""

import math
from pathlib import Path

import numpy as np
import pytest

from montra.validation.estimators.known_imbalance import gini, measure
from montra.validation.estimators.known_network import mean_beyond
from montra.validation.estimators.known_popularity import parameters
from montra.validation.estimators.known_traffic import rate, running_minutes
from montra.validation.estimators.laws import LogNormal, Popularity, Weibull
from montra.validation.estimators.made import Made, make
from montra.validation.estimators.scenarios import SCENARIOS
from montra.validation.estimators.truths import KNOWN, truth_of
from montra.validation.estimators.world import HOUR_S, Publishing, World


def test_gini_is_the_mean_difference_of_all_pairs() -> None:
    values = np.random.default_rng(1).exponential(1, 50)
    assert gini(values) == pytest.approx(np.abs(values[:, None] - values).mean() / (2 * values.mean()))
    assert gini(np.array([1.0, 1.0])) == 0
    assert gini(np.array([0.0, 1.0])) == 0.5


def test_the_most_loaded_are_one_at_least() -> None:
    values = np.array([1.0, 1.0, 2.0])
    assert measure(values, "top_1_percent") == 0.5
    assert measure(values, "top_10_percent") == 0.5
    assert math.isnan(measure(np.zeros(3), "gini"))


@pytest.mark.parametrize("law", [Weibull(3600.0), Weibull(1800.0, 0.6), LogNormal(3600.0, 1.2)])
def test_the_mean_of_stays_that_last(law: Weibull | LogNormal) -> None:
    drawn = law.draw(np.random.default_rng(2), 1_000_000)
    assert mean_beyond(law, 150.0) == pytest.approx(drawn[drawn > 150].mean(), rel=0.02)


def test_capture_makes_scales_smaller_and_leaves_shapes() -> None:
    assert parameters(Popularity("power_law", 2.1), 0.5) == {"alpha": 2.1}
    assert parameters(Popularity("power_law_cut_off", 1.6, 0.01), 0.5) == {"alpha": 1.6, "cut": 50.0}
    assert parameters(Popularity("log_normal", 1.0, 1.4), 0.5) == {"mu": 1 + math.log(0.5), "sigma": 1.4}
    stretched = parameters(Popularity("stretched_exponential", 0.5, 0.1), 0.5)
    assert stretched == {"beta": 0.5, "tau": pytest.approx(50.0)}


def test_expected_rates_are_those_that_worlds_show(tmp_path: Path) -> None:
    """Mean of some windows: the rate of which each is one draw."""
    kind = Publishing(Popularity("power_law", 1.8), HOUR_S / 4, stay=LogNormal(2 * HOUR_S, 1.0))
    world = World(
        *("published", "kad"), hours=2.0, nodes=30.0, keys=200, lookups_a_minute=20.0, files=kind, keywords=kind, told=0
    )
    ratios: dict[str, list[float]] = {"search": [], "publish": []}
    for seed in range(12):
        made = make(world, tmp_path / str(seed), np.random.default_rng(seed))
        for message, number in (("search", 4), ("publish", 5)):
            ratios[message].append((made.asked.kind == number).sum() / 120 / rate(made, message))
    assert np.mean(ratios["search"]) == pytest.approx(1, abs=0.05)
    assert np.mean(ratios["publish"]) == pytest.approx(1, abs=0.03)


def test_truths_of_a_run_are_numbers_or_drawn(tmp_path: Path) -> None:
    made: list[Made] = next(one for one in SCENARIOS if one.name == "small").play(tmp_path, np.random.default_rng(1))
    known = {name: truth_of(name, made) for name in KNOWN}
    assert known["network.network_size"] == 60 * 256
    assert known["trust.capture_rate"] == pytest.approx(0.93, abs=0.04)
    looked_up = known["imbalance.keys_looked_up"]
    assert isinstance(looked_up, float)
    assert 100 < looked_up <= 250
    assert math.isnan(known["popularity.lookups_exponent"])  # type: ignore[arg-type]
    assert math.isnan(truth_of("no.such_number", made))  # type: ignore[arg-type]
    assert running_minutes(3.0, ((1.0, 1.5),)) == 150
