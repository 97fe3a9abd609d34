"""What a run says of each hour of the day: the parts from which the pattern of days is put together over runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.load import NANOS, Run
from analysis.network.population import Population
from analysis.network.rhythm import Rhythm
from analysis.network.stays import ENDED, End, Stays
from analysis.quantity import made_by
from analysis.table import Column, Table

if TYPE_CHECKING:
    from analysis.engine.database import Database

HOUR_NS = 3600 * NANOS

_ASKED = """
    SELECT CAST(greatest(0, least(?, time_ns // ? - ?)) AS BIGINT) AS hour,
        count(*) FILTER (what IN ('lookup', 'search', 'publish')) AS lookups,
        count(*) FILTER (what = 'search') AS searches, count(*) FILTER (what = 'publish') AS publishes
    FROM users GROUP BY hour ORDER BY hour
"""


@dataclass(frozen=True, slots=True)
class Hours:
    """A run by hours of UTC, h of them.

    begin_ns int64[h]; running_s, settled_s float64[h]: seconds in which the run was at work, and in which all was
    known; nodes float64[h]: mean population, NaN where no crawl tells; came, left, lookups, searches, publishes
    int64[h]: as captured, came and left in the settled seconds only.
    """

    begin_ns: NDArray[np.int64]
    running_s: NDArray[np.float64]
    settled_s: NDArray[np.float64]
    nodes: NDArray[np.float64]
    came: NDArray[np.int64]
    left: NDArray[np.int64]
    lookups: NDArray[np.int64]
    searches: NDArray[np.int64]
    publishes: NDArray[np.int64]

    def table(self) -> Table:
        """Return it as a table."""
        return Table(
            "hours",
            "The window by hours",
            "one hour of the clock (UTC), as far as the window reaches into it",
            made_by(hours_of),
            ("lookups", "targets", "crawls", "ledger"),
            (
                Column("begin_ns", self.begin_ns, "ns", "when the hour begins"),
                Column("running_s", self.running_s, "s", "of the hour in which the run was at work"),
                Column("settled_s", self.settled_s, "s", "of the hour in which all nodes were known, so that who is "
                       "found has just come"),
                Column("nodes", self.nodes, "nodes", "up at once in the zone, on average"),
                Column("came", self.came, "nodes", "found in the settled seconds"),
                Column("left", self.left, "nodes", "gone in the settled seconds"),
                Column("lookups", self.lookups, "lookups", "users' lookups captured"),
                Column("searches", self.searches, "lookups", "of them those that say they search"),
                Column("publishes", self.publishes, "lookups", "of them those that say they publish"),
            ),
        )  # fmt: skip


def hours_of(db: Database, run: Run, population: Population, stays: Stays, rhythm: Rhythm) -> Hours:
    """Return a run by hours; what lies outside the window (a clock that stepped) is in its first or last hour."""
    first = run.start_ns // HOUR_NS
    count = max(1, -(-run.end_ns // HOUR_NS) - first)
    edges = (first + np.arange(count + 1, dtype=np.int64)) * HOUR_NS
    asked = np.zeros((count, 3), np.int64)
    for hour, *row in db.rows(_ASKED, count - 1, HOUR_NS, first):
        asked[hour] = row
    settled = np.zeros(count)
    came, left = (np.zeros(count, np.int64) for _ in range(2))
    gone = stays.end_ns[np.isin(stays.how, (*ENDED, End.LEFT))]
    new = stays.begin_ns[~stays.again]
    for stretch in rhythm.stretches:
        inside = np.clip(edges, stretch.from_ns, stretch.until_ns)
        settled += np.diff(inside) / NANOS
        for counts, times in ((came, new), (left, gone)):
            counts += np.diff(np.searchsorted(np.sort(times), inside, side="right"))
    return Hours(
        edges[:-1],
        run.running_ns(edges) / NANOS,
        settled,
        _means(population, edges),
        came,
        left,
        asked[:, 0],
        asked[:, 1],
        asked[:, 2],
    )


def _means(population: Population, edges: NDArray[np.int64]) -> NDArray[np.float64]:
    nodes = np.where(np.isnan(population.nodes), population.answered, population.nodes)
    at = np.searchsorted(edges, population.time_ns, side="right") - 1
    there = (at >= 0) & (at < len(edges) - 1)
    sums = np.bincount(at[there], nodes[there], minlength=len(edges) - 1)
    points = np.bincount(at[there], minlength=len(edges) - 1)
    return np.where(points > 0, sums / np.maximum(points, 1), np.nan)
