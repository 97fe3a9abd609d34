"""How many monitors hear a lookup, how sure its destination is, and what was left out as maintenance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.traffic.rates import Masks
from zone_store.captures import Kind, Lookups, Maintenance

MOST = 20
"""The last class of both distributions: so many or more."""


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
    def closest_share(self) -> float:
        """Share of ranked lookups whose destination is the closest target attached; NaN without any."""
        ranked = int(self.ranks.sum())
        return int(self.ranks[0]) / ranked if ranked else float("nan")

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


class CopiesCounter:
    """Counts table by table."""

    def __init__(self) -> None:
        self._copies = np.zeros(MOST + 1, np.int64)
        self._ranks = np.zeros(MOST + 1, np.int64)
        self._unranked = self._monitors = self._packets = self._observed = 0
        self._confidence = 0.0
        self._kinds = np.zeros((max(Kind) + 1, max(Maintenance) + 1), np.int64)

    def add(self, table: Lookups, which: Masks) -> None:
        """Count a table."""
        copies, rank = table.copies[which.lookups], table.rank[which.lookups]
        ranked = table.closest[which.lookups] > 0
        self._copies += np.bincount(np.minimum(copies, MOST), minlength=MOST + 1)
        self._ranks += np.bincount(np.minimum(rank[ranked], MOST), minlength=MOST + 1)
        self._unranked += int(np.count_nonzero(~ranked))
        self._monitors += int(copies.sum(dtype=np.int64))
        self._packets += int(table.packets[which.lookups].sum(dtype=np.int64))
        self._observed += int(np.count_nonzero((table.inferred == table.destination)[which.lookups]))
        self._confidence += float(table.confidence[which.lookups].sum(dtype=np.float64))
        np.add.at(self._kinds, (table.kind, table.maintenance), 1)

    def result(self) -> Copies:
        """Return the sums."""
        kinds = {
            (kind.name.lower(), why.name.lower()): int(self._kinds[kind, why])
            for kind in Kind
            for why in Maintenance
            if self._kinds[kind, why]
        }
        return Copies(
            self._copies,
            self._ranks,
            self._unranked,
            self._monitors,
            self._packets,
            self._observed,
            self._confidence,
            kinds,
        )
