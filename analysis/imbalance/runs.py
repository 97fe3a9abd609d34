"""What is compared of the imbalance of several runs: a row for each, means over zones, envelopes of curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from analysis.imbalance.estimates import Estimate
from analysis.imbalance.nodes import Curve
from analysis.quantity import Quantity, made_by
from analysis.table import Column, Table

if TYPE_CHECKING:
    from analysis.imbalance.chapter import Imbalance
    from analysis.result import Analysis

LEAST_ZONES = 3
"""Of fewer zones no mean is stated."""
_UPWARD = 2.0
"""Times as far up as down: with 1, intervals of 4 of 1,000 synthetic zones held the true mean of the top 1 % share 84
to 88 times of 100 and that of a Gini coefficient 93 to 95 times; with 2, both 95 to 99 times, of 3 to 20 zones."""

GRID = 1 - np.append(np.geomspace(1, 1e-3, 100), 0.0)
"""Shares of nodes at which Lorenz curves are compared, closer where the load is."""

_INPUTS = ("lookups", "targets")
MEANS = {
    "nodes_gini": ("", "Gini coefficient of the nodes' load (lookups made in the window)"),
    "nodes_top_1_percent": ("share", "share of the load at the most loaded 1 % of nodes"),
    "nodes_hashing_gini": ("", "Gini coefficient that hashing and chance alone would give"),
    "keys_gini": ("", "Gini coefficient of lookups among keys that were looked up"),
    "ended_elsewhere": ("share", "share of lookups that did not end at the nearest node"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One run: its overlay, zone, start, nodes and lookups, the values of the measures by name, and two curves."""

    overlay: str
    zone: str
    start_ns: int
    nodes: int
    lookups: int
    values: dict[str, Estimate]
    curve: Curve
    curve_hashing: Curve


def row_of(analysis: Analysis) -> Row:
    """Return what is compared of a run."""
    found: Imbalance = analysis.imbalance
    manifest = analysis.run.manifest
    return Row(
        overlay=manifest.overlay,
        zone=manifest.zone,
        start_ns=analysis.run.start_ns,
        nodes=len(found.nodes.name),
        lookups=int(found.nodes.lookups.sum()),
        values={
            "nodes_gini": found.nodes.realised.gini,
            "node_rates_gini": found.nodes.rates.gini,
            "nodes_hashing_gini": found.nodes.hashing.gini,
            "nodes_gaps_gini": found.nodes.gaps.gini,
            "nodes_top_1_percent": found.nodes.realised.top_1_percent,
            "keys_gini": found.keys.realised.gini,
            "effective_keys": found.keys.effective,
            "ended_elsewhere": found.ends.share,
        },
        curve=found.nodes.curve,
        curve_hashing=found.nodes.curve_hashing,
    )


def mean_over_zones(values: Sequence[tuple[str, Estimate]]) -> Estimate:
    """Return the mean over zones of (zone, estimate), with its 95 % interval.

    It is that of all zones of an overlay, of which these are a sample: hashing makes zones alike but for chance. The
    windows of one zone count as one. Student's t over zones tells that chance, twice as far up as down: a zone with a
    very popular key is far above the mean, and few zones seldom hold one (`_UPWARD`). What runs may err in alike does
    not show between them, so each one's own distance to its bounds is taken as shared by all, and added in squares. NaN
    for fewer than three zones.
    """
    by_zone: dict[str, list[float]] = {}
    below, above = [], []
    for zone, one in values:
        if not math.isnan(one.value):
            by_zone.setdefault(zone, []).append(one.value)
            below.append(0.0 if math.isnan(one.low) else one.value - one.low)
            above.append(0.0 if math.isnan(one.high) else one.high - one.value)
    means = np.array([np.mean(one) for one in by_zone.values()])
    if len(means) < LEAST_ZONES:
        return Estimate(math.nan)
    half = float(student.ppf(0.975, len(means) - 1) * means.std(ddof=1) / math.sqrt(len(means)))
    mean = float(means.mean())
    return Estimate(mean, mean - math.hypot(half, np.mean(below)), mean + math.hypot(_UPWARD * half, np.mean(above)))


