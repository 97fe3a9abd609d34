"""Which IDs of a sorted table lie nearer to a key than a given ID does, as ranges of the table."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zone_store.keyspace import ids as keyspace
from zone_store.keyspace.nearest import XorIndex

_WORD_BITS = 64


class Ranges(NamedTuple):
    """row intp[r]: which of the rows asked for, in any order; low, high int64[r]: table rows low..high-1 are nearer."""

    row: NDArray[np.intp]
    low: NDArray[np.int64]
    high: NDArray[np.int64]


class Around(NamedTuple):
    """shared uint16[M]: leading bits of key and ID; low, high int64[M]: the rows low..high-1 share them, too.

    None is nearer to the key than the ID but those.
    """

    shared: NDArray[np.uint16]
    low: NDArray[np.int64]
    high: NDArray[np.int64]


class NearerIndex:
    """Sorted IDs uint8[N, L], prepared for asking which of them are nearer to a key than an ID; never changes."""

    def __init__(self, sorted_ids: NDArray[np.uint8]) -> None:
        self.index = XorIndex(sorted_ids)
        self._ids = sorted_ids
        self._word = keyspace.words(sorted_ids)[0]

    def around(self, keys: NDArray[np.uint8], ids: NDArray[np.uint8]) -> Around:
        """Return which IDs share as many leading bits with the key as the row's ID does (64 at most)."""
        shared = keyspace.common_prefix_lengths(keys, ids)
        word = keyspace.words(keys)[0]
        rest = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.minimum(shared, _WORD_BITS - 1).astype(np.uint64)
        rest[shared >= _WORD_BITS] = 0  # a shift by 64 is undefined
        low = np.searchsorted(self._word, word & ~rest, "left")
        high = np.searchsorted(self._word, word | rest, "right")
        return Around(shared, low.astype(np.int64), high.astype(np.int64))

    def neighbourhood(self, keys: NDArray[np.uint8], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return low, high int64[M]: rows low..high-1 share leading bits with each key, about 2 to 4 times `count`."""
        first, last = self._ids[:1], self._ids[-1:]
        common = int(keyspace.common_prefix_lengths(first, last)[0])
        bits = min(common + max(0, (len(self._ids) // (2 * count)).bit_length() - 1), _WORD_BITS - 1)
        word = keyspace.words(keys)[0]
        rest = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(bits)
        low = np.searchsorted(self._word, word & ~rest, "left")
        return low.astype(np.int64), np.searchsorted(self._word, word | rest, "right").astype(np.int64)

    def nearer(self, keys: NDArray[np.uint8], ids: NDArray[np.uint8], around: Around) -> Ranges:
        """Return, for each row of keys, ids uint8[M, L], the ranges of IDs strictly nearer to the key than its ID.

        The IDs need not be in the table, as a destination is not that was not attached any more. Seen as the leaves of
        a binary trie, the nearer IDs are whole subtrees that branch off the path to the ID wherever its bit differs
        from the key's. `around` is that of the same keys and IDs.
        """
        bits = self._ids.shape[1] * 8
        shared, low, high = around
        known = self._shared_with_table(ids)
        found: list[tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]] = []
        rows = np.flatnonzero((high > low) & (shared < bits))
        low, high = low[rows], high[rows]
        while len(rows):
            several = high - low > 1
            middle, bit = np.full(len(rows), -1, np.int64), np.full(len(rows), bits, np.int64)
            middle[several], bit[several] = self.index.split(low[several], high[several])
            at = np.minimum(bit, known[rows])
            inside = at < bits
            rows, low, high, middle, at = rows[inside], low[inside], high[inside], middle[inside], at[inside]
            own, wanted = _bit(ids, rows, at), _bit(keys, rows, at)
            # Where the path to the ID leaves the table, all that is left lies on the other side of it.
            leaves = known[rows] <= at
            stays = ~leaves & (bit[inside] < bits)
            beside_low = np.where(leaves | own, low, middle)
            beside_high = np.where(leaves | ~own, high, middle)
            counts = (own != wanted) & (beside_high > beside_low)
            found.append((rows[counts], beside_low[counts], beside_high[counts]))
            low, high = np.where(own, middle, low)[stays], np.where(own, high, middle)[stays]
            rows = rows[stays]
        if not found:
            return Ranges(np.empty(0, np.intp), np.empty(0, np.int64), np.empty(0, np.int64))
        row, low, high = (np.concatenate(part) for part in zip(*found, strict=True))
        return Ranges(row, low, high)

    def _shared_with_table(self, ids: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return how many leading bits each ID shares with the most similar ID of the table, int64[M]."""
        shared = np.full(len(ids), ids.shape[1] * 8, np.int64)
        # Nearly all are in the table, where their first words alone find them.
        at = np.minimum(np.searchsorted(self._word, keyspace.words(ids)[0]), len(self._ids) - 1)
        others = np.flatnonzero((keyspace.take(self._ids, at) != ids).any(axis=1))
        if len(others):
            ids = ids[others]
            at = np.searchsorted(_as_strings(self._ids), _as_strings(ids))
            above = keyspace.take(self._ids, np.minimum(at, len(self._ids) - 1))
            below = keyspace.take(self._ids, np.maximum(at - 1, 0))
            shared[others] = np.maximum(
                keyspace.common_prefix_lengths(ids, above), keyspace.common_prefix_lengths(ids, below)
            )
        return shared


def _as_strings(rows: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """Return rows uint8[n, L] as fixed byte strings, which numpy orders as unsigned bytes."""
    strings: NDArray[np.bytes_] = np.ascontiguousarray(rows).view(f"S{rows.shape[1]}")[:, 0]
    return strings


def _bit(ids: NDArray[np.uint8], rows: NDArray[np.intp], at: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return bit `at` (0 = most significant) of ids[rows]."""
    shifted = ids[rows, at >> 3] >> (7 - (at & 7)).astype(np.uint8)
    return np.asarray(shifted & 1, np.bool_)
