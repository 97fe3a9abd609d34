"""Lookups as Parquet files: all rows in order, no address, no ID of a node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from analysis.engine.columns import LOOKUPS
from analysis.engine.database import Database
from analysis.engine.partition import FILE_GROUPS, partition
from analysis.privacy.places import Places
from analysis.privacy.pseudonyms import Pseudonyms
from zone_store.captures import Kind, Lookups, Maintenance
from zone_store.run.folder import RunError

HIDE = Pseudonyms(bytes(range(32)))
NOWHERE = Places(())


def table(count: int, begin: int = 0) -> Lookups:
    rows = np.arange(begin, begin + count)
    keys = np.zeros((count, 20), np.uint8)
    keys[:, 0], keys[:, 19] = 0xA4, rows % 7
    return Lookups(
        time_ns=rows.astype(np.int64) * 1000,
        last_ns=rows.astype(np.int64) * 1000 + 500,
        source_ip=(0x0A000000 + rows % 5).astype(np.uint32),
        source_port=(6881 + rows % 2).astype(np.uint16),
        requester_id=keys,
        key=keys,
        kind=(rows % 6).astype(np.uint8),
        flags=np.zeros(count, np.uint16),
        version=np.full(count, 0x4C540210, np.uint32),
        copies=np.ones(count, np.uint16),
        packets=np.full(count, 2, np.uint32),
        destination=np.ones(count, np.uint32),
        closest=np.ones(count, np.uint32),
        rank=np.zeros(count, np.uint16),
        margin=np.full(count, np.inf, np.float32),
        maintenance=np.where(rows % 12 == 1, Maintenance.NODE_ID, Maintenance.NONE).astype(np.uint8),
        inferred=np.ones(count, np.uint32),
        confidence=np.full(count, 0.75, np.float32),
    )


def test_all_rows_are_there_in_order_of_time(tmp_path: Path) -> None:
    tables = [table(30), table(1, 30), table(0, 31), table(200, 31)]
    files = partition(tables, 20, tmp_path / "lookups", HIDE, NOWHERE, group_rows=10)
    assert [path.name for path in files] == ["part-00000.parquet", "part-00001.parquet"]
    assert [pq.read_metadata(path).num_rows for path in files] == [10 * FILE_GROUPS, 231 - 10 * FILE_GROUPS]
    assert pq.read_metadata(files[0]).num_row_groups == FILE_GROUPS
    assert pq.read_schema(files[0]).names == list(LOOKUPS)
    with Database() as db:
        db.see("lookups", files)
        assert db.arrays("SELECT time_ns FROM lookups")["time_ns"].tolist() == [1000 * n for n in range(231)]
        assert db.one("SELECT count(DISTINCT requester) FROM lookups") == 10
        assert db.one("SELECT count(DISTINCT requester_ip) FROM lookups") == 5
        assert db.one("SELECT count(*) FROM lookups WHERE requester >> 16 <> requester_ip") == 0
        assert db.one("SELECT count(*) FROM lookups WHERE confidence = 0.75 AND isinf(margin)") == 231
        assert db.rows("SELECT DISTINCT as_number, country FROM lookups") == [(0, "")]


def test_words_say_what_kinds_are() -> None:
    assert {kind.name.lower() for kind in Kind} == {"other", "lookup", "node_lookup", "announce", "search", "publish"}


def test_only_keys_of_users_lookups_and_announces_are_told(tmp_path: Path) -> None:
    files = partition([table(24)], 20, tmp_path, HIDE, NOWHERE)
    with Database() as db:
        db.see("lookups", files)
        told = db.rows("SELECT DISTINCT kind, what, maintenance, key IS NOT NULL FROM lookups ORDER BY ALL")
    assert told == [
        (0, "other", 0, False),
        (1, "lookup", 0, True),
        (1, "lookup", int(Maintenance.NODE_ID), False),
        (2, "node_lookup", 0, False),
        (3, "announce", 0, True),
        (4, "search", 0, True),
        (5, "publish", 0, True),
    ]


def test_no_address_is_in_a_file(tmp_path: Path) -> None:
    files = partition([table(100)], 20, tmp_path, HIDE, NOWHERE)
    with Database() as db:
        db.see("lookups", files)
        ips = db.arrays("SELECT DISTINCT requester_ip AS ip FROM lookups ORDER BY ip")["ip"]
    own = HIDE.addresses(np.arange(0x0A000000, 0x0A000005, dtype=np.uint32))
    assert ips.tolist() == sorted(own.tolist())
    assert not set(ips.tolist()) & set(range(0x0A000000, 0x0A000005))


def test_a_run_without_lookups_has_one_file_without_rows(tmp_path: Path) -> None:
    (file,) = partition([], 16, tmp_path, HIDE, NOWHERE)
    with Database() as db:
        db.see("lookups", [file])
        db.users()
        assert db.one("SELECT count(*) FROM users") == 0


def test_earlier_files_go_and_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    first = partition([table(400)], 20, tmp_path, HIDE, NOWHERE, group_rows=10)
    whole = [path.read_bytes() for path in first]
    assert len(first) == 3
    assert [path.name for path in partition([table(10)], 20, tmp_path, HIDE, NOWHERE)] == ["part-00000.parquet"]
    assert [path.name for path in tmp_path.iterdir()] == ["part-00000.parquet"]
    again = partition([table(7), table(393, 7)], 20, tmp_path, HIDE, NOWHERE, group_rows=10)
    assert [path.read_bytes() for path in again] == whole


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        partition([table(1)], 20, tmp_path / "file", HIDE, NOWHERE)
