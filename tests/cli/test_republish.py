"""Republish intervals as options, and the verb that measures estimates made from them."""

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

from montra.cli.analyze import analyze
from montra.cli.report import report
from montra.cli.validate import validate
from tests.analysis.kad_sample import FILE, kad_sample
from tests.analysis.samples import make_run, sample


@pytest.fixture
def kad_run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "20261121T150000Z_kad_a4-6", kad_sample())


def publishers(run: Path) -> dict[str, float]:
    """Publishers of each key, were it a file."""
    with (run / "analysis" / "publishers.csv").open() as file:
        return {row["key"]: float(row["file_publishers"]) for row in csv.DictReader(file)}


def test_intervals_are_those_of_the_clients_unless_others_are_given(kad_run: Path) -> None:
    done = CliRunner().invoke(analyze, [str(kad_run), "--workers", "1", "--k", "1"])
    assert done.exit_code == 0, done.output
    assert "2 searches and 11 publishes of 5 requesters for 2 keys" in done.output
    known = publishers(kad_run)[FILE.hex()]
    assert known == pytest.approx(3.0, rel=0.01)
    given = ["--k", "1", "--republish-file", "4h", "--republish-keyword", "12h"]
    done = CliRunner().invoke(report, [str(kad_run), "--workers", "1", *given])
    assert done.exit_code == 0, done.output
    assert publishers(kad_run)[FILE.hex()] < known


def test_an_overlay_that_tells_no_publishes_takes_no_interval(tmp_path: Path) -> None:
    run = make_run(tmp_path / "20261121T150000Z_mainline_a4-6", sample())
    done = CliRunner().invoke(analyze, [str(run), "--workers", "1", "--republish-file", "4h"])
    assert done.exit_code == 0, done.output
    assert "lookups and" in done.output
    assert publishers(run) == {}


@pytest.mark.parametrize("value", ["0", "-1h", "often", "0ms"])
def test_a_time_that_is_none_is_refused(kad_run: Path, value: str) -> None:
    done = CliRunner().invoke(analyze, [str(kad_run), f"--republish-file={value}"])
    assert done.exit_code == 2
    assert repr(value) in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nodes", "5", "--publishers", "20"], "publishers must lie in 1.."),
        (["--rate", "0.5"], "0.5 is not in the range"),
        (["--publishers", "many"], "no list of whole numbers"),
    ],
)
def test_a_network_that_cannot_be_is_refused(tmp_path: Path, words: list[str], said: str) -> None:
    done = CliRunner().invoke(validate, ["republish", *words, "-o", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert said in done.output
    assert not (tmp_path / "out").exists()
