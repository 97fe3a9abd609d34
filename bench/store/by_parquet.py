"""The store benchmark's rows in one Parquet file: pyarrow's dictionaries and zstd, a row group for each batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyarrow import parquet

from bench.store.arrow import SCHEMA, arrays, table
from zone_store.captures import Captures

ORDER = "arrival"
_FILE = "captures.parquet"


def write(folder: Path, batches: Iterable[Captures]) -> dict[str, float]:
    """Store all rows. A row group is no transaction: without the end of the file none of it can be read."""
    with (folder / _FILE).open("wb") as file:
        with parquet.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
            for batch in batches:
                writer.write_table(table(batch))
        file.flush()
        os.fsync(file.fileno())
    return {}


def read(folder: Path) -> Iterator[Captures]:
    """Yield all rows."""
    with parquet.ParquetFile(folder / _FILE) as file:
        for batch in file.iter_batches(1 << 17):
            yield arrays(batch)
