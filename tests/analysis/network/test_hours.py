"""A run by hours of the clock, and several of them by hours of the day."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.engine.database import Database
from analysis.load import Run
from analysis.network.chapter import settled_ns
from analysis.network.days import Window, by_hour
from analysis.network.hours import Hours, hours_of
from analysis.network.population import population_of
from analysis.network.stays import stays_of

from ..lookups import table
from ..samples import Contents, at, run_of
from .crawled import EXPONENTIAL, World, see
from .test_stays import row, run_with

ROWS: list[dict[str, object]] = [
    {"time_ns": at(10)},
    {"time_ns": at(3700), "what": "search"},
    {"time_ns": at(3800), "what": "publish"},
    {"time_ns": at(3900), "what": "node_lookup"},
    {"time_ns": at(4000), "maintenance": 1},
    {"time_ns": at(-9000)},  # a clock that stepped
]


def hours(run: Run) -> Hours:
    stays, rhythm = stays_of(run)
    with Database.of(table(ROWS)) as db:
        return hours_of(db, run, population_of(run, settled_ns(rhythm, run), 0.0), stays, rhythm)


def test_what_happens_is_in_its_hour() -> None:
    # 15:00 to 17:00; watched from 180 s on, until three crawls before the end.
    rows = [row(0, 60, 7200, "sealed"), row(1, 900, 5407, "gone"), row(2, 4000, 7200, "sealed")]
    run = run_with(*rows, minutes=120, gaps=((1800, 2400),))
    found = hours(run)
    assert [(begin - at(0)) // 10**9 for begin in found.begin_ns.tolist()] == [0, 3600]
    assert found.running_s.tolist() == [3000, 3600]
    assert found.lookups.tolist() == [2, 2]
    assert (found.searches.tolist(), found.publishes.tolist()) == ([0, 1], [0, 1])
    assert (found.came.tolist(), found.left.tolist()) == ([1, 1], [0, 0])  # the second was cut by the gap
    assert found.nodes.tolist() == [9, 9]


def test_a_run_from_within_an_hour() -> None:
    run = replace(run_with(row(0, 0, 600, "sealed"), minutes=10), start_ns=at(-60), end_ns=at(600))
    found = hours(run)
    assert found.running_s.tolist() == [60, 600]
    assert found.lookups.tolist() == [1, 3]
    assert math.isnan(found.nodes[0])


def test_rates_by_hours_are_those_of_the_world() -> None:
    world = World(EXPONENTIAL, nodes=800, hours=3)
    seen = see(world, 1)
    found = hours(seen.run)
    rate = found.came.sum() * 60 / found.settled_s.sum()
    assert rate == pytest.approx(60 * world.nodes / world.law.mean(), rel=0.05)
    assert found.nodes == pytest.approx([seen.population(3600 * n, 3600 * n + 3600) for n in range(3)], rel=0.03)


def of(first_hour: int, nodes: list[float], lookups: list[int], running: list[float]) -> Hours:
    n = len(nodes)
    nothing = np.zeros(n, np.int64)
    return Hours(
        at(3600) // (24 * 3600 * 10**9) * (24 * 3600 * 10**9) + (first_hour + np.arange(n)) * 3600 * 10**9,
        np.array(running),
        np.array(running),
        np.array(nodes),
        np.full(n, 60),
        nothing,
        np.array(lookups),
        nothing,
        nothing,
    )


def test_hours_of_the_day_over_windows() -> None:
    windows = [
        Window("kad", of(22, [100.0, 110.0, 90.0], [3600, 1800, 60], [3600.0, 3600.0, 60.0]), 256.0),
        Window("kad", of(23, [130.0], [600], [600.0]), 256.0),
        Window("mainline", of(23, [math.nan], [60], [3600.0]), 64.0),
    ]
    found = by_hour(windows)
    rows = list(zip(found.column("overlay"), np.asarray(found.column("hour")).tolist(), strict=True))
    assert rows == [("kad", 22), ("kad", 23), ("mainline", 23)]  # the hour of one minute tells nothing
    assert np.asarray(found.column("windows")).tolist() == [1, 2, 1]
    assert np.asarray(found.column("nodes"))[:2].tolist() == [25600, 30720]
    assert (found.column("nodes_least")[1], found.column("nodes_most")[1]) == (110 * 256, 130 * 256)
    assert math.isnan(float(found.column("nodes")[2]))
    assert np.asarray(found.column("lookups")).tolist() == [60 * 256, (30 + 60) / 2 * 256, 64]
    assert np.asarray(found.column("came")).tolist() == [256, (1 + 6) / 2 * 256, 64]


def test_no_hours() -> None:
    assert len(by_hour([])) == 0
    assert len(hours(run_of_nothing()).begin_ns) == 1


def run_of_nothing() -> Run:
    return run_of(Contents())
