"""How many nodes are in the zone at once, and what network that makes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.load import NANOS, Run
from analysis.quantity import Quantity, made_by
from analysis.table import Column, Table
from zone_store.keyspace.zone import Zone

MOST_POINTS = 400
_Z = 1.959963984540054
_LONGEST_STEPS = 3
"""A crawl speaks for the time since the one before it, but for no more than so many usual steps."""


@dataclass(frozen=True, slots=True)
class Population:
    """Nodes of the zone that are up at once.

    time_ns int64[n]: middles of crawls, or of a few in a row; answered: nodes that answered, float64[n]; nodes, low,
    high float64[n]: corrected by the crawls' completeness, and bounds by it, NaN where none is estimated.
    mean, mean_low, mean_high: over the settled part of the window; prefix: bits of the zone.
    """

    time_ns: NDArray[np.int64]
    answered: NDArray[np.float64]
    nodes: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: float
    mean_low: float
    mean_high: float
    prefix: int

    @property
    def network(self) -> tuple[float, float, float]:
        """Nodes of the whole network, with bounds: the zone's are 2**-prefix of them, on average."""
        return network_size(self.mean, self.mean_low, self.mean_high, self.prefix)

    def quantities(self) -> list[Quantity]:
        """Return the numbers."""
        unknown = "" if self.mean == self.mean else "no crawl was answered"
        inputs = ("crawls", "targets")
        network = self.network
        return [
            Quantity(
                "population",
                self.mean,
                "nodes",
                "reachable nodes of the zone that are up at once, on average over the settled part of the window",
                made_by(population_of),
                inputs,
                self.mean_low,
                self.mean_high,
                "mean of the crawls' bounds by capture-recapture, without credit for their number, and one crawl's "
                "arrivals either way; nodes that no table names are in neither",
                unknown,
            ),
            Quantity(
                "network_size",
                network[0],
                "nodes",
                "reachable nodes of the whole network that are up at once: the zone's times 2 to the prefix length",
                made_by(network_size),
                (*inputs, "manifest"),
                network[1],
                network[2],
                "the bounds of the zone's population, and the chance by which nodes fall into a zone, IDs being spread "
                "evenly",
                unknown,
            ),
        ]

    def table(self) -> Table:
        """Return it as a table."""
        return Table(
            "population",
            "Nodes of the zone over time",
            "one crawl, or the mean of a few in a row",
            made_by(population_of),
            ("crawls",),
            (
                Column("time_ns", self.time_ns, "ns", "middle of the crawl"),
                Column("answered", self.answered, "nodes", "that answered in it"),
                Column("nodes", self.nodes, "nodes", "up at once, by capture-recapture; empty where it tells nothing"),
                Column("nodes_low", self.low, "nodes", "95 % bound by sampling alone"),
                Column("nodes_high", self.high, "nodes", "95 % bound by sampling alone"),
            ),
        )


def population_of(run: Run, settled_ns: int, churn: float) -> Population:
    """Return the population by the crawls of a run.

    settled_ns: from when on crawls know all, the run's end if never; churn: nodes that come within one crawl's time.

    A crawl meets each node at some moment of the crawl, so on average it counts those that are up in its middle. How
    many it counts of those that come or go within it depends on how it hears of them: at most all, either way.
    """
    crawls = [crawl for crawl in run.crawls if crawl.answered > 0]
    middle = np.array([(crawl.begin_ns + crawl.end_ns) // 2 for crawl in crawls], np.int64)
    answered = np.array([crawl.answered for crawl in crawls], float)
    told = np.array([crawl.estimate > 0 for crawl in crawls], bool)
    share, least, most = (
        np.array([getattr(crawl, name) for crawl in crawls], float)
        for name in ("completeness", "completeness_low", "completeness_high")
    )
    nodes, low, high = (
        np.where(told & (part > 0), answered / np.where(part > 0, part, 1.0), np.nan) for part in (share, most, least)
    )
    after = middle > settled_ns
    if not after.any():
        after = middle >= (np.median(middle) if len(middle) else 0)
    weight = _weights(middle)
    mean, mean_low, mean_high = math.nan, math.nan, math.nan
    if (after & told).any():
        which = after & told
        mean, mean_low, mean_high = (
            float((value[which] * weight[which]).sum() / weight[which].sum()) for value in (nodes, low, high)
        )
        mean_low, mean_high = max(0.0, mean_low - churn), mean_high + churn
    elif after.any():
        mean = float((answered[after] * weight[after]).sum() / weight[after].sum())
    manifest = run.manifest
    prefix = Zone.parse(manifest.zone, manifest.id_bits).length
    parts = np.array_split(np.arange(len(crawls)), min(MOST_POINTS, max(1, len(crawls))))
    parts = [part for part in parts if len(part)]
    shown = [np.array([_mean(values[part]) for part in parts]) for values in (answered, nodes, low, high)]
    times = np.array([int(middle[part].mean()) for part in parts], np.int64)
    return Population(times, shown[0], shown[1], shown[2], shown[3], mean, mean_low, mean_high, prefix)


def network_size(nodes: float, low: float, high: float, prefix: int) -> tuple[float, float, float]:
    """Return (size, low, high) of the network of which a zone of `prefix` bits holds so many nodes.

    Which zone a node is in is chance with probability 2**-prefix (paper, section IV and Table I), so the number in a
    zone is binomial; its deviation is added to the bounds as they are.
    """
    factor, rest = 2.0**prefix, 1 - 2.0**-prefix
    least = max(0.0, low - _Z * math.sqrt(max(0.0, low) * rest)) if low == low else math.nan
    most = high + _Z * math.sqrt(high * rest) if high == high else math.nan
    return nodes * factor, least * factor, most * factor


def _weights(middle: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for how many seconds each crawl speaks."""
    if len(middle) < 2:
        return np.ones(len(middle))
    steps = np.diff(middle) / NANOS
    return np.minimum(np.append(steps[:1], steps), _LONGEST_STEPS * float(np.median(steps)))


def _mean(values: NDArray[np.float64]) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else math.nan
