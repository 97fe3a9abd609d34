"""`montra monitor --workers 2` against a lab: ended, killed and hung in every way, part by part."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import COMMAND, Network, montra
from zone_store.captures import Loss
from zone_store.run.folder import read_manifest
from zone_store.run.reader import RunReader

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SECOND = 1_000_000_000
FILES = {"SHA256SUMS", "canaries.jsonl", "capture.lmdb", "config.toml", "log.jsonl", "manifest.json", "status.csv"}


@dataclass
class Run:
    """A window over two workers, under way or ended."""

    process: subprocess.Popen[str]
    folder: Path

    def log(self, event: str) -> list[dict[str, Any]]:
        lines = map(json.loads, (self.folder / "log.jsonl").read_text().splitlines())
        return [line for line in lines if line["event"] == event]

    def pid(self, slot: int, generation: int = 0) -> int:
        (line,) = [w for w in self.log("worker started") if (w["slot"], w["generation"]) == (slot, generation)]
        return int(line["pid"])

    def wait_for(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, "the window ended"
            assert time.monotonic() < end, f"not within {seconds} s"
            time.sleep(0.05)

    def ready(self, workers: int) -> None:
        self.wait_for(lambda: len(self.log("worker ready")) >= workers)

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=60)
        return self.process.returncode


@contextmanager
def window(network: Network, parent: Path, *more: str) -> Iterator[Run]:
    command = [*COMMAND, "monitor", "-c", str(network.config), "--runs", str(parent), "--workers", "2", *more]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("run "):
                yield Run(process, Path(line.split(maxsplit=1)[1].strip()))
                return
        raise AssertionError("no run was begun")
    finally:
        process.kill()
        process.communicate(timeout=30)


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def losses(run: Path, name: str) -> list[Loss]:
    with RunReader(run) as reader:
        return [loss for loss in reader.losses() if loss.name == name]


def logged_ns(line: dict[str, Any]) -> int:
    return int(datetime.fromisoformat(line["timestamp"]).timestamp() * 1e9)


def accepted(run: Path) -> dict[str, Any]:
    """The sealed run is whole, looks like that of one process, and is taken by verify, analyze and report."""
    assert {path.name for path in run.iterdir()} == FILES
    verified = montra("store", "verify", "--json", run)
    assert verified.code == 0, verified.out
    with RunReader(run) as reader:
        numbers = [attachment.number for attachment in reader.attachments()]
        assert numbers == list(range(1, len(numbers) + 1))
        assert reader.manifest.attachments == len(numbers)
        assert all(attachment.lost_ns for attachment in reader.attachments())
        times = [int(t) for batch in reader.captures() for t in batch.time_ns]
        assert times == sorted(times)
        assert len(times) == reader.manifest.captures
        crawls = [crawl.number for crawl in reader.crawls()]
        assert crawls == list(range(1, len(crawls) + 1))
    analysed = montra("analyze", "--json", run)
    assert analysed.code == 0, analysed.err
    reported = montra("report", run)
    assert reported.code == 0, reported.err
    (summary,) = json.loads(analysed.out)
    return dict(summary)


def test_a_window_of_two_workers_looks_like_one(network: Network, tmp_path: Path) -> None:
    done = montra("monitor", "-c", network.config, "--duration", "14s", "--runs", tmp_path, "--workers", "2", "--json")
    assert done.code == 0, done.err
    value = json.loads(done.out)
    assert value["exit"] == "complete"
    assert value["captures"] > 50
    assert value["targets"] >= 24
    run = Path(value["run"])
    assert accepted(run)["quantities"]["traffic.lookups"]["value"] > 10
    manifest = read_manifest(run)
    assert manifest.parameters["processes"] == {"workers": 2}
    assert losses(run, "partly_running") == []
    assert manifest.counters["monitor_captured"] == manifest.captures
    with RunReader(run) as reader:
        attachments = reader.attachments()
    # each target once, both workers at work, on ports and /24s of their own
    assert len({a.target_id for a in attachments if a.reason == "sealed"}) == 24
    halves = [{a.monitor_port for a in attachments if a.target_id[0] >> 1 & 1 == half} for half in (0, 1)]
    assert halves[0] | halves[1] <= {21981, 21982, 21983, 21984}
    assert not halves[0] & halves[1]
    groups = [{a.monitor_ip >> 8 for a in attachments if a.target_id[0] >> 1 & 1 == half} for half in (0, 1)]
    assert not groups[0] & groups[1]
    status = json.loads(montra("status", "--json", run).out)["last"]
    assert (status["targets"], status["captures"]) == (24, manifest.captures)


@pytest.mark.parametrize("after_s", [0.0, 0.6, 6.0])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_moment_seals_the_run(
    network: Network, tmp_path: Path, number: signal.Signals, after_s: float
) -> None:
    with window(network, tmp_path) as run:
        time.sleep(after_s)
        assert run.end(number) == 130
    manifest = read_manifest(run.folder)
    assert (manifest.sealed, manifest.exit) == (True, "interrupted")
    accepted(run.folder)


def test_what_a_terminal_sends_to_all_is_left_to_the_parent(network: Network, tmp_path: Path) -> None:
    with window(network, tmp_path) as run:
        run.ready(2)
        time.sleep(4)
        pids = [run.pid(0), run.pid(1)]
        for pid in pids:
            os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGTERM)
        time.sleep(1.5)
        assert all(map(is_alive, pids))
        assert run.end() == 130
    assert not any(map(is_alive, pids))
    assert losses(run.folder, "partly_running") == []


def test_a_worker_that_is_killed_is_replaced_and_its_gap_is_on_the_ledger(network: Network, tmp_path: Path) -> None:
    with window(network, tmp_path) as run:
        run.ready(2)
        time.sleep(8)
        killed_ns = time.time_ns()
        os.kill(run.pid(1), signal.SIGKILL)
        run.ready(3)
        time.sleep(12)
        assert run.end() == 130
    (died,) = run.log("worker died")
    assert (died["slot"], died["reason"]) == (1, "ended by SIGKILL")
    manifest = read_manifest(run.folder)
    assert manifest.exit == "interrupted"
    # what the killed one last said of itself is in the sum; of the rest only what it had stored is known
    assert abs(manifest.counters["monitor_captured"] - manifest.captures) < 0.3 * manifest.captures
    (gap,) = losses(run.folder, "partly_running")
    ready_ns = logged_ns(run.log("worker ready")[-1])
    # from what had reached the disk, which is done every five seconds, to the new worker's sockets
    assert killed_ns - 7 * SECOND < gap.begin_ns <= killed_ns
    assert abs(gap.end_ns - ready_ns) < SECOND
    assert gap.end_ns - killed_ns < 10 * SECOND
    accepted(run.folder)
    with RunReader(run.folder) as reader:
        attachments = reader.attachments()
        late = [int(t) for batch in reader.captures() for t in batch.time_ns if t > gap.end_ns]
    assert late, "nothing was captured after the gap"
    cut = [a for a in attachments if a.reason == "cut_off"]
    assert cut
    assert all(gap.begin_ns - SECOND <= a.lost_ns <= killed_ns + SECOND for a in cut)
    # the successor attached to every target of its sector again, and nobody else's monitors were touched
    ended = [a for a in attachments if a.reason == "sealed"]
    assert len({a.target_id for a in ended}) == 24
    assert {a.target_id for a in cut} <= {a.target_id for a in ended}
    assert all(a.found_ns >= killed_ns for a in ended if a.target_id in {c.target_id for c in cut})
    assert {a.target_id[0] >> 1 & 1 for a in cut} == {1}
    # at the addresses that the targets know, so they hand the monitors out at once
    before = {(a.target_id, a.monitor_ip, a.monitor_port) for a in cut}
    assert before <= {(a.target_id, a.monitor_ip, a.monitor_port) for a in ended}
    # (one that a busy machine's target hands out later is no fault, half of them would be)
    at_once = [a for a in ended if a.visible and a.visible[0][0] - a.introduced_ns < 5 * SECOND]
    assert len(at_once) >= len(ended) // 2


def test_a_worker_that_hangs_is_replaced(network: Network, tmp_path: Path) -> None:
    with window(network, tmp_path) as run:
        run.ready(2)
        time.sleep(3)
        stopped = run.pid(0)
        stopped_ns = time.time_ns()
        os.kill(stopped, signal.SIGSTOP)
        run.ready(3)
        assert not is_alive(stopped)
        time.sleep(3)
        assert run.end() == 130
    (died,) = run.log("worker died")
    assert (died["slot"], died["reason"]) == (0, "gave no sign of life for 10 s")
    (gap,) = losses(run.folder, "partly_running")
    assert stopped_ns - 7 * SECOND < gap.begin_ns <= stopped_ns
    assert 9 * SECOND < gap.end_ns - stopped_ns < 20 * SECOND
    with RunReader(run.folder) as reader:
        meanwhile = [row for row in reader.crawls() if stopped_ns < row.begin_ns < stopped_ns + 9 * SECOND]
        others = [int(t) for batch in reader.captures() for t in batch.time_ns if gap.begin_ns < t < gap.end_ns]
    assert len(meanwhile) >= 2, "the crawl went on"
    assert others, "so did the other worker"
    accepted(run.folder)


def test_a_worker_that_hangs_at_the_end_does_not_keep_the_run_from_being_sealed(
    network: Network, tmp_path: Path
) -> None:
    with window(network, tmp_path) as run:
        run.ready(2)
        time.sleep(6)
        os.kill(run.pid(1), signal.SIGSTOP)
        begin = time.monotonic()
        assert run.end() == 130
        assert 9 < time.monotonic() - begin < 25
    assert run.log("worker died")[0]["reason"] == "did not seal in time"
    assert len(losses(run.folder, "partly_running")) == 1
    accepted(run.folder)


def test_a_killed_parent_leaves_shards_that_can_be_sealed(network: Network, tmp_path: Path) -> None:
    with window(network, tmp_path, "--duration", "10m") as run:
        run.ready(2)
        time.sleep(8)
        early = montra("store", "seal", run.folder)
        assert early.code == 1, "a living run must not be sealed"
        pids = [run.pid(0), run.pid(1)]
        killed_ns = time.time_ns()
        run.process.kill()
        run.process.wait(30)
        end = time.monotonic() + 20
        while any(map(is_alive, pids)) and time.monotonic() < end:
            time.sleep(0.05)
        assert not any(map(is_alive, pids)), "workers outlive their parent"
    assert [read_manifest(shard).sealed for shard in sorted((run.folder / "shards").iterdir())] == [True, True]
    verified = montra("store", "verify", "--json", run.folder)
    assert verified.code == 0
    assert json.loads(verified.out)["captures"] > 50
    sealed = montra("store", "seal", "--json", run.folder)
    assert sealed.code == 0, sealed.err
    assert json.loads(sealed.out)["captures"] > 50
    manifest = read_manifest(run.folder)
    assert (manifest.sealed, manifest.exit, manifest.counters["not_running"]) == (True, "partial", 1)
    (gap,) = losses(run.folder, "not_running")
    assert abs(gap.begin_ns - killed_ns) < 3 * SECOND
    assert gap.end_ns == manifest.end_ns == manifest.start_ns + 600 * SECOND
    assert losses(run.folder, "partly_running") == []
    accepted(run.folder)
    again = montra("store", "seal", run.folder)
    assert again.code == 1
    assert "sealed" in again.err


def test_a_parent_and_a_worker_killed_together(network: Network, tmp_path: Path) -> None:
    with window(network, tmp_path, "--duration", "10m") as run:
        run.ready(2)
        time.sleep(8)
        run.process.send_signal(signal.SIGSTOP)  # it must not replace the worker
        survivor = run.pid(1)
        os.kill(run.pid(0), signal.SIGKILL)
        time.sleep(4)
        run.process.kill()
        run.process.wait(30)
        end = time.monotonic() + 20
        while is_alive(survivor) and time.monotonic() < end:
            time.sleep(0.05)
    assert montra("store", "seal", run.folder).code == 0
    (partly,) = losses(run.folder, "partly_running")
    (gap,) = losses(run.folder, "not_running")
    assert 3 * SECOND < partly.end_ns - partly.begin_ns < 14 * SECOND
    assert partly.end_ns == gap.begin_ns
    accepted(run.folder)


def test_a_successor_that_cannot_have_its_ports_ends_the_window_as_partial(network: Network, tmp_path: Path) -> None:
    with window(network, tmp_path) as run:
        run.ready(2)
        time.sleep(4)
        os.kill(run.pid(1), signal.SIGKILL)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
            end = time.monotonic() + 5
            while time.monotonic() < end:  # from the moment the dead one's port is free
                with suppress(OSError):
                    thief.bind(("127.140.0.9", 21983))
                    break
            run.process.communicate(timeout=60)
        assert run.process.returncode == 3
    (ended,) = run.log("ended")
    assert "21983" in ended["reason"]
    assert "another socket has the port" in ended["reason"]
    assert read_manifest(run.folder).exit == "partial"
    assert len(losses(run.folder, "partly_running")) == 1
    accepted(run.folder)


def test_who_dies_again_and_again_is_given_up_and_the_others_go_on(network: Network, tmp_path: Path) -> None:
    with window(network, tmp_path) as run:
        run.ready(2)
        time.sleep(3)
        for generation in range(6):
            run.wait_for(lambda n=generation: len(run.log("worker started")) == 2 + n, 40)  # type: ignore[misc]
            os.kill(run.pid(0, generation), signal.SIGKILL)
            run.wait_for(lambda n=generation: len(run.log("worker died")) == 1 + n)  # type: ignore[misc]
        time.sleep(4)
        assert len(run.log("worker started")) == 7
        assert is_alive(run.pid(1))
        run.end()
        assert run.process.returncode == 3
    assert "worker 0 died again and again" in run.log("ended")[0]["reason"]
    (gap,) = losses(run.folder, "partly_running")
    manifest = read_manifest(run.folder)
    assert abs(gap.end_ns - manifest.end_ns) < SECOND
    with RunReader(run.folder) as reader:
        late = [int(t) for batch in reader.captures() for t in batch.time_ns if t > gap.begin_ns + 10 * SECOND]
    assert late, "the other worker captured meanwhile"
    accepted(run.folder)


def test_too_few_ports_are_told_before_anything_begins(network: Network, tmp_path: Path) -> None:
    done = montra("monitor", "-c", network.config, "--runs", tmp_path / "runs", "--workers", "5")
    assert done.code == 2
    assert "4 ports for 5 workers" in done.err
    assert not (tmp_path / "runs").exists()


@pytest.fixture(autouse=True)
def nobody_is_left() -> Iterator[None]:
    """No worker outlives its test."""
    before = _workers()
    yield
    end = time.monotonic() + 10
    while _workers() - before and time.monotonic() < end:
        time.sleep(0.1)
    assert not _workers() - before


def _workers() -> set[int]:
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if b"montra.cli.worker" in (folder / "cmdline").read_bytes():
                    found.add(int(folder.name))
    return found
