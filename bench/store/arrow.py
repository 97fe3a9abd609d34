"""Captures as Arrow tables and back, without copying what need not be copied."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa

from zone_store.captures import Captures

_ID = 20
_TYPES = {
    "time_ns": pa.int64(),
    "attachment": pa.uint32(),
    "source_ip": pa.uint32(),
    "source_port": pa.uint16(),
    "requester_id": pa.binary(_ID),
    "key": pa.binary(_ID),
    "kind": pa.uint8(),
    "flags": pa.uint16(),
    "version": pa.uint32(),
    "port": pa.uint16(),
}
SCHEMA = pa.schema(_TYPES)


def table(captures: Captures) -> pa.Table:
    """Return captures as an Arrow table; IDs are binary of fixed size."""
    columns = [_column(getattr(captures, name), kind) for name, kind in _TYPES.items()]
    return pa.table(columns, schema=SCHEMA)


def _column(column: np.ndarray[Any, Any], kind: pa.DataType) -> pa.Array:
    if column.ndim == 1:
        return pa.array(column, kind)
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(column), [None, pa.py_buffer(np.ascontiguousarray(column))])


def arrays(batch: pa.RecordBatch) -> Captures:
    """Return a record batch as captures; IDs may be binary of fixed or of variable size."""
    return Captures(*(_array(batch.column(field.name)) for field in fields(Captures)))


def _array(column: pa.Array) -> np.ndarray[Any, Any]:
    if pa.types.is_fixed_size_binary(column.type):
        values = np.frombuffer(column.buffers()[1], np.uint8)
        return values[column.offset * _ID : (column.offset + len(column)) * _ID].reshape(len(column), _ID)
    if pa.types.is_binary(column.type):
        _, offsets, values = column.buffers()
        first = int(np.frombuffer(offsets, np.int32)[column.offset])
        return np.frombuffer(values, np.uint8)[first : first + len(column) * _ID].reshape(len(column), _ID)
    return column.to_numpy()
