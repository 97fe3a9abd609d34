"""What wrongly inferred destinations do to the load of nodes: counts drawn again, as confidences say.

A lookup of which the inferred destination is wrong ended near by, most likely at the next node. Where clients do not
know a node, all lookups for a key go past it; so the lookups for one of the most popular keys are moved together, those
for all other keys one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.imbalance.hashing import shared_bits
from analysis.imbalance.popular import TopKeys
from analysis.imbalance.watched import Watched
from zone_store.keyspace import ids as keyspace
from zone_store.keyspace.nearest import XorIndex


@dataclass(frozen=True, slots=True)
class Doubt:
    """Counts at k nodes, in clumps and one by one, and where each would go if its destination were wrong.

    counts int64[k]: all lookups; single int64[k]: those for keys that are not popular; next int64[k]: the node that
    they would go to; wrong float64[k]: the chance. clump_from, clump_to, clump int64[p], clump_wrong float64[p]: the
    same of the lookups for one popular key at one node.
    """

    counts: NDArray[np.int64]
    single: NDArray[np.int64]
    next: NDArray[np.int64]
    wrong: NDArray[np.float64]
    clump_from: NDArray[np.int64]
    clump_to: NDArray[np.int64]
    clump: NDArray[np.int64]
    clump_wrong: NDArray[np.float64]

    @property
    def any(self) -> bool:
        """Tell whether any destination is in doubt."""
        return bool(self.wrong.any() or self.clump_wrong.any())

    def drawn(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the counts as they may have been, int64[k]."""
        moved = rng.binomial(self.single, self.wrong)
        clumps = np.where(rng.random(len(self.clump)) < self.clump_wrong, self.clump, 0)
        counts = self.counts - moved
        np.add.at(counts, self.next, moved)
        np.subtract.at(counts, self.clump_from, clumps)
        np.add.at(counts, self.clump_to, clumps)
        return counts


def doubt_of(nodes: Watched, counts: NDArray[np.int64], sure: NDArray[np.float64], top: TopKeys) -> Doubt:
    """Return the doubts about the kept nodes; counts int64[n], sure float64[n]: lookups and sums of confidences."""
    kept = np.flatnonzero(nodes.kept)
    ids = keyspace.take(nodes.ids, kept)
    place = np.full(len(nodes) + 1, -1, np.int64)  # the last is that of an unknown node, -1
    place[kept] = np.arange(len(kept))
    own = place[top.pair_node]
    there = np.flatnonzero(own >= 0)
    if len(kept) < 2:
        there = there[:0]
    at, lookups, confidence = own[there], top.pair_lookups[there], top.pair_sure[there]
    clumped, clumped_sure = np.zeros(len(kept), np.int64), np.zeros(len(kept))
    np.add.at(clumped, at, lookups)
    np.add.at(clumped_sure, at, confidence)
    single = np.maximum(0, counts[kept] - clumped)
    return Doubt(
        counts=counts[kept],
        single=single,
        next=_next(ids),
        wrong=_chance(single, sure[kept] - clumped_sure) if len(kept) > 1 else np.zeros(len(kept)),
        clump_from=at,
        clump_to=_second(ids, top.key[top.pair_key[there]], at),
        clump=lookups,
        clump_wrong=_chance(lookups, confidence),
    )


def _chance(lookups: NDArray[np.int64], sure: NDArray[np.float64]) -> NDArray[np.float64]:
    chance: NDArray[np.float64] = np.clip(1 - sure / np.maximum(lookups, 1), 0.0, 1.0) * (lookups > 0)
    return chance


def _next(ids: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return for each of the rising IDs the neighbour in order that shares more bits with it."""
    if len(ids) < 2:
        return np.zeros(len(ids), np.int64)
    shared = shared_bits(ids)
    upward = np.append(shared, -1) > np.append(-1, shared)
    following: NDArray[np.int64] = np.arange(len(ids)) + np.where(upward, 1, -1)
    return following


def _second(ids: NDArray[np.uint8], keys: NDArray[np.uint8], own: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each key the node nearest to it but for the one where its lookups were inferred to end."""
    if not len(own):
        return np.empty(0, np.int64)
    nearest = XorIndex(ids).nearest(keys, 2)
    second: NDArray[np.int64] = np.where(nearest[:, 0] == own, nearest[:, 1], nearest[:, 0])
    return second
