"""The benchmark itself at small size: systems that agree with the truth, problems where they do not, memory seen."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.attribute import runs
from bench.attribute.command import EVIDENCE, command
from bench.attribute.runs import ALL, CPU, MEMORY, RATE, RATE_CPU, RESIDENT, SYSTEMS, WALL
from bench.attribute.truth import Sum
from bench.attribute.watch import Watch
from bench.attribute.window import Shape
from bench.common.compiler import BenchError

SMALL = Shape(20_000, 300, 120.0, 500.0)


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_each_system_finds_the_truth(tmp_path: Path, system: str) -> None:
    stored = runs.store(tmp_path, SMALL)
    problems: list[str] = []
    found = runs.measure(system, stored, 2, 1024, problems)
    assert problems == []
    assert found["rows"] == stored.truth.lookups.rows
    assert found[RATE] == pytest.approx(stored.truth.captures / found[WALL])
    assert found[RATE_CPU] == pytest.approx(stored.truth.captures / found[CPU])
    assert found[MEMORY] > 10
    assert found["processes"] >= (3 if system == ALL else 1)
    wrong = replace(stored, truth=replace(stored.truth, lookups=stored.truth.lookups + Sum(0, 0, 1)))
    runs.measure(system, wrong, 1, 1024, problems)
    assert len(problems) == 1
    assert problems[0].startswith(f"{system}, {stored.truth.captures} captures: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run-20000"]
    assert not (stored.folder / "lookups.lmdb").exists()
    stored.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_system_that_fails_is_one_line(tmp_path: Path) -> None:
    stored = runs.Stored(tmp_path / "missing", runs.Truth(1, Sum(), 1), 1, 1.0)
    with pytest.raises(BenchError, match=r"^by_montra failed: zone_store\.run\.folder\.RunError: .*missing"):
        runs.measure(ALL, stored, 2, 1024, [])


def test_memory_of_children_is_seen() -> None:
    child = "import time; held = b'x' * (60 << 20); print('ready', flush=True); time.sleep(0.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        watch = Watch(process.pid)
        with watch:
            process.wait()
    figures = watch.figures
    assert figures["processes"] == 2
    assert 60 < figures["largest process (MiB)"] < 120
    assert 60 < figures["memory of all processes (MiB)"] < figures["resident with mapped files (MiB)"]


@pytest.mark.slow
def test_the_verb_reports_rounds_curves_evidence_and_goals(tmp_path: Path) -> None:
    arguments = ["--captures", "5000", "--monitors", "200", "--rate", "500", "--rounds", "1", "--sizes", "2000,5000"]
    arguments += ["--evidence", "20000", "--folder", str(tmp_path), "--json"]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    outcome = json.loads(done.stdout)
    assert outcome["problems"] == []
    assert set(outcome["rounds"][0]) == set(SYSTEMS)
    assert outcome["figures"][ALL][RATE]["median"] > 0
    assert [len(curve["sizes"]) for curve in outcome["curves"]] == [2, 2, 2, 2]
    evidence = {name: value["median"] for name, value in outcome["figures"][EVIDENCE].items()}
    assert evidence["captures"] == pytest.approx(20_000, rel=0.1)
    # at least in proportion, but for rounding
    assert evidence["wall for a billion (s)"] >= evidence[WALL] * 1e9 / evidence["captures"] * (1 - 1e-9)
    assert evidence["resident for a billion (MiB)"] > evidence[RESIDENT] > evidence[MEMORY]
    met = {goal["name"]: goal["met"] for goal in outcome["goals"]}
    assert met["evidence"] is False  # of 100 million
    curves = [f"attribution, {system}: cost" for system in SYSTEMS[:2]]
    assert set(met) == {*curves, "evidence", "a billion captures, extrapolated"}
    assert list(tmp_path.iterdir()) == []
