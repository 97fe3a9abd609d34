"""How many keys were asked for how often: all that fits and tests of popularity need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.engine.database import Database


@dataclass(frozen=True, slots=True)
class Counts:
    """A histogram of counts: values int64[d], distinct, rising and at least 1; keys int64[d] that have each."""

    values: NDArray[np.int64]
    keys: NDArray[np.int64]

    @property
    def total(self) -> int:
        """Keys in all."""
        return int(self.keys.sum())

    def tail(self, least: int) -> Counts:
        """Return the counts of at least `least`."""
        first = int(np.searchsorted(self.values, least))
        return Counts(self.values[first:], self.keys[first:])

    def rank(self) -> NDArray[np.int64]:
        """Return for each value how many keys have at least so much, int64[d]: the last rank with that count."""
        return np.cumsum(self.keys[::-1])[::-1]

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> Counts:
        """Return the histogram of counts int64[n]; zeros are not counted."""
        values, keys = np.unique(counts[counts > 0], return_counts=True)
        return cls(values.astype(np.int64), keys.astype(np.int64))


def counts_of(db: Database, column: str) -> Counts:
    """Return the histogram of a column of `keys`, keys with none left out."""
    found = db.arrays(f"SELECT {column} AS value, count(*) AS keys FROM keys WHERE {column} > 0 GROUP BY 1 ORDER BY 1")
    return Counts(found["value"].astype(np.int64), found["keys"].astype(np.int64))
