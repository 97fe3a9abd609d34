"""What the paper says of Kad in numbers (Memon et al., IPTPS 2009, section V), and the same of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.engine.keys import INFO_HASH, UNKNOWN
from analysis.traffic.intervals import over_clusters, share_bounds
from analysis.traffic.key_rates import ALL

if TYPE_CHECKING:
    from analysis.traffic.chapter import Traffic

LEAST_S = 3600.0
"""Shorter windows are not compared: the paper's are six hours long."""
_FALLBACK = {"file": (UNKNOWN, INFO_HASH), "keyword": (UNKNOWN,)}
"""Where a network does not tell sorts of keys, the nearest that it does tell is compared; info-hashes are of files."""
_KEYS = {
    ALL: "keys of any sort",
    UNKNOWN: "keys of untold sort",
    INFO_HASH: "info-hashes",
    "file": "files",
    "keyword": "keywords",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A share that the paper tells. name: of the quantity; text: what it is; paper: its value there.

    hits: returns (keys that have it, keys, their sort) of a run, None where the run cannot tell.
    """

    name: str
    text: str
    paper: float
    hits: Callable[[Traffic], tuple[int, int, str] | None]


@dataclass(frozen=True, slots=True)
class Compared:
    """One claim and the runs of one network.

    name, text, paper: of the claim; of: the keys that it was found on; share, low, high: over all zones;
    least, greatest: of runs; runs, zones, keys: how many there were, a key once for each run.
    """

    overlay: str
    name: str
    text: str
    paper: float
    of: str
    share: float
    low: float
    high: float
    least: float
    greatest: float
    runs: int
    zones: int
    keys: int


def _at_least(message: str, sort: str, rate: float) -> Callable[[Traffic], tuple[int, int, str] | None]:
    def hits(traffic: Traffic) -> tuple[int, int, str] | None:
        for told in (sort, ALL):
            rates = traffic.of_keys(message, told)
            # In a short window one message makes the rate: all keys have it, and that says nothing.
            if rates is not None and rates.needed(rate) > 1:
                return rates.at_least(rate), rates.seen, told
        return None

    return hits


def _balanced(sort: str, which: str) -> Callable[[Traffic], tuple[int, int, str] | None]:
    def hits(traffic: Traffic) -> tuple[int, int, str] | None:
        told = {one.sort: one for one in traffic.balance}
        for name in (sort, *_FALLBACK[sort]):
            if name in told:
                return int(getattr(told[name], which)), told[name].keys, name
        return None

    return hits


CLAIMS = (
    Claim(
        "published_at_least_0_1",
        "keywords published at least 0.1 times a minute",
        0.1,
        _at_least("publish", "keyword", 0.1),
    ),
    Claim(
        "published_at_least_30",
        "keywords published at least 30 times a minute",
        0.001,
        _at_least("publish", "keyword", 30),
    ),
    Claim("searched_at_least_2", "keywords searched at least twice a minute", 0.0, _at_least("search", "keyword", 2)),
    Claim("files_searched_only", "files searched, never published", 0.15, _balanced("file", "only_searched")),
    Claim("files_published_only", "files published, never searched", 0.6, _balanced("file", "only_published")),
    Claim(
        "keywords_published_only", "keywords published, never searched", 0.95, _balanced("keyword", "only_published")
    ),
)


def compared(overlay: str, claim: Claim, runs: Sequence[tuple[str, Traffic]]) -> Compared | None:
    """Return a claim of the paper beside one network's runs, (zone, traffic) each; None where no run can tell.

    The share is of all keys of all runs; its bounds take a zone's windows for one draw, since they see the same keys.
    """
    told = [
        (zone, found)
        for zone, traffic in runs
        if traffic.running_s >= LEAST_S and (found := claim.hits(traffic)) is not None
    ]
    # Runs that tell the sort and runs that do not are not put together: those like the best of them count.
    if not told:
        return None
    sort = min((of for _, (_, _, of) in told), key=lambda of: (of in (ALL, UNKNOWN, INFO_HASH), of))
    like = [(zone, hits, keys) for zone, (hits, keys, of) in told if of == sort]
    zones = sorted({zone for zone, _, _ in like})
    hits = np.array([sum(h for z, h, _ in like if z == zone) for zone in zones], np.int64)
    keys = np.array([sum(k for z, _, k in like if z == zone) for zone in zones], np.int64)
    share, low, high = over_clusters(hits, keys)
    if len(like) == 1:
        low, high = share_bounds(like[0][1], like[0][2])
    shares = [h / k for _, h, k in like]
    return Compared(
        overlay,
        claim.name,
        claim.text,
        claim.paper,
        _KEYS.get(sort, sort),
        share,
        low,
        high,
        min(shares),
        max(shares),
        len(like),
        len(zones),
        int(keys.sum()),
    )
