"""The store benchmark's rows as the ingest benchmark's plain receiver stores them: msgpack, one by one, in LMDB."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import lmdb
import msgpack
import numpy as np

from zone_store.captures import Captures

ORDER = "arrival"
_COMMIT = 4096
_READ = 1 << 16
_MAP_SIZE = 64 << 30
_ID = 20
_KEY = struct.Struct(">Q")
_DTYPES = {
    field.name: np.dtype(kind)
    for field, kind in zip(fields(Captures), ["i8", "u4", "u4", "u2", "V", "V", "u1", "u2", "u4", "u2"], strict=True)
}


def write(folder: Path, batches: Iterable[Captures]) -> dict[str, float]:
    """Store all rows, numbered, 4,096 a commit."""
    pack = msgpack.Packer().pack
    number = 0
    with lmdb.open(str(folder), map_size=_MAP_SIZE, lib_version=0) as env:
        for batch in batches:
            rows = list(zip(*(_values(getattr(batch, name)) for name in _DTYPES), strict=True))
            for start in range(0, len(rows), _COMMIT):
                records = [(_KEY.pack(number + i), pack(row)) for i, row in enumerate(rows[start : start + _COMMIT])]
                with env.begin(write=True) as transaction:
                    transaction.cursor().putmulti(records, append=True)
                number += len(records)
    (folder / "lock.mdb").unlink()
    return {}


def read(folder: Path) -> Iterator[Captures]:
    """Yield all rows."""
    with lmdb.open(str(folder), map_size=_MAP_SIZE, lib_version=0, readonly=True, lock=False) as env:
        rows: list[tuple[Any, ...]] = []
        with env.begin() as transaction:
            for _, record in transaction.cursor():
                rows.append(msgpack.unpackb(record, use_list=False))
                if len(rows) == _READ:
                    yield _table(rows)
                    rows = []
        if rows:
            yield _table(rows)


def _values(column: np.ndarray[Any, Any]) -> list[Any]:
    values: list[Any] = (column.reshape(-1).view(f"V{_ID}") if column.ndim == 2 else column).tolist()
    return values


def _table(rows: list[tuple[Any, ...]]) -> Captures:
    columns = [
        np.frombuffer(b"".join(values), np.uint8).reshape(-1, _ID) if dtype.kind == "V" else np.array(values, dtype)
        for values, dtype in zip(zip(*rows, strict=True), _DTYPES.values(), strict=True)
    ]
    return Captures(*columns)
