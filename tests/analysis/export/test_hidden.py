"""What few people share leaves no export: keys, clients, places; and times are no finer than seconds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from analysis.engine.database import Database
from analysis.export import hidden
from zone_store.captures import Flag, Maintenance

from ..lookups import table

SECOND = 1_000_000_000
POPULAR, RARE, NODE = b"\xa4\x01", b"\xa4\x02", b"\xa4\x03"
COMMON, UNUSUAL = 7, 8
NOTHING = "(SELECT '' AS key, 0 AS size, 0 AS files, '' AS word, '' AS name)"


def rows() -> list[dict[str, object]]:
    """Return lookups of a popular key by three addresses, of a rare one by one address at three ports."""
    popular = [
        {"requester": (address << 16) + 1, "requester_ip": address, "key": POPULAR, "version": COMMON, "country": "DE"}
        for address in (3, 2, 1)
    ]
    rare = [
        {"requester": (9 << 16) + port, "requester_ip": 9, "key": RARE, "version": UNUSUAL, "country": "VA"}
        for port in (1, 2, 3)
    ]
    some = [row | {"time_ns": 10 * SECOND + at, "last_ns": 13 * SECOND} for at, row in enumerate(popular + rare)]
    return [
        *some,
        popular[0]
        | {
            "time_ns": 11 * SECOND,
            "last_ns": 11 * SECOND,
            "what": "announce",
            "flags": int(Flag.NO_SEED | Flag.FROM_TARGET),
        },
        popular[0] | {"what": "node_lookup", "key": NODE},
        popular[0] | {"maintenance": int(Maintenance.OWN_ID), "key": NODE},
    ]


@pytest.fixture
def db() -> Iterator[Database]:
    with Database.of(table(rows())) as database:
        yield database


def shown(db: Database, k: int) -> list[dict[str, object]]:
    hidden.prepare(db, k, {COMMON: "common 1", UNUSUAL: "un\nusual"}.__getitem__)
    columns = [name for name, *_ in db.rows(f"DESCRIBE {hidden.lookups('lookups')}")]
    return [dict(zip(columns, row, strict=True)) for row in db.rows(hidden.lookups("lookups"))]


def test_columns_are_those_that_the_dictionary_tells(db: Database) -> None:
    found = shown(db, 1)
    assert {tuple(row) for row in found} == {tuple(hidden.LOOKUPS)}
    keys = db.rows(f"DESCRIBE {hidden.keys(NOTHING)}")
    assert [name for name, *_ in keys] == list(hidden.KEYS)
    forbidden = {"requester_id", "flags", "kind", "version", "time_ns", "source_ip", "source_port"}
    assert not forbidden & {*hidden.LOOKUPS, *hidden.KEYS}


def test_what_fewer_than_k_addresses_share_is_blanked(db: Database) -> None:
    found = shown(db, 2)
    assert [(row["key"], row["client"], row["country"]) for row in found] == [
        ("a401", "common 1", "DE"),
        ("a401", "common 1", "DE"),
        ("a401", "common 1", "DE"),
        (None, "", ""),  # three requesters, but one address
        (None, "", ""),
        (None, "", ""),
        ("a401", "common 1", "DE"),
    ]
    assert db.one(hidden.KEYLESS) == 3
    assert [row[:3] for row in db.rows(hidden.keys(NOTHING))] == [("a401", "unknown", 3)]


def test_with_k_of_one_all_is_shown(db: Database) -> None:
    found = shown(db, 1)
    assert {(row["key"], row["client"], row["country"]) for row in found} == {
        ("a401", "common 1", "DE"),
        ("a402", "un?usual", "VA"),
    }
    assert [row[0] for row in db.rows(hidden.keys(NOTHING))] == ["a401", "a402"]


def test_times_are_whole_seconds_and_the_order_within_tells_nothing(db: Database) -> None:
    found = shown(db, 1)
    assert [row["requester"] for row in found[:3]] == [(1 << 16) + 1, (2 << 16) + 1, (3 << 16) + 1]  # came as 3, 2, 1
    assert {row["time"] for row in found} == {datetime(1970, 1, 1, 0, 0, 10), datetime(1970, 1, 1, 0, 0, 11)}
    assert [row["lasted_s"] for row in found] == [3] * 6 + [0]


def test_upkeep_and_node_lookups_stay_and_so_does_who_is_a_target(db: Database) -> None:
    found = shown(db, 1)
    assert len(found) == 7
    assert "a403" not in {row["key"] for row in found}
    assert [row["no_seed"] for row in found] == [False] * 6 + [True]


@pytest.mark.parametrize("ending", [".parquet", ".csv.gz"])
def test_files_hold_the_same_in_both_formats(db: Database, tmp_path: Path, ending: str) -> None:
    shown(db, 2)
    path = tmp_path / f"it's{ending}"
    assert hidden.write(db, hidden.lookups("lookups"), path) == 7
    read = "read_parquet" if ending == ".parquet" else "read_csv"
    quoted = str(path).replace("'", "''")
    found = duckdb.connect().execute(f'SELECT count("key"), min("time")::VARCHAR FROM {read}(\'{quoted}\')').fetchall()
    assert found == [(4, "1970-01-01 00:00:10")]
    again = tmp_path / f"again{ending}"
    hidden.write(db, hidden.lookups("lookups"), again)
    assert again.read_bytes() == path.read_bytes()
