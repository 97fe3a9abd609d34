"""Two windows of one zone, key by key: how often each key was asked for in both, and how sure such a count is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.engine.database import Database

LEAST_TOTAL = 10
"""Keys asked for less often in two windows together are not compared: nothing could be told of them."""

_MOST_KEYS = 200_000
_ALL_PAIRS_OF = 8
_TYPICAL, _LEAST_TYPICAL, _MOST_TYPICAL = 40, 20, 1000


@dataclass(frozen=True, slots=True)
class Pair:
    """The keys of two windows, most asked for first, equals in order of keys.

    keys: object[n] of bytes; first, second int64[n]: counts in each; first_sure, second_sure float64[n]: the same in
    clumps, which vary as single lookups would: what one requester asks for again is no more interest; share: of an
    unchanged key's clumps, those in the first window; requesters int64[n]: the most of both windows.
    """

    keys: NDArray[np.object_]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    first_sure: NDArray[np.float64]
    second_sure: NDArray[np.float64]
    share: float
    requesters: NDArray[np.int64]

    def take(self, places: list[int]) -> Pair:
        """Return the keys at these places."""
        first, second = self.first[places], self.second[places]
        sure = self.first_sure[places], self.second_sure[places]
        return Pair(self.keys[places], first, second, *sure, self.share, self.requesters[places])


def compared(windows: int) -> list[tuple[int, int]]:
    """Return which windows are compared: all of a few, else those 1, 2, 4, 8... apart."""
    apart = range(1, windows) if windows <= _ALL_PAIRS_OF else [1 << n for n in range((windows - 1).bit_length())]
    return [(first, first + step) for step in apart for first in range(windows - step)]


PEOPLE = {"lookups": "requesters", "searches": "searchers", "publishes": "publishers"}
"""Ways of counting that windows are compared by, and the column of `keys` that counts who did it."""

_ASKS = {"lookups": "'lookup', 'search', 'publish'", "searches": "'search'", "publishes": "'publish'"}
_CLUMPED_KEYS = 1000


def clumping_of(db: Database, measure: str) -> float:
    """Return how many lookups of a popular key come from the requester of one of them, on average: 1 if all differ.

    Counts that come so vary more than single lookups would, by this factor (a compound Poisson process). Of the
    thousand keys with most; 1 where there are none.
    """
    popular = f"SELECT key FROM keys WHERE {measure} > 0 ORDER BY {measure} DESC, key LIMIT {_CLUMPED_KEYS}"
    found = db.one(
        f"WITH popular AS ({popular}), asked AS (SELECT count(*) AS n FROM users WHERE what IN ({_ASKS[measure]}) "
        "AND key IN (SELECT key FROM popular) GROUP BY key, requester) SELECT sum(n * n) / sum(n) FROM asked"
    )
    return 1.0 if found is None else float(found)


def gather(db: Database, measure: str) -> None:
    """Make the table `strong` of the keys that any pair may need, from all runs' keys: (run, key, n, people)."""
    # A key with so many in two windows has half of them in one.
    enough = (LEAST_TOTAL + 1) // 2
    db.execute(
        f"CREATE OR REPLACE TABLE strong AS SELECT run, key, {measure}::BIGINT AS n, {PEOPLE[measure]} AS people "
        f"FROM keys WHERE key IN (SELECT DISTINCT key FROM keys WHERE {measure} >= {enough}) AND {measure} > 0"
    )


def pair_of(db: Database, first: int, second: int, totals: tuple[int, int], clumping: float) -> Pair:
    """Return two windows, by their places among the runs of `gather`.

    totals: counts of all keys in each; clumping: lookups of one requester for one key, on average over lookups.
    """
    found = db.arrays(
        "SELECT key, coalesce(a.n, 0) AS first, coalesce(b.n, 0) AS second, "
        "coalesce(a.people, 0) AS first_people, coalesce(b.people, 0) AS second_people "
        "FROM (SELECT * FROM strong WHERE run = ?) a FULL JOIN (SELECT * FROM strong WHERE run = ?) b USING (key) "
        f"WHERE coalesce(a.n, 0) + coalesce(b.n, 0) >= {LEAST_TOTAL} "
        f"ORDER BY coalesce(a.n, 0) + coalesce(b.n, 0) DESC, key LIMIT {_MOST_KEYS}",
        first,
        second,
    )
    counts = {name: column.astype(np.int64) for name, column in found.items() if name != "key"}
    return paired(found["key"], counts, totals, clumping)


def paired(
    keys: NDArray[np.object_], counts: dict[str, NDArray[np.int64]], totals: tuple[int, int], clumping: float
) -> Pair:
    """Return two windows. counts: int64[n] first, second, first_people, second_people of each key; else `pair_of`."""
    first, second = counts["first"], counts["second"]
    first_people, second_people = counts["first_people"], counts["second_people"]
    # Where one client asks for one key a thousand times, its clump is larger than those of others.
    sure = np.minimum(first / max(1.0, clumping), first_people), np.minimum(second / max(1.0, clumping), second_people)
    people = np.maximum(first_people, second_people)
    return Pair(keys, first, second, *sure, unchanged_share(*sure, totals), people)


def unchanged_share(first: NDArray[np.float64], second: NDArray[np.float64], totals: tuple[int, int]) -> float:
    """Return the share of an unchanged key's lookups that fall into the first window.

    first, second float64[n]: clumps of each key, of keys with most lookups first; totals: lookups of all keys. By the
    median of the ratios of many keys (Anders and Huber 2010), so that one key's rise is no fall of all others; by all
    lookups where there are few keys. So length of windows, capture and time of day cancel.
    """
    often = np.flatnonzero(first + second >= _TYPICAL)[:_MOST_TYPICAL]
    if len(often) >= _LEAST_TYPICAL:
        ratio = float(np.median((first[often] + 0.5) / (second[often] + 0.5)))
        return ratio / (1 + ratio)
    # Both windows have one, or no key would be compared; neither share may be none.
    return (totals[0] + 1) / (sum(totals) + 2)
