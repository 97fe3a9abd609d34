"""The demo as it is shipped: real libtorrent nodes, a real window, judged by what the nodes logged."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("libtorrent")

from montra.validation.misses import Miss

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SHARES = ("capture", "counted", "capture_lookups", "capture_announces", "destination", "unexplained", "reached_closest")


def demo(out: Path, *more: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a small demo; returns what it told and its validation.json."""
    size = ["--nodes", "48", "--lookups", "60", "--announces", "20"]
    done = subprocess.run(
        [sys.executable, "-m", "montra.cli.main", "demo", *size, *more, "--json", "-o", str(out)],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    written = json.loads((Path(told["run"]) / "validation.json").read_bytes())
    assert Path(told["report"]).is_file()
    return told, written


def causes(found: dict[str, Any], what: str) -> list[dict[str, Any]]:
    return [cause for cause in found["causes"] if cause["what"] == what]


def assert_consistent(found: dict[str, Any]) -> None:
    capture, destination = found["capture"], found["destination"]
    missed = {what: sum(one["count"] for one in causes(found, what)) for what in ("capture", "destination", "inferred")}
    assert (found["ended"], found["skipped"]) == ("finished", 0)
    assert found["lookups"] == 80
    assert capture["trials"] + sum(found["excluded"].values()) == 80
    assert capture["hits"] + missed["capture"] == capture["trials"]
    assert destination["trials"] == capture["hits"]
    assert destination["hits"] + missed["destination"] == destination["trials"]
    assert found["inferred"]["hits"] + missed["inferred"] == found["inferred"]["trials"] == capture["hits"]
    assert sum(found[name]["trials"] for name in ("capture_lookups", "capture_announces")) == capture["trials"]
    assert sum(found[name]["hits"] for name in ("capture_lookups", "capture_announces")) == capture["hits"]
    assert found["counted"]["hits"] == capture["hits"] - found["misfiled"]
    assert sum(found["copies"]["counts"].values()) == capture["hits"]
    assert 0 < found["destinations"] <= capture["trials"]
    for name in SHARES:
        share = found[name]
        assert share["hits"] <= share["trials"]
        assert 0 <= share["low"] <= share["share"] <= share["high"] <= 1
    for name in ("capture", "destination"):
        by_key, plain = found[f"{name}_by_key"], found[name]
        assert (by_key["share"], by_key["trials"]) == (plain["share"], plain["trials"])
        assert 0 <= by_key["low"] <= plain["low"]
        assert 0 < by_key["clusters"] <= found["keys"]
    arrivals = found["arrivals"]
    assert arrivals["visible"] + arrivals["left"] + arrivals["waiting"] == arrivals["nodes"]
    assert found["completeness"]["crawls"] >= 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_captures_and_places_what_the_nodes_looked_up(tmp_path: Path, workers: str) -> None:
    told, written = demo(tmp_path, "--workers", workers)
    found = told["comparison"]
    assert_consistent(found)
    assert found["capture"]["trials"] >= 70
    assert found["capture"]["share"] >= 0.9
    assert found["destination"]["share"] >= 0.9
    assert found["capture"]["low"] > 0.8
    assert found["unexplained"]["share"] <= 0.1
    assert found["arrivals"]["nodes"] == 0
    assert written == found
    page = Path(told["report"]).read_text()
    for name in (
        "Lookups captured",
        "Lookups that nobody made",
        "True completeness of crawls",
        "Zone&#39;s node time covered",
    ):
        assert name in page


def test_says_what_churn_costs(tmp_path: Path) -> None:
    found = demo(tmp_path, "--churn", "60s")[0]["comparison"]
    assert_consistent(found)
    assert found["arrivals"]["nodes"] > 0
    assert {cause["cause"] for cause in found["causes"]} <= set(Miss)
    assert all(cause["meaning"] and cause["by_client"].keys() == {"libtorrent"} for cause in found["causes"])
