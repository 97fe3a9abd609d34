"""lookups.lmdb: the same bytes from the same lookups, all or nothing, and beside a sealed run that stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from zone_store.attribution import RULE, LookupSummary, attribute, attribute_into, write_lookups
from zone_store.attribution.store import BLOCK_ROWS
from zone_store.captures import Attachment, Captures, Flag, Kind, Lookups, Maintenance
from zone_store.contents import Content, What
from zone_store.run.folder import LookupsMade, Manifest, RunError
from zone_store.run.reader import RunReader
from zone_store.run.writer import RunWriter

ROWS = 20_000
START_NS = 1_800_000_000_000_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed run of 20,000 copies of some 3,000 lookups at 40 targets."""
    path = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(1)
    ids = rng.integers(0, 256, (40, 20), np.uint8)
    keys = rng.integers(0, 256, (400, 20), np.uint8)
    for rows in (ids, keys):
        rows[:, 0] = 0xA4
    requester_ids = rng.integers(0, 256, (ROWS, 20), np.uint8)
    requester_ids[:, 0] = 0
    writer = RunWriter(path, Manifest(montra_version="0", overlay="mainline", zone="a4/6", start_ns=START_NS), "")
    for number, one in enumerate(ids, 1):
        target = one.tobytes()
        writer.attachment(Attachment(number, target, 1, 1, target[:19] + b"\x01", 2, 2, START_NS, START_NS, START_NS))
    writer.captures(
        Captures(
            START_NS + np.sort(rng.integers(0, 3600 * 10**9, ROWS)),
            rng.integers(1, 41, ROWS).astype(np.uint32),
            rng.integers(1, 9, ROWS).astype(np.uint32),
            np.full(ROWS, 6881, np.uint16),
            requester_ids,
            keys[rng.integers(0, 400, ROWS)],
            rng.choice(np.array([Kind.LOOKUP, Kind.ANNOUNCE], np.uint8), ROWS),
            rng.choice(np.array([0, Flag.BOOTSTRAP], np.uint16), ROWS),
            np.zeros(ROWS, np.uint32),
            np.zeros(ROWS, np.uint16),
        )
    )
    writer.seal(START_NS + 3600 * 10**9, "done")
    return path


def write(folder: Path, step_rows: int = 4096) -> LookupSummary:
    with RunReader(folder) as reader:
        lookups = attribute(reader, span_ns=60 * 10**9, refresh_bits=96, step_rows=step_rows)
        return write_lookups(folder, lookups, LookupsMade(rule=RULE, span_ns=60 * 10**9, refresh_bits=96))


def test_the_same_store_gives_the_same_bytes_and_the_capture_store_is_not_touched(folder: Path) -> None:
    sealed = (folder / "capture.lmdb" / "data.mdb").read_bytes()
    first = write(folder)
    one = (folder / "lookups.lmdb" / "data.mdb").read_bytes()
    second = write(folder, step_rows=1000)
    assert (folder / "lookups.lmdb" / "data.mdb").read_bytes() == one
    assert first == second
    assert (folder / "capture.lmdb" / "data.mdb").read_bytes() == sealed
    assert sorted(p.name for p in folder.iterdir() if "lookups" in p.name) == ["lookups.lmdb"]
    assert [p.name for p in (folder / "lookups.lmdb").iterdir()] == ["data.mdb"]


def test_what_is_read_back_is_what_was_attributed(folder: Path) -> None:
    summary = write(folder)
    with RunReader(folder) as reader:
        stored = list(reader.lookups())
        fresh = list(attribute(reader, span_ns=60 * 10**9, refresh_bits=96))
    assert {len(table) for table in stored[:-1]} == {BLOCK_ROWS}
    assert sum(len(table) for table in stored) == summary.rows > BLOCK_ROWS
    assert summary.packets == ROWS
    for name in ("time_ns", "key", "destination", "margin", "maintenance"):
        both = [np.concatenate([getattr(table, name) for table in tables]) for tables in (stored, fresh)]
        assert np.array_equal(*both)
    assert summary.lookups + summary.announces + summary.maintenance == summary.rows
    assert set(summary.by) == {(kind, why) for kind in ("lookup", "announce") for why in ("none", "bootstrap")}


def test_how_lookups_were_made_is_stored_with_them(folder: Path) -> None:
    with RunReader(folder) as reader:
        summary = attribute_into(folder, reader, span_ns=60 * 10**9, refresh_bits=96)
        made = reader.lookups_made()
    assert made == LookupsMade(rule=RULE, span_ns=60 * 10**9, refresh_bits=96, rows=summary.rows)
    stored = lookup_bytes(folder)
    write(folder)
    assert lookup_bytes(folder) == stored
    assert made.same_way(LookupsMade(rule=RULE, span_ns=60 * 10**9, refresh_bits=96))
    assert not made.same_way(LookupsMade(rule=RULE + 1, span_ns=60 * 10**9, refresh_bits=96))
    assert not made.same_way(LookupsMade(rule=RULE, span_ns=1, refresh_bits=96))
    assert not made.same_way(LookupsMade(rule=RULE, span_ns=60 * 10**9, refresh_bits=95))


