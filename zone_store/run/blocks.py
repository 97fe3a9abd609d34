"""Capture and lookup blocks: some thousands of rows as one msgpack array of columns.

    [schema, table, family, rows, id_bytes, [[width, values, index], ...]]

Schema version first; table 1 = captures, 2 = lookups; family 4 = IPv4. Columns stand in the order of the dataclass
fields, little-endian. A column is stored in whichever form is shortest, named by `width` (bytes of an index entry):

    plain        width -1: `values` holds the rows, `index` is empty
    dictionary   width 0, 1 or 2: `values` holds the distinct rows, `index` each row's number in them (0: one value)
    steps        width 17, 18 or 20 (16 + bytes), int64 only: `values` is the first row, `index` the rises to the next

The same rows always give the same bytes. Decoding checks everything it uses: no bytes make it raise anything but
BlockError, or allocate more than `MAX_ROWS` rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from zone_store.captures import Captures, Lookups

BLOCK_SCHEMA = 1
FAMILY_IPV4 = 4
#: Rows a block may hold; bounds what a damaged block can make the decoder allocate.
MAX_ROWS = 1 << 20
_MAX_ID_BYTES = 64

_PLAIN = -1
_STEPS = 16
_UNSIGNED: Mapping[int, type[np.unsignedinteger[Any]]] = {1: np.uint8, 2: np.uint16, 4: np.uint32}


class BlockError(ValueError):
    """Bytes that are no block of this schema, or rows that fit none."""


class _Block(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    schema: int
    table: int
    family: int
    rows: int
    id_bytes: int
    columns: list[tuple[int, bytes, bytes]]


@dataclass(frozen=True, slots=True)
class _Table:
    """The columns of one kind of block: name -> dtype, None for IDs (rows of uint8)."""

    number: int
    columns: Mapping[str, str | None]


_CAPTURES = _Table(
    1,
    {
        "time_ns": "<i8",
        "attachment": "<u4",
        "source_ip": "<u4",
        "source_port": "<u2",
        "requester_id": None,
        "key": None,
        "kind": "|u1",
        "flags": "<u2",
        "version": "<u4",
        "port": "<u2",
    },
)
_LOOKUPS = _Table(
    2,
    {
        "time_ns": "<i8",
        "last_ns": "<i8",
        "source_ip": "<u4",
        "source_port": "<u2",
        "requester_id": None,
        "key": None,
        "kind": "|u1",
        "flags": "<u2",
        "version": "<u4",
        "copies": "<u2",
        "packets": "<u4",
        "destination": "<u4",
        "closest": "<u4",
        "rank": "<u2",
        "margin": "<f4",
        "maintenance": "|u1",
    },
)

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Block)


def encode_captures(captures: Captures) -> bytes:
    """Return one block of captures; raises BlockError for columns that do not fit each other or too many rows."""
    return _encode(_CAPTURES, captures)


def decode_captures(block: bytes) -> Captures:
    """Return the captures of a block, in the order they were given; raises BlockError."""
    return Captures(**_decode(_CAPTURES, block))


def encode_lookups(lookups: Lookups) -> bytes:
    """Return one block of lookups; raises BlockError for columns that do not fit each other or too many rows."""
    return _encode(_LOOKUPS, lookups)


def decode_lookups(block: bytes) -> Lookups:
    """Return the lookups of a block, in the order they were given; raises BlockError."""
    return Lookups(**_decode(_LOOKUPS, block))


def _encode(table: _Table, source: Captures | Lookups) -> bytes:
    rows = len(source)
    if rows > MAX_ROWS:
        raise BlockError(f"{rows} rows in one block, {MAX_ROWS} at most")
    id_bytes = source.key.shape[1]
    if not 0 < id_bytes <= _MAX_ID_BYTES:
        raise BlockError(f"IDs of {id_bytes} bytes")
    columns = []
    for name, kind in table.columns.items():
        dtype = np.dtype(kind or f"V{id_bytes}")
        column = getattr(source, name)
        shape = (rows, id_bytes) if kind is None else (rows,)
        if column.shape != shape or (kind is None and column.dtype != np.uint8):
            raise BlockError(f"column {name}: {column.dtype}{column.shape}, not {shape}")
        columns.append(_pack_column(_flat(column, dtype)))
    return _ENCODER.encode(_Block(BLOCK_SCHEMA, table.number, FAMILY_IPV4, rows, id_bytes, columns))


def _flat(column: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a contiguous column of `dtype`; IDs become one void item a row, floats their bits."""
    if dtype.kind == "V":
        return np.ascontiguousarray(column).view(dtype)[:, 0] if len(column) else np.empty(0, dtype)
    flat = np.ascontiguousarray(column, dtype=dtype)
    # Bits, not numbers: equal infinities and any NaN come back as they were.
    return flat.view("<u4") if dtype.kind == "f" else flat


