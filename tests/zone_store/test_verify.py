"""Verifying a run: each kind of damage is told, and none of them raises or crashes."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import lmdb
import msgspec
import numpy as np
import pytest

import zone_store
from zone_store.attribution import attribute_into
from zone_store.captures import Attachment, Captures
from zone_store.run import environment
from zone_store.run.blocks import encode_captures
from zone_store.run.folder import RunError, read_manifest
from zone_store.run.reader import RunReader
from zone_store.run.records import encode_record
from zone_store.run.seal import seal_folder
from zone_store.run.verify import stat, verify
from zone_store.run.writer import RunWriter

START_NS = 1_795_273_200_000_000_000

Make = Callable[..., Captures]
NewRun = Callable[..., RunWriter]
Change = Callable[[lmdb.Transaction, dict[bytes, object]], None]


def change_store(folder: Path, change: Change) -> None:
    """Change a store's rows, then seal the run again as if nothing had been: only the rows themselves can tell."""
    with lmdb.open(str(folder / "capture.lmdb"), max_dbs=8, lib_version=0, map_size=1 << 30) as env:
        handles = {name: env.open_db(name) for name in environment.CAPTURE_DATABASES}
        with env.begin(write=True) as transaction:
            change(transaction, handles)
    seal_folder(folder, read_manifest(folder))


def change_manifest(folder: Path, **changes: object) -> None:
    """Change the manifest and seal again."""
    seal_folder(folder, msgspec.structs.replace(read_manifest(folder), **changes))


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)


def test_a_whole_run(sealed_run: Path) -> None:
    report = verify(sealed_run)
    assert report.problems == []
    assert (report.ok, report.sealed, report.live) == (True, True, False)
    assert (report.captures, report.attachments, report.crawls, report.blocks) == (10_000, 2, 1, 10)


def test_a_run_that_was_not_sealed_is_whole_but_not_sealed(
    new_run: NewRun, captures_at: Make, attachment: Callable[..., object]
) -> None:
    writer = new_run()
    writer.attachment(attachment(1))
    writer.captures(captures_at([1, 2, 3]))
    writer.close()
    report = verify(writer.folder)
    assert (report.ok, report.sealed, report.captures) == (True, False, 3)


