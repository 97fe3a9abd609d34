"""Questions in SQL about lookups of any number: DuckDB over Parquet files, in bounded memory.

What every question may use:

`lookups`: all rows, with the columns `LOOKUPS`. `users`: those that are no maintenance. `keys`: one row for each key
that users' lookups or announces asked for, with the columns `KEYS` and `publishes_distinct`, another name of its
publishers. `sorts`: key, sort, told_by ("contents" or "word list") of each key that something tells.

Answers are the same each time if the question says so: rows in order need an ORDER BY, and sums of floats depend on the
order in which threads add up, so sum whole numbers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.engine.columns import SCHEMA
from analysis.engine.keys import UNKNOWN, make_keys
from zone_store.captures import Maintenance
from zone_store.run.folder import RunError

MEMORY = "2GB"
"""Of the engine in one process; what does not fit goes to its temporary folder."""

NO_SORTS = pa.table(
    {"key": pa.array([], pa.binary()), "sort": pa.array([], pa.string()), "told_by": pa.array([], pa.string())}
)

_KEYS = "SELECT *, publishers AS publishes_distinct"


class Database:
    """One connection; a context manager. Raises RunError where a question cannot be answered for want of disk."""

    def __init__(self, threads: int | None = None, memory: str = MEMORY, temporary: Path | None = None) -> None:
        """Open it. threads: all CPUs that this process may use if None; temporary: folder for what memory cannot hold.

        Nothing is ever loaded from elsewhere.
        """
        settings: dict[str, str | bool | int | float | list[str]] = {
            "threads": threads or len(os.sched_getaffinity(0)),
            "memory_limit": memory,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        if temporary is not None:
            settings["temp_directory"] = str(temporary)
        self._connection = duckdb.connect(":memory:", config=settings)
        # In a notebook without widgets it is off, and setting it fails.
        if self.one("SELECT current_setting('enable_progress_bar')"):
            self.execute("SET enable_progress_bar = false")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it; its temporary files go."""
        self._connection.close()

    @classmethod
    def of(cls, lookups: pa.Table, sorts: pa.Table | None = None, sort: str = UNKNOWN) -> Self:
        """Return a database of lookups in memory: columns as in `SCHEMA`.

        sorts: columns key, sort, told_by; sort: of keys that it does not tell.
        """
        database = cls()
        database.register("lookups", lookups.select(SCHEMA.names).cast(SCHEMA))
        database.users()
        database.register("sorts", NO_SORTS if sorts is None else sorts)
        database.execute(f"CREATE TABLE counted AS {make_keys(sort)}")
        database.execute(f"CREATE VIEW keys AS {_KEYS} FROM counted")
        return database

    @classmethod
    def over(
        cls, keys: Sequence[Path], threads: int | None = None, memory: str = MEMORY, temporary: Path | None = None
    ) -> Self:
        """Return a database of the keys of several runs: `keys` as above, with `run`, the place of the file in `keys`.

        keys: the files keys.parquet.
        """
        database = cls(threads, memory, temporary)
        parts = [f"SELECT {i} AS run, * FROM {parquet([path])}" for i, path in enumerate(keys)]
        database.execute(f"CREATE VIEW keys AS {_KEYS} FROM ({' UNION ALL '.join(parts)})")
        return database

    def users(self) -> None:
        """Make `users` from `lookups`."""
        self.execute(f"CREATE VIEW users AS SELECT * FROM lookups WHERE maintenance = {int(Maintenance.NONE)}")

    def see_keys(self, files: Sequence[Path]) -> None:
        """Make `keys` from the Parquet files of one run."""
        self.execute(f"CREATE VIEW keys AS {_KEYS} FROM {parquet(files)}")

    def see(self, name: str, files: Sequence[Path]) -> None:
        """Make a view of Parquet files, one or more, which are read anew for each question."""
        self.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM {parquet(files)}")

    def arrays(self, sql: str, *values: object) -> dict[str, NDArray[Any]]:
        """Answer a question by columns [n]: numbers as arrays of their type, text and bytes as arrays of objects.

        values: for the question marks. NULL is NaN among floats; among whole numbers it raises ValueError.
        """
        found = self._ask(sql, values).fetchnumpy()
        return {name: _filled(name, column) for name, column in found.items()}

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Answer a question by rows, for few of them."""
        found: list[tuple[Any, ...]] = self._ask(sql, values).fetchall()
        return found

    def one(self, sql: str, *values: object) -> Any:
        """Answer a question by the one value of its one row; raises ValueError for none or several."""
        ((value,),) = self.rows(sql, *values)
        return value

    def execute(self, sql: str, *values: object) -> None:
        """Do what has no answer."""
        self._ask(sql, values)

    def write(self, sql: str, path: Path) -> None:
        """Write the answer to a Parquet file, in the order that the question asks for: whole or not at all."""
        temporary = path.with_name(f"{path.name}.new")
        self._ask(f"COPY ({sql}) TO {_quoted(str(temporary))} (FORMAT parquet, COMPRESSION zstd)", ())
        temporary.replace(path)

    def register(self, name: str, table: pa.Table) -> None:
        """Let questions use a table in memory."""
        self._connection.register(name, table)

    def _ask(self, sql: str, values: Sequence[object]) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(sql, list(values))
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise RunError(f"the analysis stopped: {str(error).splitlines()[0]}") from error


def ids(column: NDArray[Any], id_bytes: int) -> NDArray[np.uint8]:
    """Return keys as they come in an answer, n objects of bytes, as uint8[n, id_bytes]."""
    return np.frombuffer(b"".join(column.tolist()), np.uint8).reshape(-1, id_bytes)


def parquet(files: Sequence[Path]) -> str:
    """Return the SQL that reads these files as one table, in their order."""
    # What would be a pattern in a path is none.
    paths = ("".join(f"[{one}]" if one in "*?[" else one for one in str(path)) for path in files)
    return f"read_parquet([{', '.join(map(_quoted, paths))}])"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _filled(name: str, column: NDArray[Any]) -> NDArray[Any]:
    if column.dtype == np.object_ and len(column) and isinstance(column[0], bytearray):
        return np.array([bytes(one) for one in column.tolist()], np.object_)
    if not isinstance(column, np.ma.MaskedArray):
        return column
    if not column.mask.any():
        return np.asarray(column.data)
    if column.dtype.kind != "f":
        raise ValueError(f"{name} has NULL among whole numbers")
    return np.asarray(column.filled(np.nan))
