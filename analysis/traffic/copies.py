"""How many monitors hear a lookup, how sure its destination is, and what was left out as maintenance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.engine.database import Database
from zone_store.captures import Kind, Maintenance

MOST = 20
"""The last class of both distributions: so many or more."""

_LOOKUPS = "what IN ('lookup', 'search', 'publish')"
_CONFIDENCE = 1e-6  # sums of whole millionths do not depend on the order in which threads add up


@dataclass(frozen=True, slots=True)
class Copies:
    """Distributions over users' lookups, and all rows by kind and maintenance.

    copies int64[MOST + 1]: lookups by number of monitors that got a copy; ranks int64[MOST + 1]: by rank of the
    destination among the targets attached then; unranked: no target was attached; monitors: sum of copies; packets:
    datagrams of them, repeats included; observed: lookups whose inferred destination is the closest monitor with a
    copy; confidence: sum over lookups; kinds: rows by (kind, maintenance), lower-case names, without zeros.
    """

    copies: NDArray[np.int64]
    ranks: NDArray[np.int64]
    unranked: int
    monitors: int
    packets: int
    observed: int
    confidence: float
    kinds: dict[tuple[str, str], int]

    @property
    def lookups(self) -> int:
        """Users' lookups."""
        return int(self.copies.sum())

    @property
    def mean(self) -> float:
        """Mean number of monitors that heard a lookup; NaN without lookups."""
        return self.monitors / self.lookups if self.lookups else float("nan")

    @property
    def ranked(self) -> int:
        """Lookups made while a target was attached."""
        return int(self.ranks.sum())

    @property
    def closest_share(self) -> float:
        """Share of ranked lookups whose destination is the closest target attached; NaN without any."""
        return int(self.ranks[0]) / self.ranked if self.ranked else float("nan")

    @property
    def observed_share(self) -> float:
        """Share of lookups that inference leaves where they were observed to end; NaN without lookups."""
        return self.observed / self.lookups if self.lookups else float("nan")

    @property
    def mean_confidence(self) -> float:
        """Mean confidence of inferred destinations: the share expected to be right; NaN without lookups."""
        return self.confidence / self.lookups if self.lookups else float("nan")

    @property
    def maintenance(self) -> int:
        """Rows that are no user's."""
        return sum(n for (_, why), n in self.kinds.items() if why != "none")


def copies_of(db: Database) -> Copies:
    """Return the distributions."""
    ((monitors, packets, observed, confidence, unranked),) = db.rows(
        f"SELECT coalesce(sum(copies), 0)::BIGINT, coalesce(sum(packets), 0)::BIGINT, "
        f"count(*) FILTER (inferred = destination), "
        f"coalesce(sum(round(confidence / {_CONFIDENCE})::BIGINT), 0)::BIGINT, count(*) FILTER (closest = 0) "
        f"FROM users WHERE {_LOOKUPS}"
    )
    return Copies(
        copies=_distribution(db, "copies", "true"),
        ranks=_distribution(db, "rank", "closest > 0"),
        unranked=unranked,
        monitors=monitors,
        packets=packets,
        observed=observed,
        confidence=confidence * _CONFIDENCE,
        kinds={
            (Kind(kind).name.lower(), Maintenance(why).name.lower()): rows
            for kind, why, rows in db.rows(
                "SELECT kind, maintenance, count(*) FROM lookups GROUP BY kind, maintenance ORDER BY kind, maintenance"
            )
        },
    )


def _distribution(db: Database, column: str, which: str) -> NDArray[np.int64]:
    rows = db.rows(
        f"SELECT least({column}, {MOST})::BIGINT AS n, count(*) FROM users WHERE {_LOOKUPS} AND {which} GROUP BY n"
    )
    found = np.zeros(MOST + 1, np.int64)
    for n, lookups in rows:
        found[n] = lookups
    return found