def test_copies_left_out_are_in_the_summary_and_in_the_store(tmp_path: Path) -> None:
    with RunWriter(tmp_path, Manifest(montra_version="0", overlay="mainline", zone="a4/6", start_ns=1), "") as writer:
        rows = Captures.empty(20)
        one = np.zeros(1, np.uint32)
        key = np.full((1, 20), 0xA4, np.uint8)
        rows.time_ns, rows.attachment, rows.source_ip, rows.version = np.array([START_NS]), one + 9, one + 1, one
        rows.source_port = rows.flags = rows.port = one.astype(np.uint16)
        rows.requester_id, rows.key, rows.kind = key, key, one.astype(np.uint8) + 1
        writer.captures(rows)
        writer.seal(START_NS + 1, "done")
    with RunReader(tmp_path) as reader:
        summary = attribute_into(tmp_path, reader, span_ns=1, refresh_bits=96)
        assert reader.lookups_made().dropped == summary.dropped == {"attribution_unknown_attachment": 1}


def lookup_bytes(folder: Path) -> bytes:
    return (folder / "lookups.lmdb" / "data.mdb").read_bytes()


def test_a_failure_leaves_the_older_lookups(folder: Path) -> None:
    write(folder)
    before = (folder / "lookups.lmdb" / "data.mdb").read_bytes()

    def failing() -> Iterator[Lookups]:
        with RunReader(folder) as reader:
            yield from reader.lookups()
        raise RunError("capture block 7 is damaged")

    with pytest.raises(RunError, match="block 7"):
        write_lookups(folder, failing())
    assert (folder / "lookups.lmdb" / "data.mdb").read_bytes() == before
    assert sorted(p.name for p in folder.iterdir() if "lookups" in p.name) == ["lookups.lmdb"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"lookups\.lmdb"):
        write_lookups(tmp_path / "missing" / "run", iter(()))


def test_no_lookups_make_a_store_of_none(tmp_path: Path) -> None:
    summary = write_lookups(tmp_path, iter(()))
    assert (summary.rows, summary.lookups, summary.announces, summary.maintenance) == (0, 0, 0, 0)
    assert (tmp_path / "lookups.lmdb" / "data.mdb").is_file()


def test_summary_counts_by_kind_and_maintenance(folder: Path) -> None:
    with RunReader(folder) as reader:
        table = next(attribute(reader, span_ns=60 * 10**9, refresh_bits=96)).take(np.arange(4))
    table.kind = np.array([Kind.LOOKUP, Kind.NODE_LOOKUP, Kind.ANNOUNCE, Kind.LOOKUP], np.uint8)
    table.maintenance = np.array([0, 0, 0, Maintenance.OWN_ID], np.uint8)
    summary = LookupSummary()
    summary.add(table)
    assert (summary.rows, summary.lookups, summary.node_lookups) == (4, 1, 1)
    assert (summary.announces, summary.maintenance) == (1, 1)
    assert summary.by["lookup", "own_id"] == 1


def test_who_told_that_it_looked_for_a_helper_published_nothing(tmp_path: Path) -> None:
    key = b"\xa4" + b"\x77" * 15
    target = b"\xa4" * 16
    manifest = Manifest(montra_version="0", overlay="kad", zone="a4/8", id_bits=128, start_ns=START_NS)
    with RunWriter(tmp_path, manifest, "") as writer:
        times = (START_NS,) * 3
        writer.attachment(Attachment(1, target, 1, 1, target[:15] + b"\xa5", 2, 2, *times))
        sources, kinds = [7, 8, 7], [Kind.PUBLISH, Kind.PUBLISH, Kind.SEARCH]
        writer.captures(
            Captures(
                START_NS + np.arange(1, 4),
                np.ones(3, np.uint32),
                np.array(sources, np.uint32),
                np.full(3, 4672, np.uint16),
                np.zeros((3, 16), np.uint8),
                np.tile(np.frombuffer(key, np.uint8), (3, 1)),
                np.array(kinds, np.uint8),
                np.zeros(3, np.uint16),
                np.zeros(3, np.uint32),
                np.zeros(3, np.uint16),
            )
        )
        writer.content(Content(START_NS + 9, 1, 7, 4672, What.BUDDY, key))
        writer.content(Content(START_NS + 9, 1, 8, 4672, What.KEYWORD, key))
        writer.seal(START_NS + 10**9, "done")
    with RunReader(tmp_path) as reader:
        summary = attribute_into(tmp_path, reader, span_ns=45 * 10**9, refresh_bits=129)
    assert summary.by == {("publish", "buddy"): 1, ("publish", "none"): 1, ("search", "none"): 1}
