"""The lookups of a run as Parquet files in order of time, requesters as pseudonyms: what every question reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.engine.columns import SCHEMA
from analysis.privacy.places import Places
from analysis.privacy.pseudonyms import Pseudonyms
from zone_store.captures import Kind, Lookups, Maintenance
from zone_store.run.folder import RunError

GROUP_ROWS = 1 << 18
"""Lookups in one row group, which one thread reads at a time; so many are held while they are written."""

FILE_GROUPS = 15
"""Row groups in one file."""

_RISING = ("time_ns", "last_ns")
_REPEATED = ("kind", "what", "flags", "version", "copies", "packets", "rank", "maintenance", "as_number", "country")
_WHAT = {
    Kind.OTHER: "other",
    Kind.LOOKUP: "lookup",
    Kind.NODE_LOOKUP: "node_lookup",
    Kind.ANNOUNCE: "announce",
    Kind.SEARCH: "search",
    Kind.PUBLISH: "publish",
}
_OF_CONTENT = (Kind.LOOKUP, Kind.SEARCH, Kind.PUBLISH, Kind.ANNOUNCE)
_WORDS = pa.array([_WHAT[kind] for kind in Kind])


def partition(
    tables: Iterable[Lookups],
    id_bytes: int,
    folder: Path,
    hide: Pseudonyms,
    places: Places,
    group_rows: int = GROUP_ROWS,
) -> list[Path]:
    """Write lookups, in order of time, into part-00000.parquet and so on of a folder, and return the files.

    tables: gone through once; hide: makes the pseudonyms, after `places` has told of the addresses. Earlier parts in
    the folder go. At least one file, of no rows where there are no lookups. Raises RunError.
    """
    groups = (_arrow(group, id_bytes, hide, places) for group in _regrouped(tables, group_rows))
    files: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.parquet*"):
            old.unlink()
        while (first := next(groups, None)) is not None or not files:
            files.append(folder / f"part-{len(files):05d}.parquet")
            some = () if first is None else chain((first,), islice(groups, FILE_GROUPS - 1))
            _write(files[-1], some, id_bytes)
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}") from error
    return files


def _regrouped(tables: Iterable[Lookups], rows: int) -> Iterator[Lookups]:
    """Yield the same lookups in tables of `rows`, the last of fewer."""
    held: list[Lookups] = []
    count = 0
    for table in tables:
        held.append(table)
        count += len(table)
        if count < rows:
            continue
        joined = _joined(held)
        whole = count - count % rows
        for start in range(0, whole, rows):
            yield joined.between(start, start + rows)
        held, count = [joined.between(whole, count)], count - whole
    if count:
        yield _joined(held)


def _joined(tables: list[Lookups]) -> Lookups:
    if len(tables) == 1:
        return tables[0]
    return Lookups(*(np.concatenate([getattr(one, f.name) for one in tables]) for f in fields(Lookups)))


def _write(path: Path, groups: Iterable[pa.Table], id_bytes: int) -> None:
    """Write one file: under its own name only when it is whole."""
    temporary = path.with_name(f"{path.name}.new")
    with pq.ParquetWriter(
        temporary,
        _schema(id_bytes),
        compression="zstd",
        compression_level=1,
        use_dictionary=list(_REPEATED),
        column_encoding=dict.fromkeys(_RISING, "DELTA_BINARY_PACKED"),
    ) as writer:
        for group in groups:
            writer.write_table(group)
    temporary.replace(path)


def _schema(id_bytes: int) -> pa.Schema:
    return SCHEMA.set(SCHEMA.get_field_index("key"), pa.field("key", pa.binary(id_bytes)))


def _arrow(table: Lookups, id_bytes: int, hide: Pseudonyms, places: Places) -> pa.Table:
    requester, requester_ip = hide.requesters(table.source_ip, table.source_port)
    as_number, country = places.of(table.source_ip)
    own: dict[str, NDArray[Any] | pa.Array | list[str]] = {
        "requester": requester,
        "requester_ip": requester_ip,
        "key": _keys(table, id_bytes),
        "what": _WORDS.take(pa.array(table.kind)),
        "as_number": as_number,
        "country": pa.array(country, pa.string()),
    }
    schema = _schema(id_bytes)
    return pa.table({name: own[name] if name in own else getattr(table, name) for name in schema.names}, schema)


def _keys(table: Lookups, id_bytes: int) -> pa.Array:
    """Return the keys of users' lookups and announces, NULL for all else, where a key is mostly the ID of a node."""
    told = (table.maintenance == Maintenance.NONE) & np.isin(table.kind, _OF_CONTENT)
    buffers = [pa.py_buffer(np.packbits(told, bitorder="little")), pa.py_buffer(np.ascontiguousarray(table.key))]
    return pa.Array.from_buffers(pa.binary(id_bytes), len(table), buffers)
