"""One process: the same grouping in SQL by DuckDB; prints what was found and what it took as JSON.

The rows are brought into a table of DuckDB's own before the clock starts. What the query leaves out of what montra
does: the cut of lookups at ten minutes, the closest target attached and the destination's rank among them, the margin,
the maintenance marks, XOR distances beyond their first 64 bits, and the order of copies of one nanosecond.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from bench.attribute.measure import Stopwatch
from bench.attribute.truth import Sum, sum_of
from zone_store.attribution.words import packed_words
from zone_store.captures import Captures
from zone_store.keyspace import ids as keyspace
from zone_store.run.reader import RunReader

SPAN_NS = 60 * 10**9
ASKER = "source_ip, source_port, kind, key_0, key_1, key_2"

QUERY = f"""
CREATE TABLE lookups AS
WITH steps AS (
    SELECT *, CASE WHEN time_ns - lag(time_ns) OVER (PARTITION BY {ASKER} ORDER BY time_ns) <= {SPAN_NS}
              THEN 0 ELSE 1 END AS begins
    FROM captures
), parts AS (
    SELECT *, sum(begins) OVER (PARTITION BY {ASKER} ORDER BY time_ns ROWS UNBOUNDED PRECEDING) AS part FROM steps
)
SELECT min(time_ns) AS time_ns, max(time_ns) AS last_ns, {ASKER}, bit_or(flags) AS flags,
       arg_min(requester, time_ns) AS requester, arg_min(version, time_ns) AS version,
       count(DISTINCT attachment) AS copies, count(*) AS packets,
       arg_min(attachment, xor(word, key_0)) AS destination
FROM parts JOIN targets USING (attachment)
GROUP BY {ASKER}, part
ORDER BY time_ns
"""


def main() -> None:
    """Group the run of the first argument; the others: folder for temporary files, threads, memory limit in MiB."""
    folder, temporary, threads, memory = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    path = temporary / "captures.duckdb"
    path.unlink(missing_ok=True)
    settings = {"threads": threads, "memory_limit": f"{memory}MiB", "temp_directory": str(temporary / "spill")}
    connection = duckdb.connect(str(path), config=settings)
    loading = Stopwatch()
    _load(connection, folder)
    loaded = loading.read()["wall (s)"]
    watch = Stopwatch()
    connection.execute(QUERY)
    connection.execute("CHECKPOINT")
    took = watch.read()
    found = _sum(connection)
    connection.close()
    path.unlink()
    print(json.dumps({**took, **found.as_dict(), "loading (s)": loaded}))


def _load(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    connection.execute(
        "CREATE TABLE captures (time_ns BIGINT, attachment UINTEGER, source_ip UINTEGER, source_port USMALLINT,"
        " kind UTINYINT, flags USMALLINT, version UINTEGER, requester UBIGINT,"
        " key_0 UBIGINT, key_1 UBIGINT, key_2 UBIGINT)"
    )
    with RunReader(folder) as reader:
        targets = reader.attachments()
        ids = keyspace.pack([one.target_id for one in targets], reader.manifest.id_bytes)
        table = {"attachment": np.array([t.number for t in targets], np.uint32), "word": keyspace.words(ids)[0]}
        _insert(connection, "CREATE TABLE targets AS SELECT * FROM arrays", table)
        for captures in reader.captures(1 << 20):
            _insert(connection, "INSERT INTO captures SELECT * FROM arrays", _columns(captures))
    connection.execute("CHECKPOINT")


def _columns(captures: Captures) -> dict[str, NDArray[Any]]:
    names = ("time_ns", "attachment", "source_ip", "source_port", "kind", "flags", "version")
    columns = {name: getattr(captures, name) for name in names}
    # One word stands for the requester's ID: montra moves all of it.
    columns["requester"] = packed_words(captures.requester_id)[0]
    columns.update({f"key_{i}": word for i, word in enumerate(keyspace.words(captures.key))})
    return columns


def _insert(connection: duckdb.DuckDBPyConnection, statement: str, columns: dict[str, NDArray[Any]]) -> None:
    connection.register("arrays", columns)
    connection.execute(statement)
    connection.unregister("arrays")


def _sum(connection: duckdb.DuckDBPyConnection) -> Sum:
    columns = "time_ns, source_ip, source_port, kind, key_0, destination, packets"
    found = connection.execute(f"SELECT {columns} FROM lookups").fetchnumpy()
    return sum_of(*found.values())


if __name__ == "__main__":
    main()
