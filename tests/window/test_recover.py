"""Sealing a run that was cut off: when it ended, and what becomes of its open intervals."""

from __future__ import annotations

from pathlib import Path

import pytest

from montra.window.recover import seal_cut_off, seal_shard
from zone_store.captures import Attachment, CrawlRow, Loss
from zone_store.run.folder import Manifest, RunError
from zone_store.run.join import shard_folder
from zone_store.run.reader import RunReader
from zone_store.run.verify import verify
from zone_store.run.writer import RunWriter

SECOND = 1_000_000_000
START_NS = 1_795_273_200 * SECOND


def at(seconds: float) -> int:
    return START_NS + int(seconds * SECOND)


def attachment(number: int, *visible: tuple[int, int], lost: int = 0) -> Attachment:
    target = bytes([0xA4, number]) + bytes(18)
    return Attachment(number, target, 1, 1, target, 2, 2, at(0), at(1), at(2), visible, lost, "gone" if lost else "")


def cut_off(folder: Path, *records: Attachment | CrawlRow | Loss, duration: str = "10m") -> Path:
    """Write a run that ended without sealing."""
    folder.mkdir()
    manifest = Manifest(
        montra_version="0", overlay="mainline", zone="a4/6", start_ns=START_NS, parameters={"duration": duration}
    )
    with RunWriter(folder, manifest, "") as writer:
        for record in records:
            if isinstance(record, Attachment):
                writer.attachment(record)
            elif isinstance(record, Loss):
                writer.loss(record)
            else:
                writer.crawl(record)
    return folder


def crawl(end: float) -> CrawlRow:
    return CrawlRow(1, at(0), at(end), 1, 1, 1, 0, 0, 1, 1, 0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "newest",
    [
        attachment(1, (at(200), 0)),
        attachment(1, (at(50), at(200))),
        attachment(1, lost=at(200)),
        crawl(200),
        Loss("crawl_timeout", at(190), at(200), 1),
    ],
    ids=["visible since", "visible until", "lost", "crawl", "ledger"],
)
def test_the_run_lasted_to_the_newest_time_it_tells_of_anything(
    tmp_path: Path, newest: Attachment | CrawlRow | Loss
) -> None:
    run = cut_off(tmp_path / "run", newest, attachment(2, (at(4), 0)))
    manifest = seal_cut_off(run)
    assert (manifest.sealed, manifest.exit, manifest.end_ns) == (True, "partial", at(600))
    assert manifest.counters["not_running"] == 1
    with RunReader(run) as reader:
        assert [loss for loss in reader.losses() if loss.name == "not_running"] == [
            Loss("not_running", at(200), at(600), 1)
        ]
        second = reader.attachments()[-1]
        assert (second.number, second.visible, second.lost_ns, second.reason) == (
            2,
            ((at(4), at(200)),),
            at(200),
            "cut_off",
        )
    assert verify(run).ok


def test_intervals_never_end_before_they_begin(tmp_path: Path) -> None:
    run = cut_off(tmp_path / "run", attachment(1, (at(200), at(10)), (at(300), 0)), attachment(2, lost=at(20)))
    seal_cut_off(run)
    with RunReader(run) as reader:
        first, second = reader.attachments()
        assert first.visible == ((at(10), at(10)), (at(300), at(300)))
        assert (second.lost_ns, second.reason) == (at(20), "gone")


def test_a_run_that_lasted_longer_than_planned_has_no_gap(tmp_path: Path) -> None:
    manifest = seal_cut_off(cut_off(tmp_path / "run", crawl(90), duration="1m"))
    assert (manifest.end_ns, manifest.counters["not_running"]) == (at(90), 0)


def shard(run: Path, slot: int, generation: int, *records: Attachment | Loss) -> Path:
    folder = shard_folder(run, slot, generation)
    folder.parent.mkdir(exist_ok=True)
    return cut_off(folder, *records)


def test_a_run_of_several_processes_is_joined_from_its_shards(tmp_path: Path) -> None:
    run = cut_off(tmp_path / "run", crawl(200))
    shard(run, 0, 0, attachment(1, (at(5), 0)), attachment(2, lost=at(290)))
    shard(run, 1, 0, attachment(1, lost=at(100)))
    shard(run, 1, 1, attachment(1, (at(120), 0)), attachment(2, lost=at(250)))
    manifest = seal_cut_off(run)
    assert (manifest.sealed, manifest.exit, manifest.end_ns) == (True, "partial", at(600))
    assert (manifest.attachments, manifest.crawls) == (5, 1)
    assert manifest.counters == {"not_running": 1, "partly_running": 1}
    with RunReader(run) as reader:
        ended = [(a.number, a.lost_ns, a.reason) for a in reader.attachments()]
        losses = reader.losses()
    assert ended == [
        (1, at(290), "cut_off"),
        (2, at(290), "gone"),
        (3, at(100), "gone"),
        (4, at(250), "cut_off"),
        (5, at(250), "gone"),
    ]
    # the second worker fell silent 40 s before the first; the whole ended with the first
    assert losses == [
        Loss("partly_running", at(250), at(290), 1),
        Loss("not_running", at(290), at(600), 1),
    ]
    assert verify(run).ok
    assert not (run / "shards").exists()
    with pytest.raises(RunError, match="is sealed"):
        seal_cut_off(run)


def test_shards_that_ended_together_leave_no_gap_between_them(tmp_path: Path) -> None:
    run = cut_off(tmp_path / "run", crawl(200), duration="3m")
    for slot in (0, 1):
        seal_shard(shard(run, slot, 0, attachment(1, lost=at(199 + slot))))
    manifest = seal_cut_off(run)
    assert (manifest.end_ns, manifest.counters) == (at(200), {})


def test_a_shard_is_sealed_once_and_tells_when_it_ended(tmp_path: Path) -> None:
    run = cut_off(tmp_path / "run", attachment(1, (at(30), 0)), attachment(2, lost=at(70)))
    assert seal_shard(run) == at(70)
    assert seal_shard(run) == at(70)
    with RunReader(run) as reader:
        assert reader.losses() == []
        assert reader.attachments()[0].visible == ((at(30), at(70)),)


def test_a_run_whose_workers_still_write_is_refused(tmp_path: Path) -> None:
    run = cut_off(tmp_path / "run", crawl(200))
    living = RunWriter.resume(shard(run, 0, 0, attachment(1)))
    with pytest.raises(RunError, match="in use by another writer"):
        seal_cut_off(run)
    living.close()
    assert seal_cut_off(run).sealed


def test_what_cannot_be_sealed(tmp_path: Path) -> None:
    run = cut_off(tmp_path / "run", crawl(10))
    writer = RunWriter.resume(run)
    with pytest.raises(RunError, match="in use by another writer"):
        seal_cut_off(run)
    writer.close()
    seal_cut_off(run)
    with pytest.raises(RunError, match="is sealed"):
        seal_cut_off(run)
