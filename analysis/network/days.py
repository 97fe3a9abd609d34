"""The pattern of days over many windows: population, coming and going, and lookups by hour of the day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.network.hours import HOUR_NS, Hours
from analysis.quantity import made_by
from analysis.table import Column, Table

LEAST_S = 600.0
"""Of an hour in which a run was at work for less, nothing is told."""

_DAY = 24


class Window(NamedTuple):
    """A window by hours, and how many such zones make its network."""

    overlay: str
    hours: Hours
    factor: float


class _Part(NamedTuple):
    nodes: float
    came: float
    left: float
    lookups: float


def by_hour(windows: Sequence[Window]) -> Table:
    """Return the mean, least and most over windows for each hour of the day that one of them holds.

    Each window counts once an hour, and alike, scaled from its zone to the network. Nothing is corrected for what runs
    missed.
    """
    parts: dict[tuple[str, int], list[_Part]] = {}
    for overlay, hours, factor in windows:
        for i in np.flatnonzero(hours.running_s >= LEAST_S).tolist():
            minutes, settled = hours.running_s[i] / 60, hours.settled_s[i] / 60
            known = settled * 60 >= LEAST_S
            part = _Part(
                float(hours.nodes[i]) * factor,
                float(hours.came[i] / settled) * factor if known else np.nan,
                float(hours.left[i] / settled) * factor if known else np.nan,
                float(hours.lookups[i] / minutes) * factor,
            )
            parts.setdefault((overlay, int(hours.begin_ns[i] // HOUR_NS % _DAY)), []).append(part)
    rows = sorted(parts)
    columns = [
        Column("overlay", [overlay for overlay, _ in rows], "", "the network"),
        Column("hour", np.array([hour for _, hour in rows], np.int64), "", "of the day, UTC"),
        Column("windows", np.array([len(parts[row]) for row in rows], np.int64), "windows", "that hold this hour, for "
               "ten minutes at least"),
    ]  # fmt: skip
    for name, unit, meaning in (
        ("nodes", "nodes", "up at once in the network: the zone's, scaled"),
        ("came", "a minute", "nodes found a minute in settled times, scaled"),
        ("left", "a minute", "nodes gone a minute in settled times, scaled"),
        ("lookups", "a minute", "users' lookups captured a minute, scaled"),
    ):
        values = [np.array([getattr(part, name) for part in parts[row]]) for row in rows]
        for ending, reduce in (("", np.mean), ("_least", np.min), ("_most", np.max)):
            told = np.array([_over(one, reduce) for one in values])
            what = {"": "mean over windows", "_least": "least of the windows", "_most": "most of the windows"}[ending]
            columns.append(Column(f"{name}{ending}", told, unit, f"{meaning}; {what}"))
    return Table(
        "hours_of_day",
        "The network by hours of the day",
        "one hour of the day (UTC) in one network, over all windows that hold it",
        made_by(by_hour),
        ("lookups", "targets", "crawls", "ledger"),
        tuple(columns),
    )


def _over(values: NDArray[np.float64], reduce: object) -> float:
    there = values[~np.isnan(values)]
    return float(reduce(there)) if len(there) and callable(reduce) else float("nan")
