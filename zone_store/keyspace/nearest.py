"""The nearest IDs to many keys by XOR distance, over a sorted array.

In sorted order the IDs that share a prefix are one interval, so the array is a binary (Patricia) trie without nodes:
an interval splits where the shared prefix of two neighbours is shortest. A sparse table finds that place in two
look-ups; walking down from the whole array takes each key to its nearest ID in about log2(N) steps, for all keys at
once. The walk is exact on whole IDs: duplicates and IDs that share their first 64 bits need no special case.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zone_store.keyspace import ids as _ids


class XorIndex:
    """Sorted IDs, prepared for XOR-nearest queries in O(N log N) time and memory; never changes.

    `sorted_ids` is uint8[N, L] in ascending order (see `ids.sort_order`), duplicates allowed; raises ValueError if not
    sorted.
    """

    def __init__(self, sorted_ids: NDArray[np.uint8]) -> None:
        lower, upper = sorted_ids[:-1], sorted_ids[1:]
        if bool(_ids.less(upper, lower).any()):
            raise ValueError("IDs are not sorted")
        self._count: int = len(sorted_ids)
        self._id_bytes: int = sorted_ids.shape[1]
        self._ids = sorted_ids
        self._shared = _ids.common_prefix_lengths(lower, upper)  # bits shared by row i and row i + 1
        self._level = _floor_log2_table(max(1, self._count))
        self._lowest = self._sparse_table()

    def __len__(self) -> int:
        return self._count

    def nearest(self, keys: NDArray[np.uint8], k: int = 1) -> NDArray[np.int64]:
        """Return the rows int64[M, k] of the k nearest IDs to keys uint8[M, L], nearest first.

        Equal IDs come in row order; where there are fewer than k IDs, -1 pads. Raises ValueError for k < 1 or keys
        of another length.
        """
        if k < 1:
            raise ValueError("k must be at least 1")
        self._check(keys)
        result = np.full((len(keys), k), -1, np.int64)
        for wanted in range(min(k, self._count)):
            result[:, wanted] = self.select(keys, wanted)
        return result

    def select(
        self,
        keys: NDArray[np.uint8],
        wanted: int,
        within: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    ) -> NDArray[np.int64]:
        """Return the row of the ID that has exactly `wanted` IDs before it in the order of distance, int64[M].

        within: for each key an interval low, high of all IDs that share some leading bits with it, from which the
        search sets out if it holds enough of them; nearer to the key than those is none.
        """
        low = np.zeros(len(keys), np.int64)
        high = np.full(len(keys), self._count, np.int64)
        if within is not None:
            enough = within[1] - within[0] > wanted
            low[enough], high[enough] = within[0][enough], within[1][enough]
        rest = np.full(len(keys), wanted, np.int64)
        active = np.flatnonzero(high - low > 1)
        while len(active):
            first, last, left = low[active], high[active], rest[active]
            middle, bit = self.split(first, last)
            inside = bit < self._id_bytes * 8
            one = _bit_of(keys, active, bit)
            own_side = np.where(one, last - middle, middle - first)
            leaves = left >= own_side  # the key's own side is used up before the wanted one
            rest[active] = np.where(inside & leaves, left - own_side, left)
            upper = one != leaves
            low[active] = np.where(inside & upper, middle, first)
            high[active] = np.where(inside & ~upper, middle, last)
            active = active[inside & (high[active] - low[active] > 1)]
        return low + rest

    def split(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
        """Return the first row of the upper half of intervals of two rows or more, and the bit in which halves differ.

        The bit is 8 * L for intervals of equal IDs, which have no halves.
        """
        span = high - 1 - low  # neighbours inside the interval
        level = self._level[span]
        left = self._lowest[level, low]
        right = self._lowest[level, high - 1 - (np.int64(1) << level)]
        place = np.where(self._shared[left] <= self._shared[right], left, right)
        return place + 1, self._shared[place]

    def _sparse_table(self) -> NDArray[np.int64]:
        """Return int64[levels, N-1]: at [j, i] the place of the shortest shared prefix among neighbours i..i+2^j-1."""
        count = len(self._shared)
        levels = [np.arange(count, dtype=np.int64)]
        width = 1
        while 2 * width <= count:
            below = levels[-1]
            here = below.copy()  # the tail, where 2^j no longer fits, is never asked for
            left, right = below[: count - 2 * width + 1], below[width : count - width + 1]
            here[: len(left)] = np.where(self._shared[left] <= self._shared[right], left, right)
            levels.append(here)
            width *= 2
        return np.stack(levels)

    def _check(self, keys: NDArray[np.uint8]) -> None:
        if keys.ndim != 2 or keys.shape[1] != self._id_bytes:
            raise ValueError(f"keys of shape {keys.shape} for IDs of {self._id_bytes} bytes")


def nearest(sorted_ids: NDArray[np.uint8], keys: NDArray[np.uint8], k: int = 1) -> NDArray[np.int64]:
    """Return the rows int64[M, k] of the k XOR-nearest of sorted IDs uint8[N, L] to keys uint8[M, L]; -1 pads.

    Nearest first, equal IDs in row order. Raises ValueError for unsorted IDs, k < 1 or keys of another length. For
    many calls over the same IDs keep a `XorIndex`.
    """
    return XorIndex(sorted_ids).nearest(keys, k)


def _bit_of(keys: NDArray[np.uint8], rows: NDArray[np.intp], bit: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Return whether bit `bit` (0 = most significant) of the keys at `rows` is set; past the end it reads the last."""
    byte = np.minimum(bit >> 3, keys.shape[1] - 1)
    shift = (~bit & 7).astype(np.uint8)
    return np.asarray(keys[rows, byte] >> shift & 1, np.bool_)


def _floor_log2_table(size: int) -> NDArray[np.int64]:
    """Return int64[size + 1] with floor(log2(i)) at i >= 1."""
    table = np.zeros(size + 1, np.int64)
    for i in range(1, size.bit_length()):
        table[1 << i :] = i
    return table
