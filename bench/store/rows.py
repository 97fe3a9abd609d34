"""The rows that all systems of the store benchmark store: a file of batches, in the order a receiver hands them on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from bench.store.window import Window
from zone_store.captures import Captures

#: Rows that a receiver reads in one go, socket by socket: within them the order is that of sockets first.
RECEIVED = 512
SOCKETS = 8
#: Rows of a batch of the file, and of a transaction of the systems that do not divide rows themselves.
BATCH = 1 << 17

_ID = 20
_ROW = np.dtype(
    [
        ("time_ns", "<i8"),
        ("attachment", "<u4"),
        ("source_ip", "<u4"),
        ("source_port", "<u2"),
        ("requester_id", "u1", _ID),
        ("key", "u1", _ID),
        ("kind", "u1"),
        ("flags", "<u2"),
        ("version", "<u4"),
        ("port", "<u2"),
    ]
)
#: Bytes of a row that is not compressed.
ROW_BYTES = _ROW.itemsize


def write(path: Path, window: Window, rows: int) -> tuple[str, str]:
    """Write the first rows of a window; return their digests in order of arrival and in order of time."""
    with path.open("wb") as file:
        for captures in window.captures(rows, BATCH):
            arrived = captures.take(_arrival(captures))
            for field in fields(arrived):
                file.write(getattr(arrived, field.name).tobytes())
    return digest(read(path)), digest(_by_time(arrived) for arrived in read(path))


def _by_time(captures: Captures) -> Captures:
    """Return a batch in order of time; of equal times the first to arrive comes first. Batches do not overlap."""
    return captures.take(np.argsort(captures.time_ns, kind="stable"))


def _arrival(captures: Captures) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return the order in which rows come when each read takes what eight sockets hold, one after the other."""
    return np.lexsort((captures.attachment % SOCKETS, np.arange(len(captures)) // RECEIVED))


def read(path: Path) -> Iterator[Captures]:
    """Yield the rows of a file in its batches."""
    left = path.stat().st_size // ROW_BYTES
    with path.open("rb") as file:
        while left:
            size = min(left, BATCH)
            columns = {}
            for name in _ROW.names or ():
                dtype, shape = _ROW[name].base, _ROW[name].shape
                columns[name] = np.fromfile(file, dtype, size * (shape[0] if shape else 1)).reshape(size, *shape)
            yield Captures(**columns)
            left -= size


def digest(tables: Iterable[Captures]) -> str:
    """Return a digest of all rows in their order, however they are divided into tables."""
    sums = {field.name: hashlib.blake2b() for field in fields(Captures)}
    for table in tables:
        for name, one in sums.items():
            one.update(np.ascontiguousarray(getattr(table, name)))
    return hashlib.blake2b(b"".join(one.digest() for one in sums.values()), digest_size=16).hexdigest()
