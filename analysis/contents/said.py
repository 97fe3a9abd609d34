"""All that requesters said, as a table: with names, tags and addresses, so only where somebody asked for them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.engine.columns import Field
from zone_store.contents import Content
from zone_store.run.folder import RunError

SAID = "said.parquet"
_ROWS = 1 << 16
COLUMNS = {
    "time_ns": Field(pa.int64(), "ns", "time of arrival, since 1970"),
    "source_ip": Field(pa.uint32(), "", "address of who said it, as a number: personal data"),
    "source_port": Field(pa.uint16(), "", "port of who said it"),
    "what": Field(pa.string(), "", "what was said, as named in `zone_store.contents.What`"),
    "key": Field(pa.binary(), "", "content ID of which it was said"),
    "file_id": Field(pa.binary(), "", "of the file that is published or searched, empty if none is"),
    "size": Field(pa.int64(), "bytes", "of that file, 0 if not told"),
    "name": Field(pa.string(), "", "of that file, empty if not told: personal data"),
    "tags": Field(pa.string(), "", "all else that was said, as JSON: a list of pairs"),
}
"""Columns of said.parquet."""

_SCHEMA = pa.schema([(name, field.type) for name, field in COLUMNS.items()])


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