def mean_of(overlay: str, name: str, rows: Sequence[Row]) -> Quantity:
    """Return a measure of `MEANS` as a mean over the zones of an overlay."""
    unit, words = MEANS[name]
    found = mean_over_zones([(row.zone, row.values[name]) for row in rows])
    return Quantity(
        f"{overlay}_{name}",
        found.value,
        unit,
        f"Mean over the zones of {overlay.capitalize()}: {words}.",
        made_by(mean_over_zones),
        _INPUTS,
        max(found.low, 0.0),  # all of these are between 0 and 1; NaN stays NaN
        min(found.high, 1.0),
        "Student's t over zones, of which those watched are a sample, twice as far up as down since few zones seldom "
        "hold a very popular key, and each run's own bounds as an error that all share; windows of one zone count as "
        "one.",
        f"fewer than {LEAST_ZONES} zones" if math.isnan(found.value) else "",
    )


def runs_table(rows: Sequence[Row]) -> Table:
    """Return the measures of each run."""
    words = {
        "nodes_gini": ("", "Gini coefficient of the nodes' load, all lookups of the window"),
        "node_rates_gini": ("", "Gini coefficient of the nodes' rates, chance taken out"),
        "nodes_hashing_gini": ("", "Gini coefficient of the load by hashing and chance alone"),
        "nodes_gaps_gini": ("", "Gini coefficient of the parts of the key space by gaps between IDs"),
        "nodes_top_1_percent": ("share", "of the load at the most loaded 1 % of nodes"),
        "keys_gini": ("", "Gini coefficient of lookups among keys looked up in the window"),
        "effective_keys": ("keys", "inverse of Simpson's index of the keys' rates"),
        "ended_elsewhere": ("share", "of captured lookups that did not end at the nearest node"),
    }
    columns = [
        Column("overlay", [row.overlay.capitalize() for row in rows], "", "of the run"),
        Column("zone", [row.zone for row in rows], "", "of the run"),
        Column("start_ns", np.array([row.start_ns for row in rows], np.int64), "ns", "when the window began"),
        Column("nodes", np.array([row.nodes for row in rows], np.int64), "nodes", "watched long enough"),
        Column("lookups", np.array([row.lookups for row in rows], np.int64), "", "captured at those"),
    ]
    for name, (unit, what) in words.items():
        parts = zip(*(row.values[name] for row in rows), strict=True)
        for part, values in zip(("", "_low", "_high"), parts, strict=True):
            bound = {"": what, "_low": "95 % bound", "_high": "95 % bound"}[part]
            columns.append(Column(f"{name}{part}", np.array(values, np.float64), unit, bound))
    return Table(
        "imbalance_runs",
        "Imbalance of each run",
        "one run",
        made_by(row_of),
        _INPUTS,
        tuple(columns),
    )


def envelope_table(overlay: str, rows: Sequence[Row]) -> Table:
    """Return the min-max envelopes of Lorenz curves over the runs of an overlay."""
    low, high = envelope([row.curve for row in rows])
    low_hashing, high_hashing = envelope([row.curve_hashing for row in rows])
    return Table(
        f"lorenz_envelope_{overlay}",
        f"Lorenz curves of the nodes' load over runs of {overlay.capitalize()}",
        "a share of the nodes, least loaded first, and what share of the load they have in the runs",
        made_by(envelope),
        _INPUTS,
        (
            Column("share_of_nodes", GRID, "share", "of nodes, least loaded first"),
            Column("least", low, "share", "of the captured load in any run"),
            Column("most", high, "share", "of the captured load in any run"),
            Column("least_hashing", low_hashing, "share", "of the load by hashing and chance alone in any run"),
            Column("most_hashing", high_hashing, "share", "of the load by hashing and chance alone in any run"),
        ),
    )


def envelope(curves: Sequence[Curve]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the most of Lorenz curves at each share of `GRID`, NaN without any curve."""
    drawn = [np.interp(GRID, x, y) for x, y in curves if len(x)]
    if not drawn:
        return np.full(len(GRID), np.nan), np.full(len(GRID), np.nan)
    return np.min(drawn, axis=0), np.max(drawn, axis=0)
