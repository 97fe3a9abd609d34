"""Several runs: each in a process of its own, found alike one after the other, and put together by a reduce."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path

import pytest

from analysis import analyze
from analysis.analyze import Job, analyze_all
from analysis.given import Given
from analysis.over import over
from zone_store.run.folder import RunError

from .samples import Contents, make_run, sample


def name_of(family: str, version: int) -> str:
    """Name a version, as a function of a module."""
    return f"{family} {version}"


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [make_run(tmp_path / name / f"20261121T150000Z_mainline_{name}", sample()) for name in ("a", "b")]


def test_processes_find_what_one_process_finds(runs: list[Path], tmp_path: Path) -> None:
    given = Given(version_name=partial(name_of, "client"), words={bytes(20): "word"})
    alone = analyze_all([Job(run, given, tmp_path / "alone" / run.name) for run in runs], workers=1)
    beside = analyze_all([Job(run, given, tmp_path / "beside" / run.name) for run in runs], workers=2)
    for one, other in zip(alone, beside, strict=True):
        assert repr(one.quantities()) == repr(other.quantities())
        assert (one.out / "analysis.json").read_bytes() == (other.out / "analysis.json").read_bytes()
        assert (len(one.run.attachments), one.given.words) == (0, {})
        assert len(pickle.dumps(one)) < 100_000


def test_what_is_wrong_with_a_run_in_another_process_is_said(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run folder"):
        analyze_all([Job(runs[0]), Job(tmp_path)], workers=2)


def test_runs_put_together_have_numbers_and_tables_with_names_of_their_own(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analyze, "_RUNS_EACH", 1)  # others take the place of the first two processes
    empty = make_run(tmp_path / "empty", Contents())
    analyses = analyze_all([Job(run) for run in (*runs, empty)], workers=2)
    found = over(analyses)
    names = [table.name for table in found.tables()]
    assert len(names) == len(set(names))
    assert all(name.startswith("over_") for name in found.quantities())
    for analysis in analyses:
        names = [table.name for table in analysis.tables()]
        assert len(names) == len(set(names))
