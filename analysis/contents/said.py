"""All that requesters said, as a table: with names, tags and addresses, so only where somebody asked for them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from zone_store.contents import Content
from zone_store.run.folder import RunError

SAID = "said.parquet"
_ROWS = 1 << 16
_SCHEMA = pa.schema(
    [
        ("time_ns", pa.int64()),
        ("source_ip", pa.uint32()),
        ("source_port", pa.uint16()),
        ("what", pa.string()),
        ("key", pa.binary()),
        ("file_id", pa.binary()),
        ("size", pa.int64()),
        ("name", pa.string()),
        ("tags", pa.string()),
    ]
)


def write_said(out: Path, said: Iterable[Content], *, names: bool) -> None:
    """Write the table into a folder, or take away that of an earlier analysis, if names are not to be shown: RunError.

    tags: as JSON, a list of pairs.
    """
    path = out / SAID
    try:
        path.unlink(missing_ok=True)
        if not names:
            return
        with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
            for rows in _batched(said):
                writer.write_table(pa.Table.from_pylist([_row(one) for one in rows], _SCHEMA))
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def _batched(said: Iterable[Content]) -> Iterable[list[Content]]:
    rows = iter(said)
    while part := list(itertools.islice(rows, _ROWS)):
        yield part


def _row(one: Content) -> dict[str, object]:
    row = {name: getattr(one, name) for name in _SCHEMA.names if name != "tags"}
    return row | {"tags": json.dumps(one.tags, ensure_ascii=False)}
