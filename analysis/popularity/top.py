"""The keys asked for most."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from analysis.counting import RowCounter, big_endian
from analysis.traffic.rates import KeyCounts, masks
from zone_store.captures import Lookups

TOP_KEYS = 50


@dataclass(frozen=True, slots=True)
class TopKey:
    """One of the keys asked for most.

    searches, publishes: of its lookups, those that tell which they are; requesters: distinct (address, port) pairs that
    looked it up; share: of all lookups; announce_share: announces among its lookups and announces; no_seed_share: its
    lookups that carry noseed=1, so those of seeds (BEP 33).
    """

    key: bytes
    lookups: int
    searches: int
    publishes: int
    rate_per_minute: float
    share: float
    requesters: int
    announces: int
    announce_share: float
    no_seed_share: float


def top_keys(
    counts: KeyCounts, tables: Iterable[Lookups], running_seconds: float, most: int = TOP_KEYS
) -> list[TopKey]:
    """Return the keys with most lookups, most first, equals by key; `tables` are gone through for their requesters."""
    asked = np.flatnonzero(counts.lookups > 0)
    best = asked[np.argsort(-counts.lookups[asked], kind="stable")[:most]]
    requesters = _requesters(counts, np.sort(best), tables)
    total = int(counts.lookups.sum())
    found = []
    for row in best.tolist():
        lookups, announces = int(counts.lookups[row]), int(counts.announces[row])
        found.append(
            TopKey(
                key=counts.keys[row].tobytes(),
                lookups=lookups,
                searches=int(counts.searches[row]),
                publishes=int(counts.publishes[row]),
                rate_per_minute=lookups * 60 / running_seconds if running_seconds > 0 else 0.0,
                share=lookups / total,
                requesters=requesters[row],
                announces=announces,
                announce_share=announces / (lookups + announces),
                no_seed_share=int(counts.no_seed[row]) / lookups,
            )
        )
    return found


def _requesters(counts: KeyCounts, rows: np.ndarray, tables: Iterable[Lookups]) -> dict[int, int]:
    """Return the number of distinct requesters of each of these rows (rising) of `counts`."""
    if not len(rows):
        return {}
    keys = counts.keys[rows]
    counter = RowCounter(2 + 4 + 2, 1)
    width = keys.shape[1]
    wanted = keys.view(f"S{width}")[:, 0]
    for table in tables:
        lookups = table.take(masks(table).lookups)
        asked = np.ascontiguousarray(lookups.key).view(f"S{width}")[:, 0]
        at = np.minimum(np.searchsorted(wanted, asked), len(wanted) - 1)
        hit = wanted[at] == asked
        row = big_endian(at[hit].astype(np.uint16), lookups.source_ip[hit], lookups.source_port[hit])
        counter.add(row, np.ones((len(row), 1), np.int64))
    pairs, _ = counter.result()
    at = pairs[:, 0].astype(np.intp) << 8 | pairs[:, 1]
    return dict(zip(rows.tolist(), np.bincount(at, minlength=len(rows)).tolist(), strict=True))
