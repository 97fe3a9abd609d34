"""SQL that the questions of this chapter share, and how often requesters ask."""

from __future__ import annotations

from typing import NamedTuple

from analysis.engine.database import Database
from analysis.traffic.overall import repeats_of

_MOST_COUNTED = 4_000_000

ASKS = "what IN ('lookup', 'search', 'publish')"
"""Rows of `users` that ask for a key: what is counted as a lookup."""

SCALE = 1_000_000
"""Probabilities are summed as whole millionths, so that the order of threads does not show in the last digits."""

SURE_ONE = f"round(confidence::DOUBLE * {SCALE})::BIGINT"
SURE = f"sum({SURE_ONE})::BIGINT"
"""Confidence of a row, and its sum, in millionths."""


class Asked(NamedTuple):
    """How many lookups a lookup's own requester makes, on average over lookups: of its key, and of all keys."""

    repeats: float
    active: float

    def again(self, effective: float) -> float:
        """Return `repeats` without those that would be of its key by chance, at so many effective keys; 1 at least."""
        return max(1.0, self.repeats - (self.active - 1) / effective) if effective > 0 else self.repeats


ONCE = Asked(1.0, 1.0)
"""Nobody asks twice."""


def asked_of(db: Database, lookups: int) -> Asked:
    """Return how often requesters ask; they are sampled where lookups, of which there are about so many, are many."""
    every = max(1, lookups // _MOST_COUNTED)
    active = db.one(f"""
        SELECT coalesce(sum(n * n) / sum(n), 1)::DOUBLE FROM (
            SELECT count(*) AS n FROM users WHERE {ASKS} AND hash(requester) % {every} = 0 GROUP BY requester)""")
    return Asked(repeats_of(db, ("lookups",), lookups)["lookups"], float(active))
