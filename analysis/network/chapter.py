"""The network as one run saw its zone: how many nodes, how they come and go, which programs they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.network.churn import Churn, churn_of
from analysis.network.clients import Askers, askers_of
from analysis.network.completeness import Coverage, TargetSeries, coverage, target_series
from analysis.network.hours import Hours, hours_of
from analysis.network.nodes import Nodes, nodes_of
from analysis.network.population import Population, population_of
from analysis.network.rhythm import Rhythm
from analysis.network.stays import Stays, stays_of
from analysis.quantity import Quantity, made_by
from analysis.table import Column, Table

if TYPE_CHECKING:
    from analysis.engine.source import Source
    from analysis.load import Run


@dataclass(frozen=True, slots=True)
class Network:
    """What one run tells of its zone.

    population: nodes up at once; churn: who comes, who goes, how long they stay; hours: the same and lookups by hours
    of the day; targets: nodes known and monitored over time; coverage: how much of the zone was monitored; askers: who
    asked, by client, if their queries tell it (tells_clients); nodes: what the zone's nodes said of themselves;
    crawls: all crawls, a row each.
    """

    population: Population
    churn: Churn
    hours: Hours
    targets: TargetSeries
    coverage: Coverage
    askers: Askers
    nodes: Nodes
    crawls: Table
    tells_clients: bool

    def quantities(self) -> list[Quantity]:
        """Return the numbers."""
        return [
            *self.population.quantities(),
            *self.churn.quantities(),
            *self.coverage.quantities(),
            *self.nodes.quantities(),
            *self.askers.quantities(),
        ]

    def tables(self) -> list[Table]:
        """Return the tables."""
        return [
            self.population.table(),
            *self.churn.tables(),
            self.hours.table(),
            self.targets.table(),
            self.crawls,
            self.coverage.table(),
            self.askers.table(),
            self.nodes.table(),
        ]


def examine(source: Source) -> Network:
    """Return what a run tells of its zone."""
    run, given = source.run, source.given
    stays, rhythm = stays_of(run)
    population = population_of(run, settled_ns(rhythm, run), arriving(stays, rhythm))
    inside = (population.mean, population.mean_low, population.mean_high)
    return Network(
        population=population,
        churn=churn_of(stays, rhythm, still_unknown(run, rhythm), inside),
        hours=hours_of(source.db, run, population, stays, rhythm),
        targets=target_series(run),
        coverage=coverage(run),
        askers=askers_of(source.db, given.version_name),
        nodes=nodes_of(run, given.version_name, given.tells_reach),
        crawls=crawls_table(run),
        tells_clients=given.tells_clients,
    )


def settled_ns(rhythm: Rhythm, run: Run) -> int:
    """Return from when on crawls know all, the run's end if never."""
    return rhythm.stretches[0].from_ns if rhythm.stretches else run.end_ns


def arriving(stays: Stays, rhythm: Rhythm) -> float:
    """Return how many nodes come within one crawl's time, the briefest stays that are found among them."""
    new = sum(
        int(((stays.begin_ns > stretch.from_ns) & (stays.begin_ns <= stretch.until_ns)).sum())
        for stretch in rhythm.stretches
    )
    return new / rhythm.settled_s * rhythm.step_s if rhythm.settled_s else 0.0


def still_unknown(run: Run, rhythm: Rhythm) -> float:
    """Return how many nodes were still to be found when the settled times began, by those crawls' estimates."""
    starts = {stretch.from_ns for stretch in rhythm.stretches}
    return sum(max(0.0, crawl.estimate - crawl.answered) for crawl in run.crawls if crawl.end_ns in starts)


def crawls_table(run: Run) -> Table:
    """Return the crawls as a table."""
    counts = {
        "number": ("", "of the crawl"),
        "begin_ns": ("ns", "when it began"),
        "end_ns": ("ns", "when it ended"),
        "seen": ("addresses", "named by somebody, whether they answered or not"),
        "answered": ("nodes", "of the zone that answered in it"),
        "new": ("nodes", "found in it"),
        "gone": ("nodes", "given up since the crawl before"),
        "changed": ("nodes", "that answered under another ID"),
        "queries": ("packets", "sent"),
        "replies": ("packets", "received"),
    }
    shares = {
        "estimate": ("nodes", "population of listed nodes by capture-recapture (Chapman 1951), 0 = none"),
        "completeness": ("share", "of those that it found; an upper bound for the zone"),
        "completeness_low": ("share", "95 % bound by sampling alone"),
        "completeness_high": ("share", "95 % bound by sampling alone"),
    }
    rows = run.crawls
    return Table(
        "crawls",
        "Crawls",
        "one crawl of the zone",
        made_by(crawls_table),
        ("crawls",),
        (
            *(
                Column(name, np.array([getattr(row, name) for row in rows], np.int64), *told)
                for name, told in counts.items()
            ),
            *(
                Column(name, np.array([getattr(row, name) for row in rows], float), *told)
                for name, told in shares.items()
            ),
        ),
    )
