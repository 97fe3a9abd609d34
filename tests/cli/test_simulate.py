"""`montra simulate`: run folders of a simulated network, with what is true of them beside them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from montra.cli.main import main
from zone_store.run.reader import RunReader
from zone_store.run.verify import verify

SMALL = ["--nodes", "12000", "--duration", "20m", "--lookups", "300", "--keys", "40", "--seed", "3", "--json"]


def simulate(out: Path, *arguments: str) -> list[Path]:
    done = CliRunner().invoke(main, ["simulate", *SMALL, "-o", str(out), *arguments])
    assert done.exit_code == 0, done.output
    return [Path(run) for run in json.loads(done.stdout)["runs"]]


def keys_of(run: Path) -> set[bytes]:
    with RunReader(run) as reader:
        return {key.tobytes() for table in reader.lookups() for key in table.key[table.maintenance == 0]}


@pytest.mark.slow
def test_windows_of_a_zone_share_their_keys_and_zones_do_not(tmp_path: Path) -> None:
    runs = simulate(tmp_path, "--zones", "a4/8,3c/8", "--windows", "2", "--keys-new", "0%", "--replies", "once")
    assert [run.name for run in runs] == [
        "20261121T150000Z_kad_a4-8",
        "20261121T152000Z_kad_a4-8",
        "20261121T150000Z_kad_3c-8",
        "20261121T152000Z_kad_3c-8",
    ]
    for run in runs:
        assert verify(run).ok
        truth = json.loads((run / "validation.json").read_text())
        assert truth["capture"]["trials"] > 150
        with RunReader(run) as reader:
            assert reader.totals()["contents"] > 10  # answered once, requesters say what keys are
    first, second, other, _ = map(keys_of, runs)
    assert len(first & second) > 0.7 * min(len(first), len(second)) > 20
    assert not first & other


@pytest.mark.slow
def test_mainline_keys_are_asked_for_more_than_once(tmp_path: Path) -> None:
    (run,) = simulate(tmp_path, "--overlay", "mainline", "--zones", "a4/8", "--zipf", "1")
    with RunReader(run) as reader:
        lookups = sum(int(((table.kind == 1) & (table.maintenance == 0)).sum()) for table in reader.lookups())
    assert len(keys_of(run)) <= 60 < lookups


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--zones", "zz/8"], "zz"),
        (["--zones", "00/0"], "a part of the network"),
        (["--start", "yesterday"], "yesterday"),
        (["--replies", "loud"], "loud"),
    ],
)
def test_bad_arguments_get_one_line(tmp_path: Path, arguments: list[str], problem: str) -> None:
    done = CliRunner().invoke(main, ["simulate", *SMALL, "-o", str(tmp_path / "runs"), *arguments])
    assert done.exit_code in (1, 2)
    assert problem in done.output.splitlines()[-1]


def test_a_run_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "20261121T150000Z_kad_a4-8").mkdir()
    done = CliRunner().invoke(main, ["simulate", *SMALL, "-o", str(tmp_path), "--zones", "a4/8"])
    assert done.exit_code == 1
    assert "there already" in done.output
