"""How evenly users' lookups fall on the nodes of a zone, and what hashing alone would make of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from analysis.engine.database import Database
from analysis.imbalance.asked import ASKS, SCALE, SURE
from analysis.imbalance.doubt import doubt_of
from analysis.imbalance.estimates import UNKNOWN, Estimate, Uneven, exactly, measured, rates, realised
from analysis.imbalance.hashing import Hashed, hashed
from analysis.imbalance.measures import curve
from analysis.imbalance.popular import TopKeys
from analysis.imbalance.watched import Watched
from analysis.load import NANOS, Run
from analysis.trust.capture import CaptureRate

_SEED = 0
_DRAWS, _FEWEST_DRAWS = 100, 20
_MOST_MOMENTS, _FEWEST_MOMENTS = 300, 20
_PLACED = 5_000_000
"""Nodes times moments that are placed in all; of larger zones fewer moments are taken."""

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class NodeLoad:
    """Load of the nodes that were watched for a tenth of the running time at least, by inferred destinations.

    Each lookup counts whole for its most probable destination: sharing it out among all candidates would make the load
    of neighbours alike. Load is lookups a minute of the time in which the node was watched.

    name uint32[n], seconds float32[n], lookups uint32[n]: one for each node, as captured; left_out: nodes watched more
    briefly; unplaced: lookups at those, and of no known node. realised: of the lookups made, see
    `estimates.realised`; rates: see `estimates.rates`; hashing: if the same number of lookups had been for random keys
    at the same times: mean over draws, and the range of 95 % of them; gaps: the same without chance, by the parts of
    the key space that the IDs give to nodes. curve, curve_hashing, curve_gaps: Lorenz curves of captured load, of draws
    and of gaps.
    """

    name: NDArray[np.uint32]
    seconds: NDArray[np.float32]
    lookups: NDArray[np.uint32]
    left_out: int
    unplaced: int
    realised: Uneven
    rates: Uneven
    hashing: Uneven
    gaps: Uneven
    curve: Curve
    curve_hashing: Curve
    curve_gaps: Curve

    @property
    def a_minute(self) -> NDArray[np.float64]:
        """Return the lookups a minute of each node, as captured, float64[n]."""
        return self.lookups.astype(np.float64) * 60 / self.seconds.astype(np.float64)


def node_load(
    db: Database, run: Run, nodes: Watched, top: TopKeys, capture: CaptureRate | None, repeats: float
) -> tuple[NodeLoad, NDArray[np.int64]]:
    """Return the load of the nodes of a run, and the lookups captured at each of `nodes`, kept or not, int64[n].

    repeats: as in `estimates.rates`.
    """
    counted = db.arrays(f"""
        SELECT inferred, count(*) AS n, {SURE} AS sure FROM users WHERE {ASKS} GROUP BY inferred ORDER BY inferred""")
    all_counts = nodes.summed(counted["inferred"], counted["n"])
    doubt = doubt_of(nodes, all_counts, nodes.summed(counted["inferred"], counted["sure"]) / SCALE, top)
    counts = all_counts[nodes.kept]
    seconds = nodes.seconds[nodes.kept]
    in_minutes = seconds / 60
    over_time = db.arrays(
        f"SELECT time_ns // {NANOS} AS second, count(*) AS n FROM users WHERE {ASKS} GROUP BY second ORDER BY second"
    )
    given = by_hashing(run, nodes, over_time["second"], over_time["n"])
    hashing, curve_hashing = with_chance(given, nodes, capture)
    expected = given.expected()[nodes.kept]
    expected = expected[~np.isnan(expected)]
    load = NodeLoad(
        name=nodes.name[nodes.kept],
        seconds=seconds.astype(np.float32),
        lookups=counts.astype(np.uint32),
        left_out=nodes.left_out,
        unplaced=int(counted["n"].sum() - counts.sum()),
        realised=realised(counts, in_minutes, capture, doubt),
        rates=rates(counts, in_minutes, capture, doubt, repeats),
        hashing=hashing,
        gaps=exactly(expected) if expected.sum() > 0 else UNKNOWN,
        curve=curve(counts / in_minutes),
        curve_hashing=curve_hashing,
        curve_gaps=curve(expected),
    )
    return load, all_counts


def by_hashing(run: Run, nodes: Watched, second: NDArray[np.int64], lookups: NDArray[np.int64]) -> Hashed:
    """Return what hashing gives to the nodes, by who was attached in stretches of equal running time.

    second, lookups int64[s]: seconds since the epoch, and users' lookups in each. Each stretch is told by one moment in
    it, drawn at random, so that short attachments count as often as they lasted.
    """
    number = int(np.clip(_PLACED // max(1, len(nodes)), _FEWEST_MOMENTS, _MOST_MOMENTS))
    edges = _equal_running(run, number)
    into = np.clip(np.searchsorted(edges, second * NANOS, "right") - 1, 0, number - 1)
    in_stretch = np.bincount(into, lookups, number).astype(np.int64)
    times = edges[:-1] + (np.random.default_rng(_SEED).random(number) * np.diff(edges)).astype(np.int64)
    return hashed(nodes.ids, nodes.node, nodes.begin_ns, nodes.end_ns, times, in_stretch)


def _equal_running(run: Run, number: int) -> NDArray[np.int64]:
    """Return times int64[number + 1] between which the run was at work for equally long."""
    ends = np.unique(np.array([run.start_ns, run.end_ns, *(end for gap in run.gaps for end in gap)], np.int64))
    worked = np.append(0, np.cumsum(run.running_ns(ends)))
    # Of times with nothing between them the last is taken, so that no stretch begins with a gap.
    keep = np.append(worked[1:] > worked[:-1], True)
    wanted = np.linspace(0, worked[-1], number + 1)
    since: NDArray[np.int64] = np.interp(wanted, worked[keep], (ends - run.start_ns)[keep]).astype(np.int64)
    return since + run.start_ns


def with_chance(given: Hashed, nodes: Watched, capture: CaptureRate | None) -> tuple[Uneven, Curve]:
    """Return what hashing and chance give: measures of draws of as many lookups as were made, and the mean curve."""
    counted = nodes.kept & (given.times > 0)
    if not given.lookups[counted].any():
        return UNKNOWN, (np.empty(0), np.empty(0))
    rng = np.random.default_rng(_SEED)
    made = 1.0 if capture is None else 1 / capture.share
    number = int(np.clip(_PLACED // len(nodes), _FEWEST_DRAWS, _DRAWS))
    draws = [np.sort(given.drawn(made, rng)[counted]) for _ in range(number)]
    return _ranges(np.array([measured(one) for one in draws])), curve(np.mean(draws, axis=0))


def _ranges(rows: NDArray[np.float64]) -> Uneven:
    """Return the means of draws float64[draws, 4], and the range that holds 95 % of all that could be drawn.

    A prediction interval of 99 % of draws alike in who was there: moments are a sample of that, too.
    """
    wide = float(student.ppf(0.995, len(rows) - 1)) * math.sqrt(1 + 1 / len(rows))
    means, halves = rows.mean(axis=0), wide * rows.std(axis=0, ddof=1)
    return Uneven(*map(Estimate, means.tolist(), (means - halves).tolist(), (means + halves).tolist()))
