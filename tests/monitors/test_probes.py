from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from montra.monitors.probes import Probes
from montra.monitors.table import MonitorTable
from montra.monitors.wheel import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World

MS = 1_000_000


def test_oldest_wishes_come_first_at_the_rate() -> None:
    table = MonitorTable(20, 256)
    probes = Probes(table, 20.0)
    assert probes.due_ns() == NEVER
    probes.want(1 * MS, np.array([7, 9]))
    probes.want(2 * MS, np.array([3, 9]))
    assert probes.take().tolist() == []  # not granted yet
    probes.grant(2 * MS)
    assert probes.due_ns() == NEVER  # until it is taken
    assert probes.take().tolist() == [7, 9]
    assert probes.take().tolist() == []
    assert probes.due_ns() == 102 * MS
    probes.grant(101 * MS)
    assert probes.take().tolist() == []
    probes.grant(102 * MS)
    assert probes.take().tolist() == [3]
    assert probes.due_ns() == NEVER


def test_a_view_that_came_by_itself_leaves_the_line() -> None:
    table = MonitorTable(20, 256)
    probes = Probes(table, 1.0)
    probes.want(0, np.array([1, 2, 3]))
    table.probing[1] = False
    probes.grant(0)
    assert probes.take().tolist() == [2]


def test_places_left_behind_are_closed_up() -> None:
    table = MonitorTable(20, 3000)
    probes = Probes(table, 10.0)
    rows = np.arange(3000)
    for wish in range(1, 50):
        probes.want(wish * MS, rows)
        table.probing[rows[wish:]] = False  # views came by themselves
    assert len(probes._line) < 3 * 4096
    probes.grant(50 * MS)
    assert probes.take().tolist() == [0]
    probes.grant(150 * MS)
    assert probes.take().tolist() == [1]


def test_the_fleet_asks_for_so_many_a_second(make_world: Callable[..., World]) -> None:
    world = make_world(max_probes_per_s=10.0)
    for last in range(1, 61):
        world.found(world.node(last))
    taken = []
    for _ in range(100):
        world.run(0.1)
        taken.append(len(world.fleet.take_probes()))
    assert sum(taken) == 60
    assert max(sum(taken[i : i + 10]) for i in range(90)) == 10
    assert world.count("probes") == 60
