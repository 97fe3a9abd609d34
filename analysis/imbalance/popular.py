"""Which nodes carry popular keys, and what the load of the hottest nodes is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.engine.database import Database, ids
from analysis.imbalance.asked import ASKS, SCALE, SURE
from analysis.imbalance.watched import Watched

CARRIED_KEYS = 100
"""So many of the most popular keys are told with the nodes that carry them."""
CACHED_KEYS = 1000
"""So many are known to the what-if of caching."""
HOT_NODES = 100


@dataclass(frozen=True, slots=True)
class TopKeys:
    """The most popular keys: key uint8[k, L], lookups int64[k], most first; of equal ones the lower key first.

    pair_key, pair_node int64[p]: a key's place among them, and a node (place in `Watched`, -1 if none is known) where
    lookups for it ended; pair_lookups, pair_requesters int64[p]: how many lookups, and of how many requesters.
    """

    key: NDArray[np.uint8]
    lookups: NDArray[np.int64]
    pair_key: NDArray[np.int64]
    pair_node: NDArray[np.int64]
    pair_lookups: NDArray[np.int64]
    pair_requesters: NDArray[np.int64]
    pair_sure: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Carriers:
    """Which nodes carry the most popular keys: for each pair of key and node, by popularity, then lookups.

    rank int64[p]: the key's, from 1; key uint8[p, L]; node uint32[p]: name of the node; lookups, requesters int64[p];
    of_key float64[p]: share of the key's lookups that ended at the node; of_node float64[p]: share of the node's
    lookups that are for the key.
    """

    rank: NDArray[np.int64]
    key: NDArray[np.uint8]
    node: NDArray[np.uint32]
    lookups: NDArray[np.int64]
    requesters: NDArray[np.int64]
    of_key: NDArray[np.float64]
    of_node: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hottest:
    """The most loaded nodes, by lookups a minute as captured, most first.

    name uint32[h]; a_minute float64[h]; lookups, keys, requesters int64[h]: captured, for so many keys, by so many;
    top_key float64[h]: share of its lookups that are for the one key it is asked for most; popular float64[h]: share
    for the `CARRIED_KEYS` most popular keys of the zone.
    """

    name: NDArray[np.uint32]
    a_minute: NDArray[np.float64]
    lookups: NDArray[np.int64]
    keys: NDArray[np.int64]
    requesters: NDArray[np.int64]
    top_key: NDArray[np.float64]
    popular: NDArray[np.float64]


def top_keys_of(db: Database, nodes: Watched, id_bytes: int) -> TopKeys:
    """Return the most popular keys and the nodes where lookups for them ended."""
    top = f"SELECT key, lookups FROM keys WHERE lookups > 0 ORDER BY lookups DESC, key LIMIT {CACHED_KEYS}"
    found = db.arrays(top)
    if not len(found["lookups"]):
        none = np.empty(0, np.int64)
        return TopKeys(np.empty((0, id_bytes), np.uint8), none, none, none, none, none, np.empty(0))
    place = {key: at for at, key in enumerate(found["key"].tolist())}
    _attachments(db, nodes)
    # Requesters are counted by grouping twice: groups can go to disk, sets cannot.
    pairs = db.arrays(f"""
        WITH each AS (
            SELECT key, coalesce(attached.node, -1) AS node, requester, count(*) AS n, {SURE} AS sure
            FROM users SEMI JOIN ({top}) AS top ON users.key = top.key LEFT JOIN attached ON inferred = attached.number
            WHERE {ASKS} GROUP BY ALL)
        SELECT key, node, sum(n)::BIGINT AS n, count(*) AS requesters, sum(sure)::BIGINT AS sure
        FROM each GROUP BY key, node ORDER BY key, node""")
    return TopKeys(
        ids(found["key"], id_bytes),
        found["lookups"].astype(np.int64),
        np.array([place[key] for key in pairs["key"].tolist()], np.int64),
        pairs["node"].astype(np.int64),
        pairs["n"].astype(np.int64),
        pairs["requesters"].astype(np.int64),
        pairs["sure"] / SCALE,
    )


def carriers(top: TopKeys, nodes: Watched, counts: NDArray[np.int64]) -> Carriers:
    """Return who carries the most popular keys; counts int64[n]: all lookups at each node of `nodes`."""
    order = np.lexsort((top.pair_node, -top.pair_lookups, top.pair_key))
    order = order[(top.pair_key[order] < CARRIED_KEYS) & (top.pair_node[order] >= 0)]
    of, node, lookups = top.pair_key[order], top.pair_node[order], top.pair_lookups[order]
    return Carriers(
        rank=of + 1,
        key=top.key[of],
        node=nodes.name[node],
        lookups=lookups,
        requesters=top.pair_requesters[order],
        of_key=lookups / top.lookups[of],
        of_node=lookups / np.maximum(1, counts[node]),
    )


def hottest(db: Database, nodes: Watched, counts: NDArray[np.int64], top: TopKeys) -> Hottest:
    """Return the most loaded nodes and what they are asked for; counts as in `carriers`."""
    rate = np.zeros(len(nodes))
    np.divide(60.0 * counts, nodes.seconds, out=rate, where=nodes.kept)
    place = np.lexsort((nodes.name, -rate))[:HOT_NODES]
    place = place[rate[place] > 0]
    of_popular = np.zeros(len(nodes), np.int64)
    counted = (top.pair_key < CARRIED_KEYS) & (top.pair_node >= 0)
    np.add.at(of_popular, top.pair_node[counted], top.pair_lookups[counted])
    lookups = counts[place]
    _attachments(db, nodes)
    db.register("hot", pa.table({"node": place}))
    asked = db.arrays(f"""
        WITH pairs AS (
            SELECT node, key, count(*) AS n FROM users JOIN attached ON inferred = attached.number
            SEMI JOIN hot USING (node) WHERE {ASKS} GROUP BY node, key)
        SELECT node, count(*) AS keys, max(n) AS most FROM pairs GROUP BY node ORDER BY node""")
    people = db.arrays(f"""
        WITH each AS (
            SELECT node, requester FROM users JOIN attached ON inferred = attached.number
            SEMI JOIN hot USING (node) WHERE {ASKS} GROUP BY node, requester)
        SELECT node, count(*) AS requesters FROM each GROUP BY node ORDER BY node""")
    at = np.searchsorted(asked["node"], place)
    return Hottest(
        name=nodes.name[place],
        a_minute=rate[place],
        lookups=lookups,
        keys=asked["keys"][at].astype(np.int64),
        requesters=people["requesters"][at].astype(np.int64),
        top_key=asked["most"][at] / lookups,
        popular=of_popular[place] / lookups,
    )


def _attachments(db: Database, nodes: Watched) -> None:
    db.register("attached", pa.table({"number": nodes.number, "node": nodes.node_of}))
