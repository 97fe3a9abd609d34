"""The demo on Kad as it is shipped: 100 real amuled, a real window, judged by the decrypted packets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from montra.cli.demo import demo
from montra.cli.kad_window import window_config
from montra.lab.kad.programs import missing
from montra.lab.kad.settings import KadLabSettings

WANTED = 0.98


@pytest.mark.clients
@pytest.mark.netns
@pytest.mark.slow
@pytest.mark.timeout(420)
def test_captures_places_and_tells_apart_what_amuled_search_and_publish(tmp_path: Path) -> None:
    if lacks := missing(KadLabSettings(out=tmp_path)):
        pytest.skip(lacks[0])
    with subprocess.Popen(
        [sys.executable, "-m", "montra.cli.main", "demo", "--overlay", "kad", "--json", "-o", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    ) as process:
        try:
            out, said = process.communicate(timeout=400)
        finally:
            process.terminate()  # harmless when it has ended; else it takes its network away
    assert process.returncode == 0, said
    told = json.loads(out)
    found = told["comparison"]
    assert (found["ended"], found["skipped"], found["misfiled"]) == ("finished", 0, 0)
    assert found["capture"]["trials"] >= 500
    assert min(found[name]["trials"] for name in ("capture_lookups", "capture_announces")) >= 200
    for name in ("capture", "capture_lookups", "capture_announces", "told_apart", "destination", "inferred"):
        assert found[name]["share"] >= WANTED, (name, found[name], found["causes"])
    assert found["unexplained"]["share"] <= 1 - WANTED
    # what followed does not tell which lookup of a node it followed where it shares what it has just searched for: at
    # most the 60 downloads
    assert found["told_apart"]["trials"] >= found["capture"]["hits"] - 60
    assert {group["name"] for group in found["groups"]} == {told["clients"]["amuled"].lower()}
    assert told["clients"]["amuled"].startswith("aMuleD 2.")
    assert json.loads((Path(told["run"]) / "validation.json").read_bytes()) == found
    assert "Search or publish told right" in Path(told["report"]).read_text()
    assert not Path(f"/run/netns/montra-kad-{process.pid}").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--overlay", "kad", "--churn", "2m"], "--churn and --announces are for mainline"),
        (["--overlay", "kad", "--announces", "3"], "--churn and --announces are for mainline"),
        (["--overlay", "azureus"], "'azureus' is not one of 'mainline', 'kad'"),
        (["--overlay", "kad", "--nodes", "1"], "1 is not in the range"),
    ],
)
def test_what_does_not_go_together_is_refused(words: list[str], line: str) -> None:
    result = CliRunner().invoke(demo, words)
    assert result.exit_code == 2
    assert line in " ".join(result.output.split())


def test_the_window_follows_the_lab(tmp_path: Path) -> None:
    settings = KadLabSettings(out=tmp_path, nodes=40, zone_share=0.5, seed=7, rate=10)
    config = window_config(settings, {"replies.mode": "once", "processes.workers": 2})
    assert (config["overlay"], config["zone"], config["seed"]) == ("kad", "a4/8", 7)
    # one /24 for each of 20 targets, and some to move to
    assert config["addresses"]["monitors"][:2] == ["100.96.1.1", "100.96.2.1"]
    assert len(config["addresses"]["monitors"]) == 26
    assert config["addresses"]["ports"] == "4672-4673"
    # no more than ten questions a minute of a clock that is ten times as fast
    assert 0.6 < config["crawl"]["spacing_s"] < 0.7
    assert (config["replies"]["mode"], config["processes"]["workers"]) == ("once", 2)
