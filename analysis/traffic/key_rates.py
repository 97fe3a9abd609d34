"""How often keys are asked for: for each sort of message and of key, how many keys have how many."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.engine.database import Database
from analysis.engine.sorts import FILE, KEYWORD
from analysis.traffic.intervals import Z, quantile_ranks, share_bounds, widened

MESSAGES = {"lookup": "lookups", "search": "searches", "publish": "publishes", "announce": "announces"}
"""Messages that ask for a key, and their column in `keys`."""
ALL = "all"
"""Keys of whatever sort."""

AT_LEAST = (0.1, 30.0)
"""Rates a minute that the paper tells the share of keys above of (section V, figure 5a)."""
TOP_SHARES = (0.1, 0.001)
"""And the shares of keys of which it tells the rate."""
_ABOUT = 1.25


@dataclass(frozen=True, slots=True)
class KeyRates:
    """How many keys of a sort have so many messages.

    message: of `MESSAGES`; sort: "file", "keyword", "info_hash", ..., or `ALL`; count int64[n], rising, from 1; keys
    int64[n]: keys with this count; seconds: in which they were counted; excess: relative variance of the number of all
    such messages beyond that of independent ones, which all keys share.
    """

    message: str
    sort: str
    count: NDArray[np.int64]
    keys: NDArray[np.int64]
    seconds: float
    excess: float = 0.0

    @property
    def seen(self) -> int:
        """Keys with any message."""
        return int(self.keys.sum())

    @property
    def rate(self) -> NDArray[np.float64]:
        """The counts as rates a minute, float64[n]."""
        return np.asarray(self.count * (60 / self.seconds), np.float64)

    @property
    def least(self) -> float:
        """The lowest rate a minute that these seconds can show: one message."""
        return 60 / self.seconds

    def reach(self) -> NDArray[np.int64]:
        """Return how many keys have at least each count, int64[n]."""
        return np.asarray(np.cumsum(self.keys[::-1])[::-1], np.int64)

    def ccdf(self) -> NDArray[np.float64]:
        """Return the share of keys seen that have at least each count, float64[n]."""
        return self.reach() / max(1, self.seen)

    def at_least(self, rate: float) -> int:
        """Return how many keys have at least this rate a minute."""
        return int(self.keys[self.count >= self.needed(rate)].sum())

    def needed(self, rate: float) -> int:
        """Return how many messages make at least this rate a minute."""
        return max(1, math.ceil(rate * self.seconds / 60 * (1 - 1e-12)))

    def slope(self, count: int) -> float:
        """Return by how many keys more have at least this count where all rates rise, for each rise of ln(rate).

        A Poisson number N has dP(N >= n) / d ln(rate) = n P(N = n): here by the keys with counts about n.
        """
        low, high = math.ceil(count / _ABOUT), math.ceil(count * _ABOUT)
        about = int(self.keys[(self.count >= low) & (self.count < high)].sum())
        return about / math.log((high - 0.5) / (low - 0.5))

    def ranked(self, rank: int) -> float:
        """Return the rate of the key of this rank, 0 for the greatest; infinite for rank -1."""
        if rank < 0:
            return math.inf
        return float(self.rate[int(np.searchsorted(-self.reach(), -(rank + 1), side="right")) - 1])


def key_rates(db: Database, seconds: float, excess: Mapping[str, float]) -> tuple[KeyRates, ...]:
    """Return the rates of keys by message and sort, those of all sorts first; none for a run that was never at work.

    excess: as in `KeyRates`, by the columns of `MESSAGES`; of those it has not, none is taken.
    """
    if seconds <= 0:
        return ()
    found = []
    for message, column in MESSAGES.items():
        sql = f"SELECT sort, {column} AS n, count(*) AS keys FROM keys WHERE {column} > 0 GROUP BY sort, n ORDER BY n"
        answer = db.arrays(sql)
        sorts = answer["sort"].astype(str)
        for sort in (ALL, *sorted(set(sorts.tolist()))):
            which = (sorts == sort) if sort != ALL else np.ones(len(sorts), np.bool_)
            count, place = np.unique(answer["n"][which], return_inverse=True)
            keys = np.bincount(place, answer["keys"][which], minlength=len(count)).astype(np.int64)
            if len(count):
                found.append(KeyRates(message, sort, count.astype(np.int64), keys, seconds, excess.get(column, 0.0)))
    return tuple(found)


def told_sorts(found: Iterable[KeyRates], message: str) -> tuple[str, ...]:
    """Return the sorts of keys to draw by themselves: keywords and files where most keys are told, else `ALL`."""
    seen = dict.fromkeys((KEYWORD, FILE, ALL), 0)
    for one in found:
        if one.message == message and one.sort in seen:
            seen[one.sort] += one.seen
    return (KEYWORD, FILE) if 2 * (seen[KEYWORD] + seen[FILE]) > seen[ALL] else (ALL,)


def share_at_least(rates: KeyRates, rate: float) -> tuple[float, float, float]:
    """Return the share of keys seen that have at least a rate a minute, and its bounds.

    A zone's keys are a sample of the network's, drawn by hashing: the bounds are of the share in all zones.
    They are widened by how the share would move had all keys been asked for more or less often together, as in a burst.
    NaN in a window so short that one message makes this rate.
    """
    hits, needed = rates.at_least(rate), rates.needed(rate)
    if needed == 1:
        return math.nan, math.nan, math.nan
    share = hits / rates.seen
    slope = (rates.slope(needed) - share * rates.slope(1)) / rates.seen
    return share, *widened(share, share_bounds(hits, rates.seen), Z * abs(slope) * math.sqrt(rates.excess))


def rate_of_top(rates: KeyRates, share: float) -> tuple[float, float, float]:
    """Return the rate a minute that this share of keys seen has at least, and its bounds by order statistics.

    Widened, on the logarithmic scale, by how all rates may move together. NaN where fewer than one key is to have it.
    """
    if share * rates.seen < 1:
        return math.nan, math.nan, math.nan
    at, least, most = quantile_ranks(rates.seen, share)
    rate, low, high = rates.ranked(at), rates.ranked(least), rates.ranked(most)
    together = Z * math.sqrt(rates.excess)
    if math.isfinite(high):
        high = rate * math.exp(math.hypot(math.log(high / rate), together))
    return rate, rate * math.exp(-math.hypot(math.log(rate / low), together)), high
