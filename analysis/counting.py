"""Counting distinct rows (keys, requesters) over many tables, in memory that grows with the distinct rows only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zone_store.keyspace.ids import sort_order

_PENDING_ROWS = 1 << 16


class RowCounter:
    """Sums of `columns` counts for each distinct row of `width` bytes."""

    def __init__(self, width: int, columns: int) -> None:
        self._rows = [np.empty((0, width), np.uint8)]
        self._counts = [np.empty((0, columns), np.int64)]
        self._pending = 0

    def add(self, rows: NDArray[np.uint8], counts: NDArray[np.int64]) -> None:
        """Add counts int64[n, columns] for rows uint8[n, width]."""
        self._rows.append(rows)
        self._counts.append(counts)
        self._pending += len(rows)
        # As many as are summed up already: the work for each row stays the same however many there are.
        if self._pending > max(_PENDING_ROWS, len(self._rows[0])):
            self._sum_up()

    def result(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the distinct rows uint8[m, width] in order and their sums int64[m, columns]."""
        self._sum_up()
        return self._rows[0], self._counts[0]

    def _sum_up(self) -> None:
        rows, counts = np.concatenate(self._rows), np.concatenate(self._counts)
        order = sort_order(rows)
        rows = rows[order]
        new = np.ones(len(rows), np.bool_)
        new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
        first = np.flatnonzero(new)
        if len(first):
            counts = np.add.reduceat(counts[order], first, axis=0)
        self._rows, self._counts, self._pending = [rows[first]], [counts], 0


def big_endian(*columns: NDArray[np.unsignedinteger]) -> NDArray[np.uint8]:
    """Return unsigned columns [n] side by side as rows of bytes uint8[n, sum of their widths]."""
    parts = [
        np.ascontiguousarray(c, c.dtype.newbyteorder(">")).view(np.uint8).reshape(len(c), c.dtype.itemsize)
        for c in columns
    ]
    return np.concatenate(parts, axis=1)
