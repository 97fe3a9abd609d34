"""The whole benchmark on a small zone: everything adds up, and what it says is there."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

from bench.crawl.command import command
from bench.crawl.runs import SYSTEMS


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_a_small_zone() -> None:
    arguments = ["--nodes", "300", "--rounds", "1", "--sizes", "100,200", "--box", "1", "--port", "22200", "--json"]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    outcome = json.loads(done.stdout)
    assert outcome["problems"] == []
    (one,) = outcome["rounds"]
    assert set(one) == set(SYSTEMS)
    for system in ("montra", "montra, Internet waits", "plain, 1000 open"):
        assert one[system]["living nodes found (%)"] >= 98
    assert 0 < one["plain, one at a time"]["living nodes found (%)"] < 100
    assert one["montra"]["most queries to one node in 10 s"] <= 5
    assert [curve["sizes"] for curve in outcome["curves"]] == [[100.0, 200.0]] * 2
    assert {goal["name"] for goal in outcome["goals"]} >= {"living nodes found", "queries to one node"}
    assert outcome["ratios"]["montra / plain, one at a time: nodes found, a second"]["median"] > 1
