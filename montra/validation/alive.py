"""Which live node was nearest to each key: for hundreds of thousands of lookups and nodes that come and go."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from montra.validation.truth import Truth, TruthNode
from zone_store.keyspace.ids import pack, sort_order, words
from zone_store.keyspace.nearest import XorIndex

#: So many nearest nodes are tried one after the other until one is alive; then all are compared.
_TRIES = 32
_NEVER = np.iinfo(np.int64).max
_FURTHEST = np.iinfo(np.uint64).max


def closest_live(truth: Truth) -> list[TruthNode | None]:
    """Return for each lookup of the truth the node nearest to its key of all that lived when it began, None if none."""
    if not truth.nodes or not truth.lookups:
        return [None] * len(truth.lookups)
    nodes = list(truth.nodes.values())
    id_bytes = len(nodes[0].node_id)
    ids = pack([node.node_id for node in nodes], id_bytes)
    order = sort_order(ids)
    ids = ids[order]
    up = np.array([node.up_ns for node in nodes], np.int64)[order]
    down = np.array([node.down_ns or _NEVER for node in nodes], np.int64)[order]
    keys = pack([lookup.key for lookup in truth.lookups], id_bytes)
    times = np.array([lookup.t_ns for lookup in truth.lookups], np.int64)
    found = np.full(len(keys), -1, np.int64)
    rows = np.arange(len(keys))
    index = XorIndex(ids)
    for wanted in range(min(_TRIES, len(nodes))):
        at = index.select(keys[rows], wanted)
        lives = (up[at] <= times[rows]) & (times[rows] < down[at])
        found[rows[lives]] = order[at[lives]]
        rows = rows[~lives]
        if not len(rows):
            break
    for row in rows:
        lives = (up <= times[row]) & (times[row] < down)
        if lives.any():
            found[row] = order[_nearest(ids, keys[row], lives)]
    return [nodes[at] if at >= 0 else None for at in found.tolist()]


def _nearest(ids: NDArray[np.uint8], key: NDArray[np.uint8], candidates: NDArray[np.bool_]) -> np.intp:
    """Return the row of the ID nearest to a key of those that are candidates, of which there is one at least."""
    for column, word in zip(words(ids), words(key[None]), strict=True):
        distance = np.where(candidates, column ^ word, _FURTHEST)
        candidates = candidates & (distance == distance.min())
    return candidates.argmax()
