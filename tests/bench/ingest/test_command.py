"""`montra bench ingest` at small size: it accounts for every datagram. Nothing here asserts speed."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
PORTS = 6  # four of the monitors, the crawler's below and the nodes' behind

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")]


@pytest.fixture
def port() -> int:
    """Return the second of six consecutive free UDP ports."""
    for first in range(21_801, 30_000, 7):  # not those of a benchmark that runs beside
        opened = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(PORTS)]
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


def ingest(port: int, folder: Path, *options: str) -> dict[str, Any]:
    """Run the benchmark and return what it prints."""
    words = ("--monitors=200", "--ports=4", f"--port={port}", f"--folder={folder}", "--json", *options)
    done = subprocess.run(
        [sys.executable, "-m", "montra.cli.main", "bench", "ingest", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(folder.iterdir()) == []
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["problems"] == []
    return result


def test_every_datagram_of_a_comparison_is_accounted_for(port: int, tmp_path: Path) -> None:
    result = ingest(
        port, tmp_path, "--rounds=1", "--datagrams=40000", "--sizes=5000,10000", "--heap=15000", "--fleets=100,200"
    )
    (found,) = result["rounds"]
    assert {"montra, sockets", "plain receiver", "counting loop in C"} <= set(found)
    for run in found.values():
        assert run["sent"] == 40_000
        assert run["received"] + run["drops"] == 40_000
    dropped = {system for system, run in found.items() if run["drops"]}  # on a busy machine; then it must be said
    assert dropped == {note.split(", ", 1)[1].partition(":")[0] for note in result["notes"] if "dropped" in note}
    assert [curve["sizes"] for curve in result["curves"]] == [[5000, 10000], [100, 200]]
    assert len(result["goals"]) == 3


def test_what_the_kernel_drops_stands_on_the_ledger(port: int, tmp_path: Path) -> None:
    """The heap is more than the smallest receive buffers hold."""
    more = ("--rounds=1", "--datagrams=60000", "--sizes=", "--heap=60000", "--buffer=1")
    (found,) = ingest(port, tmp_path, *more)["rounds"]
    run = found["montra, sockets"]
    assert run["drops"] > 0
    assert run["ledger"]["kernel_drops"] == run["drops"]
    assert run["stored"] + sum(run["ledger"].values()) == 60_000


@pytest.mark.parametrize("receive", ["sockets", "best"])
def test_a_soak_loses_nothing_without_saying_so(port: int, tmp_path: Path, receive: str) -> None:
    result = ingest(port, tmp_path, "--soak=2s", "--rate=5000", f"--receive={receive}")
    ((run,),) = [found.values() for found in result["rounds"]]
    assert run["sent"] == 10_000
    assert run["stored"] + sum(run["ledger"].values()) == 10_000
    assert [goal["name"] for goal in result["goals"]] == ["steady rate", "loss", "ledger = sent - stored"]
    assert result["goals"][2]["met"]
