"""`montra monitor` against a lab in another process, ended in every way it can be."""

import json
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, Network, montra
from zone_store.captures import Loss
from zone_store.run.folder import read_manifest
from zone_store.run.reader import RunReader

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def run_of(parent: Path) -> Path:
    (run,) = parent.iterdir()
    return run


def losses_of(run: Path) -> list[Loss]:
    with RunReader(run) as reader:
        return reader.losses()


def accepted_by_all(run: Path) -> dict[str, float]:
    """The sealed run is taken by verify, analyze and report; returns the numbers of the analysis."""
    verified = montra("store", "verify", "--json", run)
    assert verified.code == 0, verified.out
    assert json.loads(verified.out)["ok"] is True
    analysed = montra("analyze", "--json", run)
    assert analysed.code == 0, analysed.err
    reported = montra("report", run)
    assert reported.code == 0, reported.err
    page = Path(reported.out.strip())
    assert page.read_text("utf-8").startswith("<!doctype html>")
    (summary,) = json.loads(analysed.out)
    return {name: one["value"] for name, one in summary["quantities"].items()}


def test_a_window_captures_and_exits_with_zero(network: Network, tmp_path: Path) -> None:
    done = montra("monitor", "-c", network.config, "--duration", "12s", "--runs", tmp_path, "--json")
    assert done.code == 0, done.err
    value = json.loads(done.out)
    assert value["exit"] == "complete"
    assert value["captures"] > 50
    assert value["targets"] >= 24
    summary = accepted_by_all(run_of(tmp_path))
    assert summary["traffic.lookups"] > 10


@pytest.mark.parametrize("after_s", [0.0, 0.7, 5.0])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_any_moment_seals_the_run(
    network: Network, tmp_path: Path, number: signal.Signals, after_s: float
) -> None:
    process = subprocess.Popen(
        [*COMMAND, "monitor", "-c", str(network.config), "--runs", str(tmp_path)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = ""
    for line in process.stderr:  # the line that names the run comes when the window begins
        said += line
        if line.startswith("run "):
            break
    time.sleep(after_s)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 130, said
    manifest = read_manifest(run_of(tmp_path))
    assert (manifest.sealed, manifest.exit) == (True, "interrupted")
    replies = manifest.parameters["replies"]  # spelled out, whatever the default of another version is
    assert (replies["mode"], replies["families"]["libtorrent"]) == ("least", "far-id")
    accepted_by_all(run_of(tmp_path))


@pytest.mark.parametrize("shell", ["2>&1 | head -1", "2>/dev/full"])
def test_a_terminal_that_goes_away_does_not_touch_the_run(network: Network, tmp_path: Path, shell: str) -> None:
    command = f"{shlex.join(COMMAND)} monitor -c {network.config} --runs {tmp_path} --duration 4s --replies paper"
    subprocess.run(f"{command} {shell}", shell=True, timeout=60, capture_output=True)
    manifest = read_manifest(run_of(tmp_path))
    assert (manifest.sealed, manifest.exit) == (True, "complete")
    assert set(manifest.parameters["replies"]["families"].values()) == {"silent"}
    assert [name for name in manifest.counters if name.startswith("monitor_stranger_replies")] == []


def test_a_killed_run_can_be_sealed_with_its_gap_on_the_ledger(network: Network, tmp_path: Path) -> None:
    command = [*COMMAND, "monitor", "-c", str(network.config), "--runs", str(tmp_path), "--duration", "10m"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    time.sleep(13)
    early = montra("store", "seal", run_of(tmp_path))
    assert early.code == 1, "a living run must not be sealed"
    process.kill()
    process.communicate(timeout=30)
    assert montra("store", "verify", run_of(tmp_path)).code == 0
    sealed = montra("store", "seal", "--json", run_of(tmp_path))
    assert sealed.code == 0, sealed.err
    assert json.loads(sealed.out)["captures"] > 50
    manifest = read_manifest(run_of(tmp_path))
    assert (manifest.sealed, manifest.exit) == (True, "partial")
    assert manifest.counters["not_running"] == 1
    (gap,) = [loss for loss in losses_of(run_of(tmp_path)) if loss.name == "not_running"]
    assert 575e9 < gap.end_ns - gap.begin_ns < 600e9
    accepted_by_all(run_of(tmp_path))


def test_status_reads_a_running_window(network: Network, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "monitor", "-c", str(network.config), "--runs", str(tmp_path)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 30
        while not list(tmp_path.glob("*/status.csv")) and time.monotonic() < end:
            time.sleep(0.1)
        done = montra("status", "--json", run_of(tmp_path))
        assert done.code == 0, done.err
        assert json.loads(done.out)["sealed"] is False
        time.sleep(4)  # two crawls or so
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    value = json.loads(montra("status", "--json", run_of(tmp_path)).out)
    assert (value["sealed"], value["exit"]) == (True, "interrupted")
    assert value["last"]["crawls"] >= 1


def test_crawl_writes_the_nodes_of_the_zone(network: Network, tmp_path: Path) -> None:
    out = tmp_path / "nodes.jsonl"
    done = montra("crawl", "-c", network.config, "--count", "3", "--duration", "30s", "-o", out)
    assert done.code == 0, done.err
    nodes = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(nodes) == 24
    assert all(int(node["id"][:2], 16) >> 2 == 0xA4 >> 2 for node in nodes)
    assert {node["client"] for node in nodes} == {"libtorrent 2.1.1"}
    assert "crawl 3: " in done.err
