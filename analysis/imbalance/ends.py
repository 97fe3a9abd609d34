"""Where lookups end that do not end at the node nearest to their key: how many, and how far off.

Crawls give a node up some time after it left. A lookup of that time whose nearest node had left ended where it should
have, so it is not judged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.engine.concentration import effective_keys
from analysis.engine.database import Database, ids
from analysis.imbalance.asked import ASKS, SCALE, SURE, SURE_ONE
from analysis.imbalance.estimates import Estimate, Z
from analysis.imbalance.watched import Watched
from analysis.load import Run
from analysis.network.stays import left_of
from zone_store.attribution.targets import Targets
from zone_store.keyspace import ids as keyspace

MOST_RANK = 20
"""The last class of ranks: so many nodes nearer, or more."""

_JUDGED = 100_000

_OF = f"FROM users LEFT JOIN departed ON closest = departed.number WHERE {ASKS} AND closest > 0"
_THERE = "(left_ns IS NULL OR time_ns < left_ns)"
"""Lookups made while a node was attached, and which of them are judged."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Users' lookups by where they ended, as inferred, among the nodes attached at the time.

    judged: lookups for which a node was attached and the nearest had not left; departed: those for which it had, as far
    as crawls tell afterwards; elsewhere: of those judged, inferred to have ended at another node than the nearest;
    share: of lookups whose true end was not the nearest, see `share_elsewhere`; confidence: mean probability of the
    inferred ends of all judged ones; sampled: lookups of `elsewhere` looked at more closely: ranks
    int64[MOST_RANK + 1]: of them, by how many attached nodes were nearer to the key (0 where the nearest was another
    one by the time); bits: median, and 10th and 90th percentile, of log2 of how many times as far from the key the end
    was as the nearest node.
    """

    judged: int
    departed: int
    elsewhere: int
    share: Estimate
    confidence: float
    sampled: int
    ranks: NDArray[np.int64]
    bits: tuple[float, float, float]


def ends_of(db: Database, run: Run, nodes: Watched) -> Ends:
    """Return where the lookups of a run ended."""
    number, left_ns = left_of(run)
    db.register("departed", pa.table({"number": number, "left_ns": left_ns}))
    departed = int(db.one(f"SELECT count(*) {_OF} AND NOT {_THERE}"))
    sums = db.arrays(f"""
        SELECT inferred, count(*) AS n,
            count(*) FILTER (inferred <> closest) AS off,
            {SURE} AS sure,
            sum(CASE WHEN inferred <> closest THEN {SURE_ONE} ELSE 0 END)::BIGINT AS sure_off,
            sum(round(sqrt(confidence::DOUBLE * (1 - confidence::DOUBLE)) * {SCALE})::BIGINT)::BIGINT AS deviation
        {_OF} AND {_THERE} GROUP BY inferred ORDER BY inferred""")
    judged, elsewhere = int(sums["n"].sum()), int(sums["off"].sum())
    sure, sure_off = float(sums["sure"].sum()) / SCALE, float(sums["sure_off"].sum()) / SCALE
    ranks, bits = _how_far(db, run, nodes, elsewhere)
    return Ends(
        judged=judged,
        departed=departed,
        elsewhere=elsewhere,
        share=share_elsewhere(
            judged,
            elsewhere,
            sure - sure_off,
            sure_off,
            sums["deviation"] / SCALE,
            nodes.blind,
            effective_keys(db),
        ),
        confidence=sure / judged if judged else math.nan,
        sampled=int(ranks.sum()),
        ranks=ranks,
        bits=bits,
    )


def share_elsewhere(
    judged: int,
    elsewhere: int,
    sure_nearest: float,
    sure_elsewhere: float,
    deviations: NDArray[np.float64],
    blind: float,
    effective: float,
) -> Estimate:
    """Return the share of captured lookups that did not end at the nearest node known, with its 95 % interval.

    A lookup inferred to have ended at the nearest node did so with its confidence p, so 1 - p of it ended elsewhere. Of
    one inferred to have ended elsewhere at least p did; of the rest it is not known. Nor is it known of nodes without a
    monitor, which are in no confidence: of all lookups, as many may have ended at one as is the share of node time
    without (`blind`), or more where one of the popular keys is at such a node, which is chance over `effective` keys.
    The value takes half of both. The interval adds 1.96 standard deviations to what is least and most, as if all
    lookups that ended at one node were right or wrong together. It stands on confidences that are right on average.
    sure_nearest, sure_elsewhere: sums of p; deviations float64[n]: for each node, of sqrt(p (1 - p)).
    """
    if not judged:
        return Estimate(math.nan)
    of_nearest = (judged - elsewhere) - sure_nearest
    least, most = (of_nearest + sure_elsewhere) / judged, (of_nearest + elsewhere) / judged + blind
    error = Z * math.sqrt(float((deviations**2).sum())) / judged
    hidden = Z * math.sqrt(blind * (1 - blind) / max(effective, 1.0))
    return Estimate((least + most) / 2, max(0.0, least - error), min(1.0, most + math.hypot(error, hidden)))


def _how_far(
    db: Database, run: Run, nodes: Watched, elsewhere: int
) -> tuple[NDArray[np.int64], tuple[float, float, float]]:
    """Look at the lookups that ended elsewhere, or at every so-manieth key of them."""
    ranks = np.zeros(MOST_RANK + 1, np.int64)
    nowhere = (math.nan, math.nan, math.nan)
    one_in = -(-elsewhere // _JUDGED)
    if not elsewhere:
        return ranks, nowhere
    found = db.arrays(f"""
        SELECT time_ns, key, inferred, closest {_OF} AND {_THERE}
            AND inferred <> closest AND hash(key, time_ns) % {one_in} = 0
        ORDER BY time_ns, key, requester""")
    end, nearest = nodes.nodes_of(found["inferred"]), nodes.nodes_of(found["closest"])
    known = (end >= 0) & (nearest >= 0)
    if not known.any():
        return ranks, nowhere
    keys = ids(found["key"][known], run.manifest.id_bytes)
    end_ids, nearest_ids = keyspace.take(nodes.ids, end[known]), keyspace.take(nodes.ids, nearest[known])
    targets = Targets(run.attachments.each(), run.manifest.id_bytes)
    _, rank = targets.place(found["time_ns"][known], keys, end_ids)
    ranks += np.bincount(np.minimum(rank, MOST_RANK), minlength=MOST_RANK + 1)
    further = np.log2(_distance(keys, end_ids)) - np.log2(_distance(keys, nearest_ids))
    low, middle, high = np.quantile(further, [0.1, 0.5, 0.9]).tolist()
    return ranks, (middle, low, high)


def _distance(keys: NDArray[np.uint8], node_ids: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return XOR distances to the precision of a float, at least 1, float64[n]."""
    words = keyspace.words(keyspace.distance(node_ids, keys)).astype(np.float64)
    total = np.zeros(len(keys))
    for word in words:
        total = total * 2.0**64 + word
    return np.maximum(total, 1.0)
