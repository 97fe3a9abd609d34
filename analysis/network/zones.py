"""The size of the network, and of its zones, from the populations of a few of them (paper, Table I)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from analysis.quantity import made_by
from analysis.table import Column, Table

PREFIXES = range(9)
"""Prefix lengths of the paper's Table I."""

PAPER = 2_000_000
"""Simultaneous peers of Kad that do not sit behind a NAT in 2008, by the paper's own estimate; halved for each bit."""

_Z = 1.959963984540054
_LEAST_ZONES = 3


@dataclass(frozen=True, slots=True)
class ZoneSize:
    """The population of a zone in one window: nodes up at once with bounds (NaN if unknown), and the prefix length."""

    zone: str
    prefix: int
    nodes: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """Nodes of a network that are up at once, with 95 % bounds, from so many windows of so many zones."""

    nodes: float
    low: float
    high: float
    zones: int
    windows: int


def network_of(sizes: Sequence[ZoneSize]) -> NetworkSize:
    """Return the size of the network: nodes met in the zones over the share of the ID space that these are.

    Windows of one zone are averaged first. The bounds are those of the zones' populations, and beside them the chance
    by which nodes fall into zones: binomial, or if that is more and the zones are three at least, the variance between
    zones (of a ratio, Cochran 1977, section 6.3) with Student's t, in which differences between times are, too.
    """
    by_zone: dict[str, list[ZoneSize]] = {}
    for one in sizes:
        if one.nodes == one.nodes:
            by_zone.setdefault(one.zone, []).append(one)
    if not by_zone:
        return NetworkSize(math.nan, math.nan, math.nan, 0, 0)
    nodes, low, high = (
        np.array([np.mean([getattr(window, name) for window in windows]) for windows in by_zone.values()])
        for name in ("nodes", "low", "high")
    )
    share = np.array([2.0 ** -windows[0].prefix for windows in by_zone.values()])
    size = float(nodes.sum() / share.sum())
    spread = _Z * math.sqrt(float((nodes * (1 - share)).sum())) / float(share.sum())
    k = len(nodes)
    if k >= _LEAST_ZONES:
        between = k / (k - 1) * float(((nodes - size * share) ** 2).sum())
        spread = max(spread, float(t.ppf(0.975, k - 1)) * math.sqrt(between) / float(share.sum()))
    return NetworkSize(
        size,
        float(np.maximum(low.sum() / share.sum() - spread, 0.0)),  # NaN stays NaN
        float(high.sum() / share.sum()) + spread,
        k,
        sum(len(windows) for windows in by_zone.values()),
    )


def zone_sizes(networks: dict[str, NetworkSize]) -> Table:
    """Return what zones of each prefix length hold on average, by overlay: the paper's Table I."""
    rows = [(overlay, prefix, size) for overlay, size in networks.items() for prefix in PREFIXES]
    share = np.array([2.0**-prefix for _, prefix, _ in rows])
    is_kad = np.array([overlay == "kad" for overlay, *_ in rows], np.bool_)
    return Table(
        "zone_sizes",
        "Approximate zone sizes",
        "one length of zone prefixes in one network, and the nodes that such a zone holds at once, on average",
        made_by(zone_sizes),
        ("crawls", "targets", "manifest"),
        (
            Column("overlay", [overlay for overlay, _, _ in rows], "", "the network"),
            Column("prefix_length", np.array([prefix for _, prefix, _ in rows], np.int64), "bits", "0 is the network"),
            Column("nodes", np.array([size.nodes for *_, size in rows]) * share, "nodes", "up at once and reachable"),
            Column("nodes_low", np.array([size.low for *_, size in rows]) * share, "nodes", "95 % bound of the mean"),
            Column("nodes_high", np.array([size.high for *_, size in rows]) * share, "nodes", "95 % bound of the mean"),
            Column("paper", np.where(is_kad, np.floor(PAPER * share), np.nan), "nodes", "the paper's Table I: its "
                   "estimate for Kad in 2008, halved for each bit"),
        ),
    )  # fmt: skip
