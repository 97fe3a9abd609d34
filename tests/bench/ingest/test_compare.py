"""The ingest benchmark accounts for every datagram. Nothing here asserts speed."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench.ingest import traffic, world
from bench.ingest.accounting import check
from montra.overlays.mainline.messages import parse

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def port() -> int:
    """Return the first of five consecutive free UDP ports."""
    for first in range(21501, 30000, 7):
        opened = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(5)]
        try:
            for number, one in enumerate(opened, first - 1):
                one.bind(("", number))
        except OSError:
            continue
        finally:
            for one in opened:
                one.close()
        return first
    raise AssertionError("no free ports")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_every_datagram_of_a_run_is_accounted_for(port: int, tmp_path: Path) -> None:
    options = ("--rounds=1", "--seconds=0.5", "--monitors=200", f"--port={port}", f"--folder={tmp_path}", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "bench.ingest.compare", *options], cwd=ROOT, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["problems"] == []
    (runs,) = result["rounds"]
    assert list(runs) == ["montra", "plain", "count"]
    for run in runs.values():
        assert run["received"] > 0
        assert run["received"] + run["drops"] == run["sent"]
    assert set(result["ratios"]) == {"montra/plain", "montra/count", "plain/count"}
    assert list(tmp_path.iterdir()) == []


def test_traffic_is_lookups_for_the_monitors_nearest_to_their_keys() -> None:
    built = world.build(100, 21501, 4)
    attachments = world.attach(built, 100, 1_700_000_000_000_000_000)
    made = traffic.make(attachments)
    assert len(attachments) == 100
    assert len(made.lookups) == traffic.LOOKUPS * traffic.COPIES
    methods = [(message.method, message.reason) for message in (parse(payload) for _, _, payload in made.rows)]
    assert set(methods) == {("get_peers", ""), ("find_node", ""), ("ping", ""), ("", "not_a_dict")}
    assert (methods.count(("ping", "")), methods.count(("", "not_a_dict"))) == (655, 167)
    assert {(ip, port) for ip, port, _ in made.rows} <= {(a.monitor_ip, a.monitor_port) for a in attachments}
    assert made == traffic.make(attachments)


def test_a_missing_datagram_is_a_problem() -> None:
    nothing = traffic.Traffic([], set())
    assert check("count", {"sent": 5, "received": 3, "drops": 2}, nothing) == []
    assert check("count", {"sent": 5, "received": 3, "drops": 1}, nothing) == [
        "count: datagrams sent, received or dropped: 5 and 4"
    ]
    plain = {"sent": 5, "received": 5, "drops": 0, "lookups": 4, "stored": 3}
    assert check("plain", plain, nothing) == ["plain: lookups received, stored: 4 and 3"]
