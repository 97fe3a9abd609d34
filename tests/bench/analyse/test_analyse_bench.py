"""The benchmark itself at small size: the report is made, the engine and pandas agree, the evidence is judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.analyse.command import ENGINE, EVIDENCE, MONTRA, PANDAS, SYSTEMS, command
from bench.attribute.runs import CPU, MEMORY, WALL


@pytest.mark.slow
def test_the_verb_reports_rounds_evidence_and_goals(tmp_path: Path) -> None:
    arguments = ["--captures", "20000", "--monitors", "300", "--rate", "500", "--rounds", "1", "--sizes", ""]
    arguments += ["--evidence", "30000", "--folder", str(tmp_path), "--json"]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    outcome = json.loads(done.stdout)
    assert outcome["problems"] == []
    (measured,) = outcome["rounds"]
    assert set(measured) == set(SYSTEMS)
    assert measured[MONTRA]["rows"] > measured[MONTRA]["lookups"] > 0
    assert measured[MONTRA]["rows"] > measured[MONTRA]["keys"] > 0
    assert measured[MONTRA]["page (bytes)"] > 50_000
    for system in (ENGINE, PANDAS):
        assert measured[system][MEMORY] > 10
    assert set(outcome["ratios"]) == {f"{PANDAS} / {ENGINE}: {figure}" for figure in (WALL, CPU, MEMORY)}
    evidence = outcome["figures"][f"{EVIDENCE}, {MONTRA}"]
    assert evidence["captures"]["median"] == pytest.approx(30_000, rel=0.1)
    assert [goal["name"] for goal in outcome["goals"]] == ["evidence", "evidence, rates of keys"]
    assert list(tmp_path.iterdir()) == []
