"""What was said of content IDs: stored, read, verified, merged and joined; and stores that are older than that."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import lmdb
import msgspec
import pytest
import zstandard

from zone_store.captures import Attachment, Loss
from zone_store.contents import Content, What
from zone_store.run import writer as module
from zone_store.run.content_blocks import CONTENT_SCHEMA, decode_contents, encode_contents
from zone_store.run.folder import RunError
from zone_store.run.join import join, shard_folder
from zone_store.run.merge import merge
from zone_store.run.reader import RunReader
from zone_store.run.store import Batch
from zone_store.run.verify import stat, verify
from zone_store.run.writer import RunWriter

START_NS = 1_795_273_200_000_000_000
KEY, FILE = bytes([0xA4]) * 20, bytes([0xA4, 1]) * 10
KEYWORD = Content(
    START_NS + 5,
    1,
    0x64400101,
    4672,
    What.KEYWORD,
    KEY,
    FILE,
    734_003_200,
    "ein läxikon.avi",
    (("type", "Video"), ("x", "")),
)
SEARCH = Content(START_NS + 3, 2, 0x64400201, 4672, What.SEARCH_SOURCE, FILE, FILE, (1 << 63) - 1)

NewRun = Callable[..., RunWriter]
Make = Callable[..., Attachment]


def written(folder: Path) -> list[Content]:
    with RunReader(folder) as reader:
        return list(reader.contents())


@pytest.fixture
def shard(new_run: NewRun, attachment: Make) -> Callable[..., Path]:
    """Make a sealed run of attachments 10 and 12 and of these contents, with attachment 12."""

    def make(name: str, contents: list[Content], begin: int = 0) -> Path:
        writer = new_run(name, start_ns=START_NS + begin)
        writer.attachment(attachment(10))
        writer.attachment(attachment(12))
        for content in contents:
            writer.content(replace(content, attachment=12))
        writer.seal(START_NS + 10**6, "complete")
        return writer.folder

    return make


def test_a_block_gives_back_what_was_written() -> None:
    assert decode_contents(encode_contents([KEYWORD, SEARCH])) == [KEYWORD, SEARCH]
    assert encode_contents([KEYWORD]) == encode_contents([KEYWORD])
    assert isinstance(decode_contents(encode_contents([SEARCH]))[0].what, What)


def packed(value: object) -> bytes:
    return zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(value))


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"junk",
        encode_contents([KEYWORD])[:-3],
        packed(7),
        packed([CONTENT_SCHEMA, [[1, 2, 3]]]),
        packed([CONTENT_SCHEMA, [[1, 2, 3, 4, "gossip", KEY, b"", 0, "", []]]]),
        packed([CONTENT_SCHEMA + 1, []]),
        packed([CONTENT_SCHEMA, [[1, 2, 3, 1 << 16, "source", KEY, b"", 0, "", []]]]),
    ],
)
def test_damage_is_one_error(block: bytes) -> None:
    with pytest.raises(RunError, match=r"contents"):
        decode_contents(block)


def test_contents_are_stored_in_order_of_time_and_counted(new_run: NewRun, attachment: Make) -> None:
    writer = new_run()
    writer.attachment(attachment(1))
    writer.attachment(attachment(2))
    writer.content(KEYWORD)
    writer.content(SEARCH)
    writer.drain()
    writer.content(replace(SEARCH, time_ns=START_NS + 9))
    manifest = writer.seal(START_NS + 10, "complete")
    assert manifest.contents == 3
    assert written(writer.folder) == [SEARCH, KEYWORD, replace(SEARCH, time_ns=START_NS + 9)]
    report = verify(writer.folder)
    assert (report.problems, report.contents) == ([], 3)
    assert stat(writer.folder)["contents"] == 3


def test_more_than_a_stalled_disk_takes_is_dropped_and_counted(
    new_run: NewRun, attachment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_CONTENTS", 1)
    writer = new_run()
    writer.attachment(attachment(1))
    monkeypatch.setattr(writer, "_start", lambda: None)  # nothing goes to the disk
    for n in range(5):
        writer.content(replace(KEYWORD, time_ns=START_NS + n))
    assert writer.losses() == [Loss("store_contents_overflow", START_NS + 2, START_NS + 4, 3)]
    monkeypatch.undo()
    manifest = writer.seal(START_NS + 10, "complete")
    assert (manifest.contents, manifest.counters) == (2, {"store_contents_overflow": 3})


def test_a_disk_that_fails_again_and_again_leaves_no_more_in_memory(
    new_run: NewRun, attachment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_CONTENTS", 2)
    writer = new_run()
    writer.attachment(attachment(1))
    tried: list[int] = []

    def failing(batch: Batch) -> None:
        tried.append(len(batch.contents))
        raise RunError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(writer._store, "commit", failing)
        for n in range(20):
            with suppress(RunError):
                writer.content(replace(KEYWORD, time_ns=START_NS + n))
        with pytest.raises(RunError, match="no space"):
            writer.drain()
    assert max(tried) == 4  # twice as many as are committed at once
    manifest = writer.seal(START_NS + 30, "disk full")
    assert (manifest.contents, manifest.counters) == (4, {"store_contents_overflow": 16})


def test_merged_runs_number_the_attachments_of_contents_anew(shard: Callable[..., Path], tmp_path: Path) -> None:
    later = shard("b", [replace(KEYWORD, time_ns=START_NS + n) for n in (4, 6)])
    former = shard("a", [replace(SEARCH, time_ns=START_NS + n) for n in (5, 7)])
    merged = merge([later, former], tmp_path / "runs")
    assert verify(merged).problems == []
    assert [(one.time_ns - START_NS, one.attachment) for one in written(merged)] == [(4, 4), (5, 2), (6, 4), (7, 2)]


def test_shards_are_joined_with_what_was_said(new_run: NewRun, attachment: Make) -> None:
    with new_run("run") as own:
        pass
    for slot in (0, 1):
        folder = shard_folder(own.folder, slot, 0)
        folder.parent.mkdir(exist_ok=True)
        writer = new_run(str(folder.relative_to(own.folder.parent)))
        writer.attachment(attachment(1, byte=0xA4 + slot))
        writer.content(replace(KEYWORD, time_ns=START_NS + slot))
        writer.seal(START_NS + 10, "complete")
    manifest = join(own.folder, START_NS + 20, "complete", {})
    assert manifest.contents == 2
    assert [(one.time_ns - START_NS, one.attachment) for one in written(own.folder)] == [(0, 1), (1, 2)]


def test_a_content_of_an_unknown_attachment_is_told(new_run: NewRun, attachment: Make, tmp_path: Path) -> None:
    writer = new_run()
    writer.attachment(attachment(2))
    writer.content(KEYWORD)
    writer.seal(START_NS + 10, "complete")
    assert verify(writer.folder).problems == ["content 1: attachment 1 is not stored"]
    with pytest.raises(RunError, match="does not store"):
        merge([writer.folder], tmp_path / "runs")


def test_a_store_from_before_contents_is_read_and_verified(sealed_run: Path) -> None:
    with lmdb.open(str(sealed_run / "capture.lmdb"), max_dbs=8, lib_version=0, map_size=1 << 30) as env:
        contents, meta = env.open_db(b"contents"), env.open_db(b"meta")
        with env.begin(write=True) as transaction:
            transaction.drop(contents)
            for name in (b"contents", b"content_blocks"):
                transaction.delete(name, db=meta)
    assert written(sealed_run) == []
    assert [line for line in verify(sealed_run).problems if "SHA-256" not in line] == []
