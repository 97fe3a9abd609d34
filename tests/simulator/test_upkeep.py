"""Tables in a network whose nodes come and go."""

from functools import cache

import numpy as np

from montra.simulator.population import Nodes, populate
from montra.simulator.settings import SimSettings
from montra.simulator.tables import Tables
from montra.simulator.upkeep import Upkeep
from zone_store.keyspace.zone import Zone

SETTINGS = SimSettings(nodes=512_000, zone=Zone.parse("a4/8"), duration_s=600.0)


def lived() -> tuple[Nodes, Tables, Upkeep]:
    rng = np.random.default_rng(1)
    nodes = populate(SETTINGS, rng)
    tables = Tables(nodes, SETTINGS.zone, 2000, rng)
    upkeep = Upkeep(nodes, tables, SETTINGS, rng)
    while upkeep.next_ns <= SETTINGS.start_ns:
        upkeep.step()
    return nodes, tables, upkeep


@cache
def settled() -> tuple[Nodes, Tables]:
    nodes, tables, _ = lived()
    return nodes, tables


def test_tables_of_a_settled_network() -> None:
    nodes, tables = settled()
    live = np.flatnonzero(nodes.alive(SETTINGS.start_ns) & nodes.reachable)
    held = tables.slots[live]
    near = tables.neighbours(live)
    assert (held[:, :, None] == near[:, None, :]).any(axis=1).mean() > 0.9
    contacts = held[held >= 0]
    gone = ~nodes.alive(SETTINGS.start_ns)[contacts]
    deaf = ~gone & ~nodes.reachable[contacts]
    assert 0.002 < gone.mean() < 0.03  # the last quarter of an hour of a network of sessions of 22 hours in the mean
    assert 0.005 < deaf.mean() < 0.2


def test_newcomers_are_known_to_their_neighbours_within_minutes() -> None:
    nodes, tables = settled()
    age_s = (SETTINGS.start_ns - nodes.up_ns) / 1e9
    new = (age_s > 300) & (age_s < 3000) & nodes.alive(SETTINGS.start_ns) & nodes.reachable
    times_listed = np.array([np.count_nonzero(tables.slots == row) for row in np.flatnonzero(new)])
    assert len(times_listed) > 5
    assert times_listed.min() >= 2
    just_up = (age_s > 0) & (age_s < 5) & nodes.alive(SETTINGS.start_ns)
    assert not np.isin(np.flatnonzero(just_up & ~nodes.reachable), tables.slots).any()


def test_who_leaves_is_told_and_forgets_its_table() -> None:
    nodes, tables, upkeep = lived()
    left = np.concatenate([upkeep.step() for _ in range(30)])
    assert len(left)
    assert (nodes.down_ns[left] > SETTINGS.start_ns).all()
    assert (tables.slots[left] == -1).all()
