"""Questions in SQL: what comes back, in which types, and what keys are made of lookups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from analysis.engine.columns import KEYS, SCHEMA
from analysis.engine.database import Database, ids
from zone_store.captures import Flag, Maintenance
from zone_store.run.folder import RunError

A, B, C = (bytes([0xA4, n]) + bytes(18) for n in (1, 2, 3))


def lookups(rows: list[tuple[int, int, bytes, str]], **columns: list[object]) -> pa.Table:
    """Rows of (time_ns, requester, key, what); all other columns are 0 or "" unless told."""
    told = {
        "time_ns": [row[0] for row in rows],
        "requester": [row[1] for row in rows],
        "key": [row[2] for row in rows],
        "what": [row[3] for row in rows],
        "country": [""] * len(rows),
        **columns,
    }
    return pa.table({field.name: pa.array(told.get(field.name, [0] * len(rows)), field.type) for field in SCHEMA})


SOME = [
    (10, 1, A, "lookup"),
    (20, 1, A, "lookup"),
    (30, 2, A, "lookup"),
    (40, 2, A, "announce"),
    (50, 3, B, "publish"),
    (60, 3, B, "publish"),
    (70, 4, B, "search"),
    (80, 5, C, "node_lookup"),
    (90, 6, A, "lookup"),
]


def some() -> Database:
    flags = [int(Flag.NO_SEED), 0, 0, 0, 0, 0, 0, 0, 0]
    why = [0] * 8 + [int(Maintenance.OWN_ID)]
    return Database.of(lookups(SOME, flags=flags, maintenance=why))


def test_keys_are_those_of_users_lookups_and_announces() -> None:
    with some() as db:
        rows = db.rows(f"SELECT {', '.join(KEYS)} FROM keys ORDER BY key")
        assert rows == [
            # in the order of KEYS
            (A, "unknown", 3, 0, 0, 1, 1, 2, 0, 1, 10, 40),
            (B, "unknown", 3, 1, 2, 0, 0, 2, 1, 1, 50, 70),
        ]
        assert db.one("SELECT sum(publishes_distinct) FROM keys") == 2
        assert db.one("SELECT count(*) FROM lookups") == 9
        assert db.one("SELECT count(*) FROM users") == 8


def test_sorts_are_those_told_and_the_rest() -> None:
    sorts = pa.table({"key": [B], "sort": ["file"], "told_by": ["contents"]})
    with Database.of(lookups(SOME), sorts, "info_hash") as db:
        assert db.rows("SELECT key, sort FROM keys ORDER BY key") == [(A, "info_hash"), (B, "file")]


def test_answers_come_as_arrays_of_their_types() -> None:
    with some() as db:
        found = db.arrays("SELECT key, lookups, lookups / 2 AS half FROM keys WHERE lookups >= ? ORDER BY key", 3)
        assert [bytes(key) for key in found["key"]] == [A, B]
        assert ids(found["key"], 20).shape == (2, 20)
        assert (found["lookups"].dtype, found["lookups"].tolist()) == (np.int64, [3, 3])
        assert found["half"].tolist() == [1.5, 1.5]
        nothing = db.arrays("SELECT key, lookups FROM keys WHERE false")
        assert ids(nothing["key"], 20).shape == (0, 20)
        assert np.isnan(db.arrays("SELECT NULL::DOUBLE AS x")["x"]).tolist() == [True]
        with pytest.raises(ValueError, match="n has NULL"):
            db.arrays("SELECT NULL::BIGINT AS n")
        with pytest.raises(ValueError, match="not enough values"):
            db.one("SELECT key FROM keys WHERE false")


def test_keys_of_several_runs_are_one_table(tmp_path: Path) -> None:
    files = [tmp_path / "it's [1]*.parquet", tmp_path / "two.parquet"]
    with some() as db:
        db.write("SELECT * FROM counted ORDER BY key", files[0])
        db.write("SELECT * FROM counted WHERE searches > 0", files[1])
    with Database.over(files) as db:
        assert db.rows("SELECT run, key, lookups FROM keys ORDER BY run, key") == [(0, A, 3), (0, B, 3), (1, B, 3)]


def test_the_same_bytes_are_written_by_any_number_of_threads_in_any_memory(tmp_path: Path) -> None:
    found = set()
    for threads, memory in ((1, "1GB"), (2, "1GB"), (2, "100MB")):
        with Database(threads, memory, tmp_path / "spill") as db:
            groups = "SELECT hash(range % 200000) AS h, count(*) AS n FROM range(400000) GROUP BY h ORDER BY h"
            db.write(groups, tmp_path / "file.parquet")
        found.add((tmp_path / "file.parquet").read_bytes())
    assert len(found) == 1
    assert not list(tmp_path.glob("*.new"))


def test_what_memory_cannot_hold_goes_to_disk(tmp_path: Path) -> None:
    with Database(threads=1, memory="60MB", temporary=tmp_path / "spill") as db:
        groups = "SELECT hash(range) AS h, count(*) AS n FROM range(3000000) GROUP BY h"
        assert db.one(f"SELECT count(*) FROM ({groups}) WHERE n = 1") == 3_000_000
    with Database(threads=1, memory="60MB", temporary=Path("/dev/null/none")) as db, pytest.raises(RunError):
        db.one(f"SELECT count(*) FROM ({groups}) WHERE n = 1")
