"""How many IDs of a sorted table lie nearer to a key than a given ID does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zone_store.keyspace import ids as keyspace

_FEW = 4
"""A range of so few IDs is compared one by one instead of being halved on."""


def count_nearer(sorted_ids: NDArray[np.uint8], keys: NDArray[np.uint8], ids: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return, for each row, how many of `sorted_ids` are strictly nearer (XOR) to the key than the row's ID is.

    sorted_ids uint8[N, L] in lexicographic order; keys, ids uint8[M, L]; result int64[M]. The IDs
    need not be in the table, as a destination is not that was not attached any more.

    Seen as the leaves of a binary trie, the nearer IDs are whole subtrees that branch off the path to the ID wherever
    the ID's bit differs from the key's. Each is a range of the table, so a row costs a few binary searches.
    """
    count = np.zeros(len(keys), np.int64)
    if not len(sorted_ids):
        return count
    bits = sorted_ids.shape[1] * 8
    table = _as_strings(sorted_ids)
    distance = keyspace.distance(keys, ids)
    depth = keyspace.common_prefix_lengths(keys, ids).astype(np.int64)
    low = np.searchsorted(table, _as_strings(_below(ids, depth, 0)), "left")
    high = np.searchsorted(table, _as_strings(_below(ids, depth, 255)), "right")
    rows = np.flatnonzero((high - low > _FEW) & (depth < bits))
    while len(rows):
        # IDs low..high share the first `depth` bits with the row's ID; `middle` is where the next bit turns to one.
        at = depth[rows]
        split = _below(ids[rows], at, 0)
        split[np.arange(len(rows)), at >> 3] |= (128 >> (at & 7)).astype(np.uint8)
        middle = np.searchsorted(table, _as_strings(split), "left")
        upper = _bit(ids[rows], at)
        beside = np.where(upper, middle - low[rows], high[rows] - middle)
        count[rows] += np.where(_bit(distance[rows], at), beside, 0)
        low[rows] = np.where(upper, middle, low[rows])
        high[rows] = np.where(upper, high[rows], middle)
        depth[rows] += 1
        rows = rows[(high[rows] - low[rows] > _FEW) & (depth[rows] < bits)]
    for i in range(_FEW):
        rows = np.flatnonzero(low + i < high)
        count[rows] += keyspace.less(keyspace.distance(sorted_ids[low[rows] + i], keys[rows]), distance[rows])
    return count


def _as_strings(rows: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """Return rows uint8[n, L] as fixed byte strings, which numpy orders as unsigned bytes."""
    strings: NDArray[np.bytes_] = np.ascontiguousarray(rows).view(f"S{rows.shape[1]}")[:, 0]
    return strings


def _below(rows: NDArray[np.uint8], depth: NDArray[np.int64], fill: int) -> NDArray[np.uint8]:
    """Return the rows with all bits after the first `depth` ones set to those of the byte `fill` (0 or 255)."""
    kept = np.clip(depth[:, None] - 8 * np.arange(rows.shape[1]), 0, 8)
    mask = (0xFF00 >> kept & 0xFF).astype(np.uint8)
    return np.asarray((rows & mask) | (~mask & np.uint8(fill)), np.uint8)


def _bit(rows: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return bit `at` (0 = most significant) of each row."""
    shifted = rows[np.arange(len(rows)), at >> 3] >> (7 - (at & 7)).astype(np.uint8)
    return np.asarray(shifted & 1, np.bool_)
