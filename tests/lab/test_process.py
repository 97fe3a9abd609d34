"""A whole lab in its own process: its truth must be sound, and it must never outlive its parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("libtorrent")

from montra.lab.events import Announce, Done, Lookup, NodeDown, NodeUp, Received, Sent, read_events
from montra.lab.process import LabProcess
from montra.lab.settings import ChurnSettings, LabError, LabSettings, WorkloadSettings
from montra.validation.alive import closest_live
from montra.validation.truth import load_truth

ROOT = Path(__file__).resolve().parents[2]


def until(lab: LabProcess, holds: Callable[[], bool], limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, "too late"
        time.sleep(0.05)
        lab.poll()


@pytest.mark.slow
def test_truth_is_sound(tmp_path: Path) -> None:
    workload = WorkloadSettings(lookups=20, announces=4, duration_s=3.0, info_hashes=8, drain_s=3.0)
    settings = LabSettings(out=str(tmp_path), nodes=32, subnet="127.182", seed=3, workload=workload)
    with LabProcess(settings) as lab:
        until(lab, lambda: lab.converged is not None, 60)
        assert lab.ready is not None
        assert lab.converged is not None
        assert len(lab.ready.bootstrap) == 3
        assert lab.converged.recall >= 0.99
        assert not any(isinstance(event, Lookup) for event in read_events(tmp_path / "lab.jsonl"))
        lab.go()
        until(lab, lambda: lab.done is not None, 60)
        assert lab.done is not None
        assert (lab.done.reason, lab.done.lookups, lab.done.announces) == ("finished", 20, 4)
        assert (lab.done.live, lab.done.skipped) == (32, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(lab.pid, 0)

    truth = load_truth(tmp_path)
    assert truth.stray == 0
    assert sum(node.node_id[0] >> 2 == 0b101001 for node in truth.nodes.values()) == 24
    assert len(truth.lookups) == 24
    numbers = sorted(node.number for node in truth.nodes.values())
    for lookup in truth.lookups:
        assert len(lookup.received) >= 4
        destination = truth.destination(lookup)
        assert destination is not None
        ranked = sorted(numbers, key=lambda number: number ^ lookup.key_number)
        assert ranked.index(destination.number) <= 1
        # what a node received, the requester sent; and nothing else
        received_at = {(truth.nodes[index].ip, truth.nodes[index].port) for index in lookup.received}
        assert received_at == set(lookup.asked)
        assert all(0 <= t_ns - lookup.t_ns < 3e9 for t_ns in lookup.received.values())
        assert len(lookup.stored) == (8 if lookup.announce else 0)
    events = list(read_events(tmp_path / "lab.jsonl"))
    sent = sum(isinstance(event, Sent) for event in events)
    assert sent == sum(isinstance(event, Received) for event in events)


@pytest.mark.slow
def test_churn_keeps_the_population(tmp_path: Path) -> None:
    workload = WorkloadSettings(lookups=20, announces=0, duration_s=10.0)
    settings = LabSettings(
        out=str(tmp_path),
        nodes=24,
        subnet="127.182",
        port=6882,
        autostart=True,
        workload=workload,
        churn=ChurnSettings(mean_session_s=15.0),
    )
    with LabProcess(settings) as lab:
        until(lab, lambda: lab.done is not None, 90)
        assert lab.done is not None
        assert lab.done.live == 24
    events = list(read_events(tmp_path / "lab.jsonl"))
    ups = {event.index: event for event in events if isinstance(event, NodeUp)}
    downs = [event.index for event in events if isinstance(event, NodeDown)]
    assert len(downs) >= 3
    assert len(ups) - len(downs) == 24
    assert len({event.ip for event in ups.values()}) == len(ups)
    bootstrap = {ip for ip, _ in lab.ready.bootstrap} if lab.ready else set()
    assert not bootstrap & {ups[index].ip for index in downs}
    truth = load_truth(tmp_path)
    for event in events:
        if isinstance(event, Lookup | Announce):
            assert truth.nodes[event.index].lives(event.t_ns)
    assert (
        sum(truth.destination(one) is node for one, node in zip(truth.lookups, closest_live(truth), strict=True)) >= 12
    )  # a node that just came may be passed by


@pytest.mark.slow
def test_dies_with_its_parent(tmp_path: Path) -> None:
    config = tmp_path / "lab.json"
    config.write_bytes(msgspec.json.encode(LabSettings(out=str(tmp_path), nodes=4, subnet="127.182", port=6883)))
    # the parent holds the only writing end of the lab's input, tells the lab's process ID and is killed
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            f"lab = subprocess.Popen([sys.executable, '-m', 'montra.lab', {str(config)!r}], stdin=subprocess.PIPE)\n"
            "print(lab.pid, flush=True)\n"
            "time.sleep(60)",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    end = time.monotonic() + 30
    while not (tmp_path / "lab.jsonl").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    while _alive(pid):
        assert time.monotonic() < end, "the lab outlived its parent"
        time.sleep(0.05)
    done = list(read_events(tmp_path / "lab.jsonl"))[-1]
    assert isinstance(done, Done)
    assert done.reason == "closed"


@pytest.mark.slow
def test_an_interrupted_truth_has_an_end(tmp_path: Path) -> None:
    with LabProcess(LabSettings(out=str(tmp_path), nodes=4, subnet="127.182", port=6885)) as lab:
        until(lab, lambda: lab.converged is not None, 30)
        os.kill(lab.pid, signal.SIGTERM)
        with pytest.raises(LabError, match=r"exit 130"):
            until(lab, lambda: False, 30)
    assert lab.done is not None
    assert lab.done.reason == "interrupted"
    assert load_truth(tmp_path).lookups == []


@pytest.mark.slow
def test_failures_reach_the_parent_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "lab.jsonl").touch()
    with LabProcess(LabSettings(out=str(tmp_path), nodes=4, subnet="127.182", port=6884)) as lab:
        with pytest.raises(LabError, match="holds the truth of another lab; choose a new folder"):
            until(lab, lambda: False, 30)
        with pytest.raises(LabError, match="has ended"):
            lab.go()


def test_wrong_usage_is_told(tmp_path: Path) -> None:
    for arguments, message in [([], b"usage:"), ([str(tmp_path / "none.toml")], b"cannot read")]:
        run = subprocess.run(
            [sys.executable, "-m", "montra.lab", *arguments], cwd=ROOT, capture_output=True, check=False, timeout=30
        )
        assert run.returncode == 2
        assert message in run.stderr
        assert run.stderr.count(b"\n") == 1


def _alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and only waits to be collected by its new parent does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"