def test_a_run_under_way_is_read_but_not_walked(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from zone_store.run.folder import Manifest
from zone_store.run.writer import RunWriter
manifest = Manifest(montra_version="0.1.0", overlay="mainline", zone="a4/6", start_ns=1)
with RunWriter(Path(sys.argv[1]), manifest, ""):
    print("open", flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(Path(zone_store.__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        report = verify(tmp_path)
        assert (report.ok, report.live, report.sealed) == (True, True, False)
    assert verify(tmp_path).live is False


@pytest.mark.parametrize("name", ["manifest.json", "config.toml", "status.csv", "log.jsonl", "capture.lmdb/data.mdb"])
def test_one_more_byte_in_any_sealed_file(sealed_run: Path, name: str) -> None:
    with (sealed_run / name).open("ab") as file:
        file.write(b"\n")
    assert verify(sealed_run).problems == [f"{name} is not what was sealed: its SHA-256 differs"]


@pytest.mark.parametrize("name", ["config.toml", "status.csv", "log.jsonl"])
def test_a_missing_file(sealed_run: Path, name: str) -> None:
    (sealed_run / name).unlink()
    assert verify(sealed_run).problems == [f"{name} cannot be read: No such file or directory"]


def test_a_missing_store(sealed_run: Path) -> None:
    shutil.rmtree(sealed_run / "capture.lmdb")
    report = verify(sealed_run)
    assert report.problems[0] == "capture.lmdb/data.mdb cannot be read: No such file or directory"
    assert report.captures == 0


def test_a_missing_manifest(sealed_run: Path) -> None:
    (sealed_run / "manifest.json").unlink()
    report = verify(sealed_run)
    assert report.problems == [f"{sealed_run} is no run folder: it has no manifest.json"]
    assert not report.ok
    assert verify(sealed_run / "nowhere").ok is False


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "cannot read SHA256SUMS"),
        ("", "SHA256SUMS does not list manifest.json"),
        ("abc  manifest.json\n", "SHA256SUMS has a line that is none of ours: 'abc  manifest.json'"),
        (f"{'0' * 64}  ../../etc/passwd\n", "SHA256SUMS has a line that is none of ours"),
    ],
)
def test_bad_sums(sealed_run: Path, text: str | None, problem: str) -> None:
    if text is None:
        (sealed_run / "SHA256SUMS").unlink()
    else:
        (sealed_run / "SHA256SUMS").write_text(text)
    report = verify(sealed_run)
    assert report.problems[0].startswith(problem)
    assert report.captures == 10_000  # the rest is checked all the same


def test_another_schema(sealed_run: Path) -> None:
    values = json.loads((sealed_run / "manifest.json").read_text()) | {"schema": 7}
    (sealed_run / "manifest.json").write_text(json.dumps(values))
    assert verify(sealed_run).problems == [f"{sealed_run} has schema 7, this version reads 1"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"captures": 9_999}, "captures: manifest says 9999, found 10000"),
        ({"attachments": 3}, "attachments: manifest says 3, found 2"),
        ({"crawls": 0}, "crawls: manifest says 0, found 1"),
        ({"store_format": "lmdb-1.0"}, "stores 'lmdb-1.0', this version reads 'lmdb-0.9'"),
    ],
)
def test_a_manifest_that_says_otherwise(sealed_run: Path, changes: dict[str, object], problem: str) -> None:
    change_manifest(sealed_run, **changes)
    problems = verify(sealed_run).problems
    assert len(problems) == 1
    assert problems[0].endswith(problem)


def block_damage(captures_at: Make) -> dict[str, tuple[Change, list[str]]]:
    ten = environment.time_key(START_NS + 20_000, 10)

    def put(key: bytes, value: bytes, database: bytes = environment.CAPTURES) -> Change:
        return lambda transaction, handles: transaction.put(key, value, db=handles[database])

    def remove(key: bytes, database: bytes) -> Change:
        return lambda transaction, handles: transaction.delete(key, db=handles[database])

    counts = [
        "captures: store's own total says 10000, found 10002",
        "capture blocks: store's own total says 10, found 11",
        "captures: manifest says 10000, found 10002",
    ]
    late = captures_at([20_000, 20_001])
    narrow = replace(late, key=late.key[:, :16].copy(), requester_id=late.key[:, :16].copy())
    return {
        "undecodable": (
            put(ten, b"\x96\x01\x02"),
            ["capture block 10: no block: Input data was truncated", counts[1]],
        ),
        "empty": (put(ten, encode_captures(Captures.empty(20))), ["capture block 10: it is empty", counts[1]]),
        "unsorted": (
            put(ten, encode_captures(replace(late, time_ns=late.time_ns[::-1].copy()))),
            ["capture block 10: its rows are not in time order", *counts],
        ),
        "key": (
            put(environment.time_key(START_NS + 1, 10), encode_captures(late)),
            ["capture block 10: its first time is not that of its key", *counts],
        ),
        "ids": (put(ten, encode_captures(narrow)), ["capture block 10: IDs of 16 bytes, not 20", *counts]),
        "attachment": (
            put(ten, encode_captures(replace(late, attachment=np.array([8, 9], np.uint32)))),
            ["capture block 10: attachment 8 is not stored (2 such)", *counts],
        ),
        "short key": (put(b"key", b""), ["a key of 3 bytes, not 16"]),
        "target": (
            remove(environment.number_key(2), environment.TARGETS),
            [f"capture block {i}: attachment 2 is not stored (1 such)" for i in range(10)]
            + ["attachments: manifest says 2, found 1"],
        ),
        "target record": (
            put(environment.number_key(2), b"\x90", environment.TARGETS),
            ["damaged attachment record: Expected `array` of length 16", "attachments: manifest says 2, found 0"],
        ),
        "target IDs": (
            put(
                environment.number_key(2),
                encode_record(Attachment(2, bytes(16), 1, 1, bytes(16), 2, 2, START_NS)),
                environment.TARGETS,
            ),
            ["attachment 2: its IDs are not 20 bytes"],
        ),
        "target number": (
            put(
                environment.number_key(2),
                encode_record(Attachment(1 << 32, bytes(20), 1, 1, bytes(20), 2, 2, START_NS)),
                environment.TARGETS,
            ),
            ["damaged attachment record: Expected `int` <= 4294967295"],
        ),
        "text": (
            put(environment.time_key(1, 1), b"\x95\x01\xa1\x80\x01\x02\x03", environment.LEDGER),
            ["damaged ledger record: 'utf-8' codec can't decode"],
        ),
        "crawl": (
            remove(environment.number_key(1), environment.CRAWLS),
            ["crawls: manifest says 1, found 0"],
        ),
        "ledger": (
            put(environment.time_key(1, 1), b"\xff", environment.LEDGER),
            ["damaged ledger record: Expected `array`, got `int`"],
        ),
        "meta": (
            remove(b"captures", environment.META),
            ["captures: store's own total says 0, found 10000"],
        ),
    }


