"""What load hashing alone would give: each node its part of the key space, as the nodes' own IDs divide it.

The nearest of some IDs to a random key is found by walking down the binary trie of the IDs: where both branches hold
IDs the key takes either with probability 1/2, where one does it takes that. So the part of the key space for which a
node is the nearest is 2^-d exactly, d being how often the IDs branch on the way to it (Stutzbach and Rejaie, INFOCOM
2006, measure such gaps; here they are those of the nodes that were attached).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zone_store.keyspace import ids as keyspace


def shared_bits(ordered_ids: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return how many leading bits each of the rising, distinct IDs uint8[N, L] shares with the next, int64[N - 1]."""
    return keyspace.common_prefix_lengths(ordered_ids[:-1], ordered_ids[1:]).astype(np.int64)


def key_shares(shared: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the part of the key space for which each of N IDs is the nearest, float64[N], sum 1.

    shared int64[N - 1]: leading bits that neighbours in order share. The keys are those of the zone that holds the IDs.
    """
    depth = np.zeros(len(shared) + 1, np.int64)
    for bit in np.unique(shared).tolist():
        # IDs alike up to this bit are neighbours; such a group branches here if two of its neighbours part here.
        group = np.append(0, np.cumsum(shared < bit))
        branches = np.zeros(int(group[-1]) + 1, np.bool_)
        branches[group[1:][shared == bit]] = True
        depth += branches[group]
    return np.ldexp(1.0, -depth)


@dataclass(frozen=True, slots=True)
class Hashed:
    """What n nodes would get of lookups for random keys, summed over moments.

    lookups float64[n]: expected at each node; times int64[n]: moments at which it was attached.
    """

    lookups: NDArray[np.float64]
    times: NDArray[np.int64]

    def expected(self) -> NDArray[np.float64]:
        """Return the lookups at each node for each moment attached, which is a rate without chance; NaN if never."""
        return self._rate(self.lookups)

    def drawn(self, factor: float, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return the same with chance, of so many times as many lookups, each for a random key of its own."""
        return self._rate(rng.poisson(factor * self.lookups).astype(np.float64))

    def _rate(self, lookups: NDArray[np.float64]) -> NDArray[np.float64]:
        rate = np.full(len(lookups), np.nan)
        np.divide(lookups, self.times, out=rate, where=self.times > 0)
        return rate


def hashed(
    ordered_ids: NDArray[np.uint8],
    node: NDArray[np.int64],
    begin_ns: NDArray[np.int64],
    end_ns: NDArray[np.int64],
    times_ns: NDArray[np.int64],
    lookups: NDArray[np.int64],
) -> Hashed:
    """Return what hashing gives to each of the distinct IDs, by who was attached at some moments.

    ordered_ids uint8[N, L]: rising; node, begin_ns, end_ns: intervals in which the node of this place was attached;
    times_ns, lookups int64[m]: moments, and the lookups of the time that each stands for.
    """
    shared = shared_bits(ordered_ids)
    load, times = np.zeros(len(ordered_ids)), np.zeros(len(ordered_ids), np.int64)
    there = np.zeros(len(ordered_ids), np.bool_)
    for time, number in zip(times_ns.tolist(), lookups.tolist(), strict=True):
        there[:] = False
        there[node[(begin_ns <= time) & (end_ns > time)]] = True
        who = np.flatnonzero(there)
        if len(who):
            # Two IDs share what all neighbours between them share.
            between = np.minimum.reduceat(shared[: who[-1]], who[:-1]) if len(who) > 1 else shared[:0]
            load[who] += number * key_shares(between)
            times[who] += 1
    return Hashed(load, times)
