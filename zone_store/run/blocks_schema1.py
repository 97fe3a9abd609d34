"""Blocks of schema 1, which runs of montra 0.1 hold: read, no longer written.

    [1, table, family, rows, id_bytes, [[width, values, index], ...]]

Columns stand in the order of the dataclass fields, little-endian. `width` (bytes of an index entry) names the form:

    plain        width -1: `values` holds the rows, `index` is empty
    dictionary   width 0, 1 or 2: `values` holds the distinct rows, `index` each row's number in them (0: one value)
    steps        width 17, 18 or 20 (16 + bytes), int64 only: `values` is the first row, `index` the rises to the next
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from zone_store.run.block_tables import BlockError, Table

SCHEMA = 1

_PLAIN = -1
_STEPS = 16
_UNSIGNED: Mapping[int, type[np.unsignedinteger[Any]]] = {1: np.uint8, 2: np.uint16, 4: np.uint32}


class _Block(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    schema: int
    table: int
    family: int
    rows: int
    id_bytes: int
    columns: list[tuple[int, bytes, bytes]]


_DECODER = msgspec.msgpack.Decoder(_Block)


def decode(table: Table, data: bytes) -> dict[str, NDArray[Any]]:
    """Return the columns of a block by name, writable; raises BlockError."""
    try:
        block = _DECODER.decode(data)
    except ValueError as error:  # msgspec's own, and that of text which is not UTF-8
        raise BlockError(f"no block: {error}") from None
    table.check(block.table, block.family, block.rows, block.id_bytes)
    if len(block.columns) != len(table.columns):
        raise BlockError(f"{len(block.columns)} columns, not {len(table.columns)}")
    columns = {}
    for (name, kind), packed in zip(table.columns.items(), block.columns, strict=True):
        dtype = np.dtype(kind or f"V{block.id_bytes}")
        try:
            flat = _unpack_column(packed, dtype, block.rows)
        except ValueError as error:
            raise BlockError(f"column {name}: {error}") from None
        columns[name] = flat.view(np.uint8).reshape(block.rows, block.id_bytes) if kind is None else flat
    return columns


def _unpack_column(packed: tuple[int, bytes, bytes], dtype: np.dtype[Any], rows: int) -> NDArray[Any]:
    """Return a writable column of `rows`; raises ValueError when the three parts do not fit."""
    width, values, index = packed
    items = np.frombuffer(values, dtype)
    if width == _PLAIN:
        if len(items) != rows or index:
            raise ValueError(f"{len(items)} values for {rows} rows")
        return items.copy()
    if width == 0:
        if len(items) != 1 or index:
            raise ValueError(f"{len(items)} values for a column of one")
        return np.repeat(items, rows)
    if width in (1, 2):
        numbers = np.frombuffer(index, _UNSIGNED[width])
        if len(numbers) != rows or (rows and int(numbers.max()) >= len(items)):
            raise ValueError("index does not fit the dictionary")
        return items[numbers]
    if width - _STEPS in _UNSIGNED and dtype == np.int64:
        rises = np.frombuffer(index, _UNSIGNED[width - _STEPS])
        if len(items) != 1 or len(rises) != rows - 1:
            raise ValueError(f"{len(rises)} rises for {rows} rows")
        steps = np.concatenate([items.view(np.uint64), rises.astype(np.uint64)])
        return np.cumsum(steps, dtype=np.uint64).view(np.int64)
    raise ValueError(f"unknown form {width}")