@pytest.mark.parametrize(
    "name",
    [
        "undecodable",
        "empty",
        "unsorted",
        "key",
        "ids",
        "attachment",
        "short key",
        "target",
        "target record",
        "target IDs",
        "target number",
        "text",
        "crawl",
        "ledger",
        "meta",
    ],
)
def test_rows_that_are_wrong_though_all_sums_are_right(sealed_run: Path, captures_at: Make, name: str) -> None:
    change, expected = block_damage(captures_at)[name]
    change_store(sealed_run, change)
    problems = verify(sealed_run).problems
    assert len(problems) >= len(expected)
    for problem, start in zip(problems, expected, strict=False):
        assert problem.startswith(start)


def test_a_flipped_byte_anywhere_is_told(sealed_run: Path) -> None:
    path = sealed_run / "capture.lmdb" / "data.mdb"
    sound = path.read_bytes()
    rng = random.Random(1)
    for _ in range(60):
        flip(path, rng.randrange(len(sound)))
        assert "capture.lmdb/data.mdb is not what was sealed: its SHA-256 differs" in verify(sealed_run).problems
        path.write_bytes(sound)
    assert verify(sealed_run).ok


def test_damaged_pages_of_an_unsealed_run_never_crash(sealed_run: Path) -> None:
    """Without sums only the structure tells; whatever it does not tell must be harmless to read."""
    manifest = read_manifest(sealed_run)
    values = msgspec.to_builtins(manifest) | {"sealed": False}
    (sealed_run / "manifest.json").write_text(json.dumps(values))
    path = sealed_run / "capture.lmdb" / "data.mdb"
    sound = path.read_bytes()
    rng = random.Random(2)
    told = 0
    heads = [page + offset for page in range(0, len(sound), 4096) for offset in range(24)]
    for place in [*rng.sample(heads, 200), *rng.sample(range(len(sound)), 100)]:
        flip(path, place)
        told += not verify(sealed_run).ok
        path.write_bytes(sound)
    assert told > 20
    for length in (0, 1, 100, 4096, 5000, 8192, len(sound) // 2, len(sound) - 4096):
        path.write_bytes(sound[:length])
        assert not verify(sealed_run).ok
    path.write_bytes(sound)
    assert verify(sealed_run).ok


def test_problems_are_bounded(sealed_run: Path) -> None:
    def change(transaction: lmdb.Transaction, handles: dict[bytes, object]) -> None:
        for i in range(200):
            transaction.put(environment.time_key(START_NS, 100 + i), b"\x90", db=handles[environment.CAPTURES])

    change_store(sealed_run, change)
    report = verify(sealed_run)
    assert len(report.problems) == 50
    assert report.more_problems == 151
    assert report.captures == 10_000


def test_stat(sealed_run: Path) -> None:
    figures = stat(sealed_run)
    size = (sealed_run / "capture.lmdb" / "data.mdb").stat().st_size
    assert figures.pop("store_bytes") == size
    assert figures.pop("bytes_per_capture") == round(size / 10_000, 2)
    assert figures == {
        "run": "run",
        "overlay": "mainline",
        "zone": "a4/6",
        "sealed": True,
        "exit": "complete",
        "start": "2026-11-21T15:00:00.000+00:00",
        "end": "2026-11-21T15:00:00.000+00:00",
        "captures": 10_000,
        "blocks": 10,
        "attachments": 2,
        "crawls": 1,
        "contents": 0,
        "first_capture": "2026-11-21T15:00:00.000+00:00",
        "last_capture": "2026-11-21T15:00:00.000+00:00",
        "losses": {"rate_limited": 3},
        "counters": {"captured": 10_000},
    }
    json.dumps(figures)


def test_stat_of_an_empty_run_and_of_none(new_run: NewRun) -> None:
    writer = new_run(start_ns=10**30)
    writer.close()
    figures = stat(writer.folder)
    assert (figures["captures"], figures["first_capture"], figures["end"]) == (0, "", "")
    assert figures["start"] == f"{10**30} ns"
    with pytest.raises(RunError):
        stat(writer.folder / "nowhere")


def make_lookups(folder: Path) -> None:
    with RunReader(folder) as reader:
        attribute_into(folder, reader, span_ns=1, refresh_bits=96)


def change_lookups(folder: Path, change: Callable[[lmdb.Transaction, dict[bytes, object]], None]) -> None:
    with lmdb.open(str(folder / "lookups.lmdb"), max_dbs=8, lib_version=0, map_size=1 << 30) as env:
        handles = {name: env.open_db(name) for name in (environment.LOOKUPS, environment.META)}
        with env.begin(write=True) as transaction:
            change(transaction, handles)


def test_lookups_are_read_too(sealed_run: Path) -> None:
    make_lookups(sealed_run)
    report = verify(sealed_run)
    assert report.problems == []
    with RunReader(sealed_run) as reader:
        assert report.lookups == reader.lookups_made().rows > 1000


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a block", "lookup block 1"),
        ("one block less", "lookups were written, found"),
        ("no word of how", "does not tell how it was made"),
        ("a page", "lookups.lmdb: "),
        ("all", "lookups.lmdb: "),
    ],
)
def test_lookups_that_are_damaged_are_told_and_that_they_can_be_made_again(
    sealed_run: Path, name: str, problem: str
) -> None:
    make_lookups(sealed_run)
    path = sealed_run / "lookups.lmdb" / "data.mdb"
    key = environment.number_key(1)
    if name == "a block":
        change_lookups(sealed_run, lambda t, db: t.put(key, b"\x90", db=db[environment.LOOKUPS]))  # type: ignore[arg-type, func-returns-value]
    elif name == "one block less":
        change_lookups(sealed_run, lambda t, db: t.delete(key, db=db[environment.LOOKUPS]))  # type: ignore[arg-type, func-returns-value]
    elif name == "no word of how":
        change_lookups(sealed_run, lambda t, db: t.delete(environment.MADE, db=db[environment.META]))  # type: ignore[arg-type, func-returns-value]
    elif name == "a page":
        path.write_bytes(path.read_bytes()[:8192] + bytes(8192))
    else:
        path.write_bytes(b"")
    report = verify(sealed_run)
    assert not report.ok
    (text,) = report.problems
    assert problem in text
    assert text.endswith("(captures are not affected: analyze the run to make it again)")
    assert report.captures == 10_000
    make_lookups(sealed_run)
    assert verify(sealed_run).ok
