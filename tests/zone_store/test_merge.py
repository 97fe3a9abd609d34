"""Merging sealed runs: what is joined, what is numbered anew, what is refused."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zone_store.captures import Attachment, Captures, CrawlRow, Loss
from zone_store.run.folder import RunError
from zone_store.run.merge import merge
from zone_store.run.reader import RunReader
from zone_store.run.store import StoreLimits
from zone_store.run.verify import verify
from zone_store.run.writer import RunWriter

START_NS = 1_795_273_200_000_000_000

Make = Callable[..., Captures]
Shard = Callable[..., Path]


@pytest.fixture
def shard(
    new_run: Callable[..., RunWriter],
    captures_at: Make,
    attachment: Callable[..., Attachment],
    crawl: Callable[[int], CrawlRow],
) -> Shard:
    """Make a sealed run of two attachments (10 and 12), a crawl, a ledger row, captures at these times."""

    def make(
        name: str, times: range, zone: str = "a4/6", begin: int = 0, end: int = 10**6, first_port: int = 0, **more: str
    ) -> Path:
        writer = new_run(name, zone=zone, start_ns=START_NS + begin, limits=StoreLimits(block_rows=100), **more)
        writer.attachment(attachment(10))
        writer.attachment(attachment(12))
        writer.crawl(crawl(1))
        writer.loss(Loss("malformed", START_NS + begin, START_NS + end, 2))
        writer.captures(captures_at(times, first_port=first_port, attachments=(10, 12)))
        writer.seal(START_NS + end, "complete", {"malformed": 2, name: 1})
        return writer.folder

    return make


def test_shards_of_one_zone(shard: Shard, tmp_path: Path) -> None:
    even = shard("b", range(0, 2000, 2), first_port=0)
    odd = shard("a", range(1, 2000, 2), first_port=10_000)
    merged = merge([even, odd], tmp_path / "runs")
    assert merged.name == "20261121T150000Z_mainline_a4-6"
    report = verify(merged)
    assert report.problems == []
    assert (report.sealed, report.captures, report.attachments, report.crawls) == (True, 2000, 4, 2)
    with RunReader(merged) as reader:
        manifest = reader.manifest
        assert (manifest.start_ns, manifest.end_ns, manifest.exit) == (START_NS, START_NS + 10**6, "merged")
        assert manifest.counters == {"malformed": 4, "a": 1, "b": 1}
        # In order of folder names, whatever order they were given in.
        assert [source["run"] for source in manifest.parameters["merged"]] == ["a", "b"]
        assert manifest.parameters["merged"][0]["end_ns"] == START_NS + 10**6
        assert [a.number for a in reader.attachments()] == [1, 2, 3, 4]
        assert [a.target_id[-1] for a in reader.attachments()] == [10, 12, 10, 12]
        assert [c.number for c in reader.crawls()] == [1, 2]
        assert reader.losses() == [Loss("malformed", START_NS, START_NS + 10**6, 2)] * 2
        captures = Captures.concat(list(reader.captures()), 20)
    assert captures.time_ns.tolist() == list(range(START_NS, START_NS + 2000))
    assert captures.source_port[:4].tolist() == [0, 10_000, 1, 10_001]
    assert captures.attachment[:4].tolist() == [3, 1, 4, 2]
    assert (merged / "config.toml").read_text() == "seed = 1\n"


def test_parts_of_a_larger_zone_at_different_times(shard: Shard, tmp_path: Path) -> None:
    left = shard("left", range(10), zone="a4/7", begin=0, end=500)
    right = shard("right", range(600, 610), zone="a6/7", begin=100, end=1000, config="seed = 2\n")
    merged = merge([right, left], tmp_path / "runs")
    with RunReader(merged) as reader:
        assert reader.manifest.zone == "a4/6"
        assert [source["zone"] for source in reader.manifest.parameters["merged"]] == ["a4/7", "a6/7"]
        assert outages(reader) == [("partly_running", 0, 100), ("partly_running", 500, 1000)]
        assert reader.manifest.counters["partly_running"] == 2
        assert sum(map(len, reader.captures())) == 20
    config = (merged / "config.toml").read_text()
    assert tomllib.loads(config) == {}
    assert "#     seed = 2" in config


def outages(reader: RunReader) -> list[tuple[str, int, int]]:
    return [
        (loss.name, loss.begin_ns - START_NS, loss.end_ns - START_NS)
        for loss in reader.losses()
        if loss.name.endswith("_running")
    ]


def test_windows_of_one_zone_back_to_back_have_no_gap_and_apart_have_the_time_between(
    shard: Shard, tmp_path: Path
) -> None:
    first, second = shard("a", range(10), end=1000), shard("b", range(1000, 1010), begin=1000, end=2000)
    third = shard("c", range(2600, 2610), begin=2500, end=3000)
    with RunReader(merge([second, first], tmp_path / "two")) as reader:
        assert outages(reader) == []
        assert "not_running" not in reader.manifest.counters
    with RunReader(merge([first, second, third], tmp_path / "three")) as reader:
        assert outages(reader) == [("not_running", 2000, 2500)]
        assert reader.manifest.counters["not_running"] == 1


def test_a_crash_of_one_source_is_a_gap_only_where_no_other_ran(
    shard: Shard, new_run: Callable[..., RunWriter], tmp_path: Path
) -> None:
    writer = new_run("cut", start_ns=START_NS)
    writer.loss(Loss("not_running", START_NS + 300, START_NS + 900, 1))
    writer.seal(START_NS + 900, "partial", {"not_running": 1})
    other = shard("other", range(10), begin=0, end=500)
    with RunReader(merge([writer.folder, other], tmp_path / "runs")) as reader:
        assert outages(reader) == [("partly_running", 300, 500), ("not_running", 500, 900)]
        assert reader.manifest.counters["not_running"] == 1


def test_batches_of_sources_interleave(shard: Shard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources of different density, read in small batches: each is asked for more only when it has nothing left."""
    real = RunReader.captures
    monkeypatch.setattr(RunReader, "captures", lambda reader: real(reader, batch_rows=7))
    runs = [
        shard("dense", range(300), first_port=0),
        shard("sparse", range(0, 3000, 100), first_port=1000),
        shard("late", range(2000, 2050), first_port=2000),
        shard("empty", range(0)),
    ]
    folders = [merge(runs, tmp_path / out) for out in ("one", "two")]
    monkeypatch.undo()
    stores = []
    for folder in folders:
        with RunReader(folder) as reader:
            stores.append(Captures.concat(list(reader.captures()), 20))
    times = (stores[0].time_ns - START_NS).tolist()
    assert times == sorted([*range(300), *range(0, 3000, 100), *range(2000, 2050)])
    assert sorted(stores[0].source_port.tolist()) == [*range(300), *range(1000, 1030), *range(2000, 2050)]
    assert all(np.array_equal(getattr(stores[0], name), getattr(stores[1], name)) for name in stores[0].__slots__)


