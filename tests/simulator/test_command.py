"""The command as users give it."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from montra.cli.main import main


def test_simulate_writes_table_rows_document_and_figure_and_tells_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["validate", "simulate", "--zones", "8", "--nodes", "20000", "--duration", "8m", "--seed", "2"]
    monkeypatch.setattr(sys, "argv", ["montra", *arguments, "--out", str(tmp_path)])
    done = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["command"] == "montra validate simulate --zones 8 --nodes 20000 --duration 8m --seed 2"
    assert document["seed"] == 2
    assert {"montra", "git", "versions", "bar", "paper"} <= set(document)
    (zone,) = document["zones"]
    assert (zone["bits"], zone["judged_from_s"]) == (8, 120.0)
    assert zone["comparison"]["capture"]["share"] > 0.9
    assert {path.name for path in tmp_path.iterdir()} == {
        f"simulated-zones.{suffix}" for suffix in ("md", "csv", "json", "svg")
    }
    assert document["command"] in (tmp_path / "simulated-zones.md").read_text()


def test_zones_that_are_none_are_refused() -> None:
    for text in ("5;6", "0", "25", "a4/6"):
        done = CliRunner().invoke(main, ["validate", "simulate", "--zones", text])
        assert done.exit_code == 2
        assert "is no list of whole numbers from 1 to 24" in done.stderr


def test_the_same_for_kad(tmp_path: Path) -> None:
    arguments = ["validate", "simulate", "--overlay", "kad", "--zones", "8", "--nodes", "20000", "--duration", "8m"]
    done = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    (zone,) = document["zones"]
    assert (zone["overlay"], zone["network"]["nodes"], zone["zone"]) == ("kad", 20_000, "a4/8")
    assert set(zone["clients"]) <= {"emule", "amule", "amule_next"}
    told_apart = zone["comparison"]["told_apart"]
    assert told_apart["hits"] == told_apart["trials"] > 50
    assert (tmp_path / "simulated-kad-zones.md").exists()
