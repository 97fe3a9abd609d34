"""`montra validate density` where all labs are done: it draws what is there, and runs nothing again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from montra.cli.main import main
from montra.validation.density import NONE, SIMULATED, Disturbance, Point


@pytest.fixture
def out(tmp_path: Path) -> Path:
    of = Disturbance(announces=2, delays_s=[0.0, 15.0], real=[8, 8], nearest=[8, 7], libtorrent="2.1.1")
    labs = [Point(mode=NONE, every=1, seed=7, disturbance=of)]
    for mode, every in (("least", 1), ("least", 8), ("paper", 1), ("paper", 8)):
        numbers = {"monitored": 9, "targets": 9 * every, "judged": 20, "captured": 19, "observed": 9, "inferred": 18}
        labs.append(Point(mode=mode, every=every, seed=7, disturbance=of, copies={2: 19}, **numbers))
    (tmp_path / "labs").mkdir()
    for lab in labs:
        name = f"{lab.mode}-{lab.every}-{lab.seed}-128-240-100.json"
        (tmp_path / "labs" / name).write_bytes(msgspec.json.encode(lab))
    return tmp_path


def test_labs_that_are_done_are_drawn_and_not_run_again(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["validate", "density", "--every", "1,8", "--seeds", "7", "-o", str(out), "--json"]
    monkeypatch.setattr(sys, "argv", ["montra", *arguments])
    ran = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert ran.exit_code == 0
    document = json.loads(ran.stdout)
    assert [(row["mode"], row["every"]) for row in document["curve"]] == [
        ("none", 1),
        ("least", 1),
        ("least", 8),
        ("paper", 1),
        ("paper", 8),
    ]
    assert document["curve"][2]["capture"]["hits"] == 19
    assert document["seeds"] == [7]
    assert document["clients"] == {"libtorrent": "2.1.1"}
    assert document["command"] == "montra validate density --every 1,8 --seeds 7 --json"
    assert "montra" in document
    assert json.loads((out / "density.json").read_text()) == document
    for name in ("density.svg", "density-delay.svg"):
        assert (out / name).read_text().rstrip().endswith("</svg>")
    assert len((out / "density.csv").read_text().splitlines()) == 6


def test_simulated_windows_have_no_announces_to_draw(tmp_path: Path) -> None:
    (tmp_path / "labs").mkdir()
    window = Point(mode=SIMULATED, every=4, seed=1, monitored=4, targets=10, judged=9, captured=8, inferred=8)
    (tmp_path / "labs" / "simulated-4-1-9bits.json").write_bytes(msgspec.json.encode(window))
    ran = CliRunner().invoke(main, ["validate", "density", "--every", "4", "--simulate", "9", "-o", str(tmp_path)])
    assert ran.exit_code == 0
    line = next(line for line in ran.stdout.splitlines() if line.startswith("simulated"))
    assert line.split()[:5] == ["simulated", "4", "40%", "88.9%", "of"]
    assert (tmp_path / "density.svg").exists()
    assert not (tmp_path / "density-delay.svg").exists()


def test_the_table_for_people(out: Path) -> None:
    ran = CliRunner().invoke(main, ["validate", "density", "--every", "8", "--seeds", "7", "-o", str(out)])
    assert ran.exit_code == 0
    thin = next(line for line in ran.stdout.splitlines() if line.startswith("least"))
    assert thin.split()[:5] == ["least", "8", "12%", "95.0%", "of"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--every", "65"], "every must be at most 64"),
        (["--replies", "shout"], "shout"),
        (["--churn", "often"], "often"),
        (["--nodes", "1"], "nodes must be at least 2"),
    ],
)
def test_what_no_fleet_can_do_is_refused_before_anything_runs(arguments: list[str], said: str, tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["validate", "density", *arguments, "-o", str(tmp_path / "new")])
    assert ran.exit_code == 2
    assert said in ran.stderr
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_no_lab_is_named(out: Path) -> None:
    (out / "labs" / "least-8-7-128-240-100.json").write_text("{")
    ran = CliRunner().invoke(main, ["validate", "density", "--every", "8", "--seeds", "7", "-o", str(out)])
    assert ran.exit_code == 1
    assert "least-8-7-128-240-100.json: Input data was truncated; remove it to run this lab again" in ran.stderr


@pytest.mark.parametrize("every", ["0", "1,", "two", "1,-2"])
def test_what_is_no_list_of_numbers_is_refused(every: str, tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["validate", "density", "--every", every, "-o", str(tmp_path / "new")])
    assert ran.exit_code == 2
    assert "is no list of whole numbers" in ran.stderr
    assert not (tmp_path / "new").exists()