def _pack_column(column: NDArray[Any]) -> tuple[int, bytes, bytes]:
    rows = len(column)
    plain = (_PLAIN, column.tobytes(), b"")
    if rows < 2:
        return plain
    if column.dtype == np.int64:
        return _pack_steps(column) or plain
    values, index = _distinct(column)
    width = 0 if len(values) == 1 else 1 if len(values) <= 1 << 8 else 2 if len(values) <= 1 << 16 else _PLAIN
    if width == _PLAIN or values.nbytes + width * rows >= column.nbytes:
        return plain
    return width, values.tobytes(), index.astype(_UNSIGNED[width]).tobytes() if width else b""


def _distinct(column: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the distinct values and each row's number among them."""
    if column.dtype.kind == "V":
        return _distinct_ids(column)
    # `return_index` makes numpy sort stably, which takes a fraction of the time where many rows are equal.
    values, _, index = np.unique(column, return_index=True, return_inverse=True)
    return values, index


def _distinct_ids(column: NDArray[np.void]) -> tuple[NDArray[np.void], NDArray[np.intp]]:
    rows = column.view(np.uint8).reshape(len(column), -1)
    if rows.shape[1] >= 8:
        # Eight bytes tell IDs apart, unless somebody chose his own to prevent it.
        words = np.ascontiguousarray(rows[:, -8:]).view("<u8")[:, 0]
        _, first, index = np.unique(words, return_index=True, return_inverse=True)
        if np.array_equal(rows[first][index], rows):
            return column[first], index
    # A hash table beats numpy's generic comparison of void items.
    numbers: dict[bytes, int] = {}
    items: list[bytes] = column.tolist()
    index = np.fromiter((numbers.setdefault(item, len(numbers)) for item in items), np.intp, len(items))
    return np.frombuffer(b"".join(numbers), column.dtype), index


def _pack_steps(column: NDArray[Any]) -> tuple[int, bytes, bytes] | None:
    """Return the column as first value and rises, None where it falls somewhere or rises are too large."""
    if not bool((column[1:] >= column[:-1]).all()):
        return None
    # Unsigned, so that a rise across the whole range of int64 does not overflow.
    rises = column[1:].view(np.uint64) - column[:-1].view(np.uint64)
    largest = int(rises.max())
    for width, unsigned in _UNSIGNED.items():
        if largest < 1 << (8 * width):
            return _STEPS + width, column[:1].tobytes(), rises.astype(unsigned).tobytes()
    return None


def _decode(table: _Table, data: bytes) -> dict[str, NDArray[Any]]:
    # A fixarray whose first item is the schema as a small integer: told apart before the rest is looked at.
    if len(data) < 2 or data[0] & 0xF0 != 0x90:
        raise BlockError("no block: not a msgpack array")
    if data[1] != BLOCK_SCHEMA:
        raise BlockError(f"block schema {data[1]}, this version reads {BLOCK_SCHEMA}")
    try:
        block = _DECODER.decode(data)
    except ValueError as error:  # msgspec's own, and that of text which is not UTF-8
        raise BlockError(f"no block: {error}") from None
    if block.table != table.number:
        raise BlockError(f"block of table {block.table}, not {table.number}")
    if block.family != FAMILY_IPV4:
        raise BlockError(f"address family {block.family}, this version reads {FAMILY_IPV4}")
    if not 0 <= block.rows <= MAX_ROWS or not 0 < block.id_bytes <= _MAX_ID_BYTES:
        raise BlockError(f"block of {block.rows} rows with IDs of {block.id_bytes} bytes")
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
