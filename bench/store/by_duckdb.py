"""The store benchmark's rows in a DuckDB database: its own format and compression, a transaction for each batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb

from bench.store.arrow import arrays, table
from zone_store.captures import Captures

ORDER = "arrival"
_FILE = "captures.duckdb"
_TYPES = {
    "time_ns": "bigint",
    "attachment": "uinteger",
    "source_ip": "uinteger",
    "source_port": "usmallint",
    "requester_id": "blob",
    "key": "blob",
    "kind": "utinyint",
    "flags": "usmallint",
    "version": "uinteger",
    "port": "usmallint",
}


def write(folder: Path, batches: Iterable[Captures]) -> dict[str, float]:
    """Store all rows, in the newest storage format, and checkpoint."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{folder / _FILE}' as run (storage_version 'latest')")
        columns = ", ".join(f"{name} {kind}" for name, kind in _TYPES.items())
        connection.execute(f"create table run.captures ({columns})")
        for batch in batches:
            connection.register("batch", table(batch))
            connection.execute("insert into run.captures select * from batch")
            connection.unregister("batch")
        connection.execute("checkpoint run")
    return {}


def read(folder: Path) -> Iterator[Captures]:
    """Yield all rows."""
    with duckdb.connect(str(folder / _FILE), read_only=True) as connection:
        found = connection.sql(f"select {', '.join(_TYPES)} from captures")
        for batch in found.to_arrow_reader(1 << 17):
            yield arrays(batch)
