"""Joining the shards of a run into it, and beginning again after being cut off anywhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zone_store.captures import Attachment, Captures, CrawlRow, Loss
from zone_store.run import join as module
from zone_store.run.folder import RunError, lock_folder, read_manifest
from zone_store.run.join import join, prove, recall, shard_folder, shards_of, slot_of
from zone_store.run.reader import RunReader
from zone_store.run.store import StoreLimits
from zone_store.run.verify import verify
from zone_store.run.writer import RunWriter

START_NS = 1_795_273_200_000_000_000
Shard = Callable[..., Path]


@pytest.fixture
def run(new_run: Callable[..., RunWriter], crawl: Callable[[int], CrawlRow]) -> Path:
    """A run that has ended but is not sealed: two crawls and a ledger row of its own."""
    with new_run("run") as writer:
        writer.crawl(crawl(1))
        writer.crawl(crawl(2))
        writer.loss(Loss("partly_running", START_NS, START_NS + 9, 1))
    (writer.folder / "status.csv").write_text("time_ns\n1\n")
    (writer.folder / "log.jsonl").write_text("{}\n")
    return writer.folder


@pytest.fixture
def shard(
    run: Path,
    new_run: Callable[..., RunWriter],
    captures_at: Callable[..., Captures],
    attachment: Callable[..., Attachment],
) -> Shard:
    """Make a sealed shard of two attachments (1 and 2), a ledger row, and captures at these times."""

    def make(slot: int, generation: int, times: range, first_port: int, seal: bool = True) -> Path:
        folder = shard_folder(run, slot, generation)
        folder.parent.mkdir(exist_ok=True)
        writer = new_run(str(folder.relative_to(run.parent)), limits=StoreLimits(block_rows=100))
        writer.attachment(attachment(1, byte=0xA4 + slot))
        writer.attachment(attachment(2, byte=0xA4 + slot))
        writer.loss(Loss("kernel_drops", START_NS, START_NS + 5, 3))
        writer.loss(Loss("not_running", START_NS + 5, START_NS + 6, 1))
        writer.captures(captures_at(times, first_port=first_port, attachments=(1, 2)))
        if seal:
            writer.seal(START_NS + 10**6, "complete", {"kernel_drops": 3, "received": 5})
        else:
            writer.close()
        return folder

    return make


@pytest.fixture
def whole(run: Path, shard: Shard) -> Path:
    """The run with the shards of two workers, of which one had a successor."""
    shard(0, 0, range(0, 3000, 3), 1)
    shard(1, 0, range(1, 1000, 3), 10_001)
    shard(1, 1, range(1000, 3000, 3), 20_001)
    return run


def content(folder: Path) -> dict[str, Any]:
    """Return what a joined run holds, by value."""
    with RunReader(folder) as reader:
        captures = Captures.concat(list(reader.captures()), 20)
        return {
            "times": captures.time_ns.tolist(),
            "ports": captures.source_port.tolist(),
            "numbers": captures.attachment.tolist(),
            "keys": captures.key.tobytes(),
            "targets": [(a.number, a.target_id) for a in reader.attachments()],
            "losses": sorted((loss.name, loss.count) for loss in reader.losses()),
            "crawls": [row.number for row in reader.crawls()],
            "counters": reader.manifest.counters,
        }


def check(run: Path) -> None:
    assert verify(run).problems == []
    found = content(run)
    n = 1000 + 333 + 667
    assert len(found["times"]) == n
    assert found["times"] == sorted(found["times"])
    assert [number for number, _ in found["targets"]] == [1, 2, 3, 4, 5, 6]
    assert [target[0] for _, target in found["targets"]] == [0xA4, 0xA4, 0xA5, 0xA5, 0xA5, 0xA5]
    # a shard's ports tell its rows: odd ones were its attachment 1, even ones its attachment 2
    for port, number in zip(found["ports"], found["numbers"], strict=True):
        first = {0: 1, 1: 3, 2: 5}[(port - 1) // 10_000]
        assert number == first + (port - 1) % 2
    assert found["losses"] == [("kernel_drops", 3)] * 3 + [("partly_running", 1)]
    assert found["crawls"] == [1, 2]
    assert found["counters"] == {"crawl_timeout": 7, "kernel_drops": 9, "received": 15}
    assert sorted(path.name for path in run.iterdir()) == [
        "SHA256SUMS",
        "capture.lmdb",
        "config.toml",
        "log.jsonl",
        "manifest.json",
        "status.csv",
    ]


def test_all_of_it_becomes_one_run(whole: Path) -> None:
    manifest = join(whole, START_NS + 10**6, "complete", {"crawl_timeout": 7})
    assert (manifest.sealed, manifest.exit, manifest.end_ns) == (True, "complete", START_NS + 10**6)
    assert (manifest.captures, manifest.attachments, manifest.crawls) == (2000, 6, 2)
    assert manifest == read_manifest(whole)
    check(whole)


def test_the_order_of_folders_is_that_of_slots(whole: Path) -> None:
    assert [shard.name for shard in shards_of(whole)] == ["000-0000", "001-0000", "001-0001"]
    assert [slot_of(shard) for shard in shards_of(whole)] == [0, 1, 1]
    assert shards_of(whole.parent / "nothing") == []


@pytest.mark.parametrize("step", ["_write", "_take_place", "seal_folder", "verify", "_half"])
def test_cut_off_anywhere_it_can_be_begun_again(whole: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def half(run: Path) -> None:
        (run / "capture.lmdb").rename(run / "shards" / "crawls.lmdb")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if step == "_half":
            patched.setattr(module, "_take_place", half)
        elif step == "_write":
            real = RunWriter.drain
            calls = iter(range(3))

            def drain(writer: RunWriter) -> None:
                if next(calls) == 2:
                    raise KeyboardInterrupt
                real(writer)

            patched.setattr(RunWriter, "drain", drain)
        else:
            patched.setattr(module, step, cut)
        with pytest.raises((KeyboardInterrupt, StopIteration, RunError)):
            join(whole, START_NS + 10**6, "complete", {"crawl_timeout": 7})
    assert len(shards_of(whole)) == 3, "the shards are still there"
    if step == "verify":  # sealed by then
        prove(whole)
        check(whole)
        return
    assert not read_manifest(whole).sealed
    join(whole, START_NS + 10**6, "complete", {"crawl_timeout": 7})
    check(whole)


def test_recall_of_a_run_that_was_never_joined_changes_nothing(whole: Path) -> None:
    before = sorted(path.relative_to(whole) for path in whole.rglob("*"))
    recall(whole)
    assert sorted(path.relative_to(whole) for path in whole.rglob("*")) == before


def test_a_run_in_use_or_a_shard_not_sealed_is_refused(whole: Path, shard: Shard) -> None:
    lock = lock_folder(whole)
    with pytest.raises(RunError, match="in use"):
        join(whole, START_NS, "complete", {})
    os.close(lock)
    shard(2, 0, range(5), 1, seal=False)
    with pytest.raises(RunError, match="002-0000 is not sealed"):
        join(whole, START_NS, "complete", {})
    assert len(shards_of(whole)) == 4


def test_a_damaged_shard_stays(whole: Path) -> None:
    (whole / "shards" / "001-0000" / "capture.lmdb" / "data.mdb").unlink()
    with pytest.raises(RunError):
        join(whole, START_NS, "complete", {})
    assert len(shards_of(whole)) == 3
    assert not read_manifest(whole).sealed
    shutil.rmtree(whole / "shards" / "001-0000")


def test_captures_of_nobody_are_refused(
    run: Path, new_run: Callable[..., RunWriter], captures_at: Callable[..., Captures]
) -> None:
    shard_folder(run, 0, 0).parent.mkdir()
    writer = new_run("run/shards/000-0000")
    writer.captures(captures_at(range(5)))
    writer.seal(START_NS, "complete")
    with pytest.raises(RunError, match="attachments it does not store"):
        join(run, START_NS, "complete", {})


def test_without_shards_the_run_is_only_sealed(run: Path) -> None:
    (run / "shards").mkdir()
    manifest = join(run, START_NS + 5, "interrupted", {"sent": 1})
    assert (manifest.captures, manifest.crawls, manifest.counters) == (0, 2, {"sent": 1})
    assert verify(run).ok


def test_more_losses_go_on_the_ledger(whole: Path) -> None:
    extra = [Loss("not_running", START_NS + 10, START_NS + 20, 1)]
    join(whole, START_NS + 20, "partial", {"not_running": 1}, extra)
    with RunReader(whole) as reader:
        assert [loss for loss in reader.losses() if loss.name == "not_running"] == extra


def test_the_same_shards_give_the_same_captures(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    join(whole, START_NS + 10**6, "complete", {})
    join(copy, START_NS + 10**6, "complete", {})
    assert content(whole) == content(copy)
    with RunReader(whole) as one, RunReader(copy) as other:
        assert list(one.capture_blocks()) == list(other.capture_blocks())
