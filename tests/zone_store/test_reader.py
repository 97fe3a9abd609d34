"""Reading a run: exact time order out of overlapping blocks, batches, a run under way, what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zone_store
from zone_store.captures import Attachment, Captures, CrawlRow, Lookups, Loss
from zone_store.run import environment
from zone_store.run.blocks import encode_captures, encode_lookups
from zone_store.run.folder import Manifest, RunError, read_manifest, write_manifest
from zone_store.run.reader import RunReader
from zone_store.run.store import StoreLimits
from zone_store.run.writer import RunWriter

START_NS = 1_795_273_200_000_000_000

Make = Callable[..., Captures]
NewRun = Callable[..., RunWriter]


def rows(batches: Iterator[Captures]) -> list[tuple[int, int]]:
    """Return (time after START_NS, source port) of all rows."""
    return [
        (time - START_NS, port)
        for batch in batches
        for time, port in zip(batch.time_ns.tolist(), batch.source_port.tolist(), strict=True)
    ]


def put(folder: Path, key: bytes, value: bytes, database: bytes = environment.CAPTURES) -> None:
    """Write into a store behind the writer's back."""
    with lmdb.open(str(folder / "capture.lmdb"), max_dbs=8, lib_version=0, map_size=1 << 30) as env:
        handle = env.open_db(database)
        with env.begin(write=True) as transaction:
            transaction.put(key, value, db=handle)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(
    calls=st.lists(st.lists(st.integers(-(10**6), 10**6), max_size=12), max_size=12),
    block_rows=st.integers(1, 8),
    batch_rows=st.integers(1, 9),
)
def test_captures_come_in_time_order_whatever_order_they_went_in(
    tmp_path_factory: pytest.TempPathFactory,
    captures_at: Make,
    calls: list[list[int]],
    block_rows: int,
    batch_rows: int,
) -> None:
    folder = tmp_path_factory.mktemp("run")
    manifest = Manifest(montra_version="0.1.0", overlay="mainline", zone="a4/6", start_ns=START_NS)
    writer = RunWriter(folder, manifest, "", StoreLimits(block_rows=block_rows))
    port = 0
    for times in calls:
        writer.captures(captures_at(times, first_port=port))
        port += len(times)
        writer.drain()
    writer.seal(START_NS, "complete")
    given_rows = [(time, port) for port, time in enumerate(time for times in calls for time in times)]
    with RunReader(folder) as reader:
        found = rows(reader.captures(batch_rows))
        assert [len(batch) for batch in reader.captures(batch_rows)][:-1] == [batch_rows] * ((port - 1) // batch_rows)
    assert [time for time, _ in found] == sorted(time for time, _ in given_rows)
    assert sorted(found) == sorted(given_rows)


def test_rows_of_one_time_stay_in_the_order_of_storing(new_run: NewRun, captures_at: Make) -> None:
    writer = new_run(limits=StoreLimits(block_rows=2))
    for first, times in ((0, [5, 5, 5]), (3, [5, 9]), (5, [1, 5])):
        writer.captures(captures_at(times, first_port=first))
        writer.drain()
    writer.close()
    with RunReader(writer.folder) as reader:
        # The last call's block begins at 1, so it is read first.
        assert rows(reader.captures()) == [(1, 5), (5, 6), (5, 0), (5, 1), (5, 2), (5, 3), (9, 4)]


def test_no_more_is_held_than_overlaps(new_run: NewRun, captures_at: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = new_run(limits=StoreLimits(block_rows=100))
    for first in range(0, 20_000, 100):
        # Neighbouring calls overlap by half.
        writer.captures(captures_at(range(first, first + 150), first_port=first))
        writer.drain()
    writer.close()
    largest = 0
    real = Captures.concat

    def concat(parts: list[Captures], id_bytes: int) -> Captures:
        nonlocal largest
        largest = max(largest, sum(map(len, parts)))
        return real(parts, id_bytes)

    with RunReader(writer.folder) as reader:
        monkeypatch.setattr(Captures, "concat", concat)
        assert sum(map(len, reader.captures(batch_rows=100))) == 30_000
    assert largest <= 300


def test_everything_comes_back(
    sealed_run: Path, attachment: Callable[..., Attachment], crawl: Callable[..., CrawlRow]
) -> None:
    with RunReader(sealed_run) as reader:
        assert reader.manifest == read_manifest(sealed_run)
        assert reader.attachments() == [attachment(1), attachment(2)]
        assert reader.crawls() == [crawl(1)]
        assert reader.losses() == [Loss("rate_limited", START_NS, START_NS + 5, 3)]
        assert reader.totals() == {
            "captures": 10_000,
            "blocks": 10,
            "losses": 1,
            "last_ns": START_NS + 9_999,
            "contents": 0,
            "content_blocks": 0,
        }
        assert [len(batch) for batch in reader.captures(batch_rows=4096)] == [4096, 4096, 1808]
        assert rows(reader.captures()) == [(i, i + 1) for i in range(10_000)]


def test_reading_a_sealed_run_touches_no_file(sealed_run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in sealed_run.rglob("*")}
    with RunReader(sealed_run) as reader:
        assert sum(map(len, reader.captures())) == 10_000
    assert {path: path.stat().st_mtime_ns for path in sealed_run.rglob("*")} == before


def test_two_readings_at_once(sealed_run: Path) -> None:
    with RunReader(sealed_run) as reader:
        pairs = zip(reader.captures(10), reader.captures(10), strict=True)
        assert all(a.time_ns.tolist() == b.time_ns.tolist() for a, b in pairs)
        next(reader.captures())
        assert len(reader.attachments()) == 2


def test_an_open_iterator_ends_with_an_error_when_the_run_is_closed(sealed_run: Path) -> None:
    reader = RunReader(sealed_run)
    captures = reader.captures(10)
    next(captures)
    reader.close()
    reader.close()
    with pytest.raises(RunError, match="cannot read"):
        list(captures)


def test_a_process_has_a_run_open_once(sealed_run: Path) -> None:
    with RunReader(sealed_run), pytest.raises(RunError, match="already open in this process"):
        RunReader(sealed_run)


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is no run folder"):
        RunReader(tmp_path)
    manifest = Manifest(montra_version="0", overlay="mainline", zone="a4/6", start_ns=1, store_format="lmdb-1.0")
    write_manifest(tmp_path, manifest)
    with pytest.raises(RunError, match=r"stores 'lmdb-1\.0', this version reads 'lmdb-0\.9'"):
        RunReader(tmp_path)
    manifest.store_format = "lmdb-0.9"
    write_manifest(tmp_path, manifest)
    with pytest.raises(RunError, match=r"capture\.lmdb is missing"):
        RunReader(tmp_path)
    (tmp_path / "capture.lmdb").mkdir()
    (tmp_path / "capture.lmdb" / "data.mdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(RunError, match=r"cannot open capture\.lmdb"):
        RunReader(tmp_path)


def test_a_store_of_others(tmp_path: Path) -> None:
    manifest = Manifest(montra_version="0", overlay="mainline", zone="a4/6", start_ns=1, store_format="lmdb-0.9")
    write_manifest(tmp_path, manifest)
    put(tmp_path, b"key", b"value", database=b"something")
    with pytest.raises(RunError, match="is no store of ours"):
        RunReader(tmp_path)
    with pytest.raises(RunError, match="is no store of ours"):
        RunReader(tmp_path)  # the first failure left nothing open


@pytest.mark.parametrize(
    ("database", "key", "value", "message"),
    [
        (
            environment.CAPTURES,
            environment.time_key(START_NS, 99),
            b"\x90",
            "capture block 99 of .*not a msgpack array",
        ),
        (environment.CAPTURES, b"short", b"", "a key of 5 bytes, not 16"),
        (environment.TARGETS, environment.number_key(5), b"\x91\x01", "damaged attachment record"),
        (environment.CRAWLS, environment.number_key(5), b"\xc1", "damaged crawl record"),
        (environment.LEDGER, environment.time_key(1, 5), b"\x95\x02\xa1x\x01\x02\x03", "ledger record of schema 2"),
        (environment.META, b"captures", b"many", "a number of 4 bytes, not 8"),
    ],
)
def test_damaged_records_are_named(new_run: NewRun, database: bytes, key: bytes, value: bytes, message: str) -> None:
    writer = new_run()
    writer.close()
    put(writer.folder, key, value, database)
    with RunReader(writer.folder) as reader:
        read = {
            environment.CAPTURES: lambda: list(reader.captures()),
            environment.TARGETS: reader.attachments,
            environment.CRAWLS: reader.crawls,
            environment.LEDGER: reader.losses,
            environment.META: reader.totals,
        }
        with pytest.raises(RunError, match=message):
            read[database]()


def test_blocks_of_another_overlay(new_run: NewRun, captures_at: Make) -> None:
    writer = new_run()
    writer.close()
    foreign = captures_at([1, 2])
    foreign.key = foreign.requester_id = np.zeros((2, 16), np.uint8)
    put(writer.folder, environment.time_key(START_NS, 0), encode_captures(foreign))
    with RunReader(writer.folder) as reader, pytest.raises(RunError, match=r"capture block 0 of .* IDs of 16 bytes"):
        list(reader.captures())


def some_lookups(n: int) -> Lookups:
    number = np.arange(n)
    ids = np.zeros((n, 20), np.uint8)
    return Lookups(
        START_NS + number,
        START_NS + number,
        number.astype(np.uint32),
        number.astype(np.uint16),
        ids,
        ids,
        np.ones(n, np.uint8),
        np.zeros(n, np.uint16),
        np.zeros(n, np.uint32),
        np.ones(n, np.uint16),
        np.ones(n, np.uint32),
        np.ones(n, np.uint32),
        np.ones(n, np.uint32),
        np.zeros(n, np.uint16),
        np.full(n, np.inf, np.float32),
        np.zeros(n, np.uint8),
        np.ones(n, np.uint32),
        np.ones(n, np.float32),
    )


def write_lookups(folder: Path, blocks: list[bytes]) -> None:
    env = environment.open_writable(folder / "lookups.lmdb", 1 << 24)
    handle = env.open_db(environment.LOOKUPS)
    with env.begin(write=True) as transaction:
        for number, block in enumerate(blocks):
            transaction.put(environment.number_key(number), block, db=handle)
    env.close()


def test_lookups(sealed_run: Path) -> None:
    with RunReader(sealed_run) as reader:
        with pytest.raises(RunError, match="has no lookups yet: analyze it first"):
            next(reader.lookups())
        write_lookups(sealed_run, [encode_lookups(some_lookups(n)) for n in (3, 2)])
        assert [len(block) for block in reader.lookups()] == [3, 2]
        assert [len(block) for block in reader.lookups()] == [3, 2]
        assert next(reader.lookups()).margin.tolist() == [np.inf] * 3


def test_damaged_lookups(sealed_run: Path) -> None:
    write_lookups(sealed_run, [encode_lookups(some_lookups(3)), b"\x90"])
    with RunReader(sealed_run) as reader:
        lookups = reader.lookups()
        assert len(next(lookups)) == 3
        with pytest.raises(RunError, match=r"lookup block 1 of .*not a msgpack array"):
            next(lookups)


def test_a_run_under_way_is_read_as_far_as_it_is_committed(tmp_path: Path) -> None:
    """The writer is another process; it grows its map under the reader."""
    script = """
import sys
from pathlib import Path
import numpy as np
from zone_store.captures import Captures
from zone_store.run.folder import Manifest
from zone_store.run.store import StoreLimits
from zone_store.run.writer import RunWriter

manifest = Manifest(montra_version="0.1.0", overlay="mainline", zone="a4/6", start_ns=1)
writer = RunWriter(Path(sys.argv[1]), manifest, "", StoreLimits(block_rows=100, map_size=1 << 17))
for line in sys.stdin:
    n = int(line)
    ids = np.random.default_rng(1).integers(0, 256, (n, 20), dtype=np.uint8)
    zeros = np.zeros(n, np.uint32)
    writer.captures(Captures(np.arange(n), zeros, zeros, zeros.astype(np.uint16), ids, ids, zeros.astype(np.uint8),
                             zeros.astype(np.uint16), zeros, zeros.astype(np.uint16)))
    writer.drain()
    print("done", flush=True)
writer.close()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(Path(zone_store.__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None

        def write(n: int) -> None:
            print(n, file=process.stdin, flush=True)
            assert process.stdout.readline() == "done\n"

        write(100)
        with RunReader(tmp_path) as reader:
            begun = reader.captures(batch_rows=10)
            assert len(next(begun)) == 10
            write(50_000)
            assert sum(map(len, begun)) == 90  # as of when it began
            assert sum(map(len, reader.captures())) == 50_100
        process.stdin.close()
    assert process.returncode == 0
    assert json.loads((tmp_path / "manifest.json").read_text())["sealed"] is False
