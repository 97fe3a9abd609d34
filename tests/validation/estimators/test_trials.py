"""Trials of whole runs: played, attributed, analysed and judged."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from montra.cli.validate.estimators import analysed, command
from montra.validation.estimators.scenarios import SCENARIOS
from montra.validation.estimators.trial import run_trial, run_trials
from montra.validation.estimators.verdict import LEAST, verdicts

SMALL = next(one for one in SCENARIOS if one.name == "small")
TRIALS = 40


def test_a_trial_is_the_same_again_and_differs_by_its_seed() -> None:
    one, again, other = (run_trial(SMALL, seed, analysed) for seed in (7, 7, 8))
    assert [(row.estimator, row.truth, row.value) for row in one if row.judged] == [
        (row.estimator, row.truth, row.value) for row in again if row.judged
    ]
    assert [row.value for row in one] != [row.value for row in other]
    assert {"traffic", "popularity", "imbalance", "network", "trust"} <= {row.estimator.split(".")[0] for row in one}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_intervals_of_a_small_zone_hold_the_truth() -> None:
    found = verdicts([row for rows in run_trials(["small"], TRIALS, 1, analysed, 2) for row in rows])
    assert [one.estimator for one in found.judged if one.worst.contradicts] == []
    hits = sum(one.held.hits for one in found.judged)
    trials = sum(one.held.trials for one in found.judged)
    assert hits >= LEAST * trials
    assert trials > 30 * TRIALS


def test_the_command_writes_what_it_found(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = CliRunner().invoke(
        command, ["--trials", "1", "--only", "small", "--processes", "1", "-o", str(out), "--json"]
    )
    assert ran.exit_code in (0, 1), ran.output  # one trial may miss
    found = json.loads((out / "estimators.json").read_text())
    assert found["trials"] == 1
    assert list(found["scenarios"]) == ["small"]
    assert {one["estimator"] for one in found["verdicts"]} >= {
        "traffic.lookups_a_minute_corrected",
        "network.population",
    }
    refused = CliRunner().invoke(command, ["--only", "nothing"])
    assert refused.exit_code == 2
    assert "no scenario is called 'nothing'" in refused.output
