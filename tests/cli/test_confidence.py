"""`montra validate confidence` and `lab`: what they say of runs there are, and of what cannot be asked."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from montra.cli.lab_plans import Plan
from montra.cli.validate import validate
from tests.validation.worlds import asks, attachment, hears, up, write_run, write_truth


@pytest.fixture
def world(tmp_path: Path) -> tuple[Path, Path]:
    """A run, and a truth in which two of three lookups ended where their monitors say."""
    nodes = [up(1, 0xA4), up(2, 0xA5), up(3, 0xA6)]
    lookups = [asks(3, key, 10.0 + key - 0xA4) for key in (0xA4, 0xA5)] + [asks(2, 0xA7, 13.0)]
    heard = [hears(1, 3, 0xA4, 10.1), hears(2, 3, 0xA5, 11.1), hears(1, 2, 0xA7, 13.1)]
    truth = write_truth(tmp_path / "lab", [*nodes, *lookups, *heard])
    fleet = [attachment(1, 1, 0xA4), attachment(2, 2, 0xA5), attachment(3, 3, 0xA6)]
    rows = [(10.2, 1, 3, 0xA4), (11.2, 2, 3, 0xA5), (13.2, 3, 2, 0xA7)]
    return write_run(tmp_path / "runs", fleet, rows, analyzed=False), truth


def test_a_table_and_a_plot_of_runs_with_their_truth(
    world: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, truth = world
    out = tmp_path / "out"
    words = ["confidence", str(run), "--truth", str(truth)]
    monkeypatch.setattr(sys, "argv", ["montra", "validate", *words, "-o", str(out)])
    done = CliRunner().invoke(validate, [*words, "-o", str(out), "--json"])
    assert done.exit_code == 0, done.output
    value = json.loads(done.stdout)
    assert value["command"] == f"montra validate confidence {run} --truth {truth}"
    assert value["seeds"] == []
    assert value["clients"] == {"libtorrent": "2.1.1.0"}
    assert set(value["reliability"]) == {run.name, "all together"}
    pooled = value["reliability"]["all together"]
    assert (pooled["right"]["hits"], pooled["right"]["trials"]) == (2, 3)
    assert pooled["confidence"] > 0.9
    assert json.loads((out / "confidence.json").read_text()) == value
    assert (out / "confidence.svg").read_text().startswith("<?xml")
    text = CliRunner().invoke(validate, [*words, "-o", str(out)])
    assert "libtorrent 2.1.1.0; montra validate confidence" in text.stdout
    assert "not shown to be calibrated within 5 points" in text.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["confidence", "RUN"], "1 runs and 0 truths; each run needs one"),
        (["confidence", "--plans", "ip,3"], "'3' is no address plan; write ip, 16, 8, 4, 1"),
        (["lab", "--subnets", "3"], "'3' is not one of '16', '8', '4', '1'"),
        (["lab", "--nodes", "1"], "nodes must be at least 2"),
        (["lab", "--churn", "often"], "'often' is no length of time such as 50ms, 90s or 10m"),
        (["lab", "--replies", "shout"], "shout"),
        (["lab", "--every", "0"], "every"),
        (["confidence", "--nodes", "1"], "nodes must be at least 2"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(
    arguments: list[str], said: str, world: tuple[Path, Path], tmp_path: Path
) -> None:
    given = [str(world[0]) if word == "RUN" else word for word in arguments]
    done = CliRunner().invoke(validate, [*given, "-o", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert said in done.output


def test_plans_are_addresses_and_sessions() -> None:
    one_ip, churning = Plan(0), Plan(16, 600.0)
    assert (one_ip.name, one_ip.slug) == ("one IP, static", "ip-0")
    assert one_ip.overrides == {"addresses.monitors": ["127.100.0.1"], "addresses.ports": "20881-21380"}
    assert (churning.name, churning.slug) == ("16 /24s, sessions 600 s", "16x24-600")
    assert churning.overrides == {"addresses.monitors": ["127.100.0.0/20"]}