@pytest.mark.parametrize(
    ("zones", "message"),
    [
        (["a4/7", "a4/8"], "zones a4/7 and a4/8 overlap"),
        (["a4/8", "a5/8", "a7/8"], "zones a4/8, a5/8, a7/8 leave parts of a4/6"),
        (["a4/6", "a4/6", "a8/6"], "zones a4/6, a8/6 leave parts of a/4"),
    ],
)
def test_zones_that_do_not_add_up(shard: Shard, tmp_path: Path, zones: list[str], message: str) -> None:
    runs = [shard(f"run{i}", range(3), zone=zone) for i, zone in enumerate(zones)]
    with pytest.raises(RunError, match=message):
        merge(runs, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_what_cannot_be_merged(shard: Shard, new_run: Callable[..., RunWriter], tmp_path: Path) -> None:
    run = shard("run", range(3))
    with pytest.raises(RunError, match="nothing to merge"):
        merge([], tmp_path)
    with pytest.raises(RunError, match="cannot be merged with itself"):
        merge([run, tmp_path / "." / "run"], tmp_path)
    with pytest.raises(RunError, match="is no run folder"):
        merge([run, tmp_path / "missing"], tmp_path)
    with pytest.raises(RunError, match="is of another overlay or address family than"):
        merge([run, shard("kad", range(3), overlay="kad")], tmp_path)
    writer = new_run("open")
    writer.close()
    with pytest.raises(RunError, match="open is not sealed: seal it before merging"):
        merge([run, writer.folder], tmp_path)
    (run / "config.toml").unlink()
    with pytest.raises(RunError, match=r"cannot read .*config\.toml"):
        merge([run], tmp_path)


def test_a_merge_that_fails_leaves_nothing(
    shard: Shard, new_run: Callable[..., RunWriter], captures_at: Make, tmp_path: Path
) -> None:
    orphan = new_run("orphan")
    orphan.captures(captures_at([1], attachments=(77,)))
    orphan.seal(START_NS, "complete")
    with pytest.raises(RunError, match="orphan has captures of attachments it does not store"):
        merge([shard("run", range(3)), orphan.folder], tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_merged_run_is_not_overwritten(shard: Shard, tmp_path: Path) -> None:
    run = shard("run", range(3))
    merge([run], tmp_path / "runs")
    with pytest.raises(RunError, match="already exists"):
        merge([run], tmp_path / "runs")
    assert verify(tmp_path / "runs" / "20261121T150000Z_mainline_a4-6").ok
