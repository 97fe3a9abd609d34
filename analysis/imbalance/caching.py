"""What caching near popular keys would take off the hottest nodes.

After chapter 6 of the thesis (Jimenez and Knutsson 2008, CTracker): there, nodes on the way to a popular key keep its
list too, and answer in place of the node that is responsible for it. Here the lookups for each of the most popular keys
are shared evenly by the c nodes nearest to it, each in proportion to how long it was watched. A scheme that shares less
evenly leaves more with the hottest. Where clients and churn share a key among more nodes already, c of them get more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.imbalance.measures import gini, top_share
from analysis.imbalance.popular import CACHED_KEYS, TopKeys
from analysis.imbalance.watched import Watched
from zone_store.keyspace import ids as keyspace
from zone_store.keyspace.nearest import XorIndex

COPIES = (2, 4, 8, 20)
"""Nodes that hold a popular key; 8 and 20 are the replicas that the thesis names for the overlays of its day."""
KEYS = (1, 10, 100, CACHED_KEYS)
"""How many of the most popular keys are cached."""


@dataclass(frozen=True, slots=True)
class Caching:
    """What each of w ways of caching would leave of the captured load. First row: as it is.

    keys, copies int64[w]: so many most popular keys, each on so many nodes; hottest float64[w]: lookups a minute of the
    most loaded node; hottest_left: that over what it is without; was_hottest_left: of the 1 % that are most loaded
    without caching, what of their load is left; top_1_percent, gini: of the load with caching.
    """

    keys: NDArray[np.int64]
    copies: NDArray[np.int64]
    hottest: NDArray[np.float64]
    hottest_left: NDArray[np.float64]
    was_hottest_left: NDArray[np.float64]
    top_1_percent: NDArray[np.float64]
    gini: NDArray[np.float64]


def caching(nodes: Watched, counts: NDArray[np.int64], top: TopKeys) -> Caching:
    """Return what caching would do to the load; counts int64[n]: captured lookups at each node of `nodes`.

    Only nodes that were watched long enough are there, and hold copies; lookups that ended at others are left out, with
    caching as without.
    """
    kept = np.flatnonzero(nodes.kept)
    minutes = nodes.seconds[kept] / 60
    rows: list[tuple[float, ...]] = []
    if len(kept) and counts[kept].any():
        as_it_is = counts[kept].astype(np.float64)
        hot = np.argsort(-as_it_is / minutes, kind="stable")[: max(1, round(0.01 * len(kept)))]
        before = as_it_is / minutes
        ways = [(0, 1)] + [(keys, copies) for keys in KEYS if keys <= len(top.key) for copies in COPIES]
        moved = {keys: _without(nodes, top, keys) for keys, _ in ways}
        there = (top.pair_node >= 0) & nodes.kept[top.pair_node]
        lookups = np.bincount(top.pair_key[there], top.pair_lookups[there], len(top.key)).astype(np.float64)
        nearest = XorIndex(keyspace.take(nodes.ids, kept)).nearest(top.key, min(max(COPIES), len(kept)))
        for keys, copies in ways:
            load = (as_it_is - moved[keys][kept] + _shared(lookups, keys, nearest[:, :copies], minutes)) / minutes
            rows.append(
                (
                    keys,
                    copies,
                    load.max(),
                    load.max() / before.max(),
                    load[hot].sum() / before[hot].sum(),
                    top_share(load, 0.01),
                    gini(load),
                )
            )
    table = np.array(rows, np.float64).reshape(-1, 7).T
    return Caching(table[0].astype(np.int64), table[1].astype(np.int64), *table[2:])


def _without(nodes: Watched, top: TopKeys, keys: int) -> NDArray[np.float64]:
    """Return the lookups at each node for the most popular keys, float64[n]."""
    which = (top.pair_key < keys) & (top.pair_node >= 0)
    return np.bincount(top.pair_node[which], top.pair_lookups[which], len(nodes)).astype(np.float64)


def _shared(
    lookups: NDArray[np.float64], keys: int, nearest: NDArray[np.int64], minutes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return lookups for the first keys shared by the nodes nearest to each, float64[kept]; `nearest`: rows by key."""
    load = np.zeros(len(minutes))
    if keys:
        holders = nearest[:keys]
        part = minutes[holders] / minutes[holders].sum(axis=1, keepdims=True)
        np.add.at(load, holders, part * lookups[:keys, None])
    return load
