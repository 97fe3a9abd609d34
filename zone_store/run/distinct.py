"""The distinct rows among many, in order of first appearance: exact, without sorting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Odd, so that multiplying loses no bit. What comes out does not depend on them.
_ODD = np.random.Generator(np.random.PCG64(0x9E3779B9)).integers(1 << 62, 1 << 63, 64, np.uint64) | np.uint64(1)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
# Rounds for rows that share a slot with another one. Each leaves a fraction: two or three are usual.
_ROUNDS = 16


def distinct_rows(columns: Sequence[NDArray[Any]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first row of each distinct one, rising, and each row's number among them.

    columns: of one length. Every row claims a slot by its hash, the first of a slot wins, and rows of the same hash are
    done; the others try again by other bits. That equal hashes mean equal rows is then checked on all bytes; where
    somebody made rows for which it fails, a hash table that nobody can foresee decides.
    """
    words = _packed(columns)
    n = len(words)
    hashes = words @ _ODD[: words.shape[1]]
    first = _first_of_hash(hashes)
    if first is None or not bool((words.take(first, axis=0) == words).all()):
        first = _first_by_table(words)
    new = first == np.arange(n)
    number = np.cumsum(new) - 1
    return np.flatnonzero(new), number[first]


def _first_of_hash(hashes: NDArray[np.uint64]) -> NDArray[np.intp] | None:
    """Return the first row with the hash of each; None when too many hashes agree in too many bits."""
    n = len(hashes)
    bits = n.bit_length() + 1
    slots = np.empty(1 << bits, np.int32)
    shift = np.uint64(64 - bits)
    first = np.empty(n, np.intp)
    waiting = np.arange(n, dtype=np.int32)
    mixed = hashes
    for _ in range(_ROUNDS):
        slot = (mixed >> shift).astype(np.intp)
        slots.fill(n)
        np.minimum.at(slots, slot, waiting)
        winner = slots.take(slot)
        done = hashes.take(winner) == hashes.take(waiting)
        first[waiting[done]] = winner[done]
        waiting, mixed = waiting[~done], mixed[~done]
        if not len(waiting):
            return first
        mixed = (mixed ^ (mixed >> _HALF)) * _MIX
    return None


def _packed(columns: Sequence[NDArray[Any]]) -> NDArray[np.uint64]:
    """Return the columns side by side as uint64[rows, words], padded with zeros."""
    # Wide columns first keep the narrow ones aligned.
    wide_first = sorted(columns, key=lambda column: -column.dtype.itemsize)
    offsets = [0, *np.cumsum([column.dtype.itemsize for column in wide_first]).tolist()]
    size = -(-offsets.pop() // 8) * 8
    names = [f"c{i}" for i in range(len(wide_first))]
    formats = [column.dtype for column in wide_first]
    packed = np.zeros(
        len(columns[0]), np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})
    )
    for name, column in zip(names, wide_first, strict=True):
        packed[name] = column
    return packed.view(np.uint64).reshape(len(packed), size // 8)


def _first_by_table(words: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Return the first row equal to each, by Python's own hash table: slow, but its hashes are secret."""
    found: dict[bytes, int] = {}
    return np.array([found.setdefault(row.tobytes(), i) for i, row in enumerate(words)], np.intp)
