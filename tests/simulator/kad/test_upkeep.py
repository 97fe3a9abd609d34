"""Tables as time passes: newcomers and the departed."""

import numpy as np

from montra.simulator.kad.population import KadNodes, populate_kad
from montra.simulator.kad.rules import MINUTE_NS
from montra.simulator.kad.settings import Family, KadSettings
from montra.simulator.kad.tables import KadTables
from montra.simulator.kad.upkeep import STEP_S, Upkeep
from zone_store.keyspace.zone import Zone

SETTINGS = KadSettings(nodes=40_000, zone=Zone.parse("a4/8", 128), warm_up_s=9_000.0, unreachable=0.25)


def begun(settings: KadSettings = SETTINGS) -> tuple[KadNodes, KadTables, Upkeep]:
    rng = np.random.default_rng(4)
    nodes = populate_kad(settings, rng)
    tables = KadTables(nodes, settings.zone, round(settings.nodes * settings.zone.share * 0.75), rng)
    return nodes, tables, Upkeep(nodes, tables, settings, rng)


def pass_minutes(upkeep: Upkeep, minutes: float) -> None:
    for _ in range(round(minutes * 60 / STEP_S)):
        upkeep.step()


def test_a_settled_table_holds_some_of_the_dead_and_nobody_that_udp_does_not_reach() -> None:
    nodes, tables, upkeep = begun()
    pass_minutes(upkeep, 150)
    up = nodes.alive(upkeep.next_ns)
    held = tables.slots[up]
    contacts = held[held >= 0]
    dead = np.count_nonzero(~up[contacts]) / len(contacts)
    assert 0.01 < dead < 0.12  # an hour's departures or so: half of the nodes leave within 200 minutes of their start
    assert nodes.reachable[contacts].all()
    # nearly all who are up are known to their nearest neighbours
    near = tables.neighbours(tables.known, 5)
    asked = tables.known[nodes.up_ns[tables.known] < upkeep.next_ns - 45 * MINUTE_NS]
    known = [row in tables.slots[other] for row, others in zip(tables.known, near, strict=True) for other in others]
    old = np.isin(tables.known, asked).repeat(5)
    assert np.mean(np.array(known)[old]) > 0.97


def test_a_newcomer_is_handed_out_after_some_minutes() -> None:
    quiet = KadSettings(nodes=40_000, zone=SETTINGS.zone, churn=False, unreachable=0.0)
    nodes, tables, upkeep = begun(quiet)
    row = 70
    born_ns = upkeep.next_ns + 1
    nodes.up_ns[row] = born_ns
    tables.slots[tables.slots == row] = -1
    upkeep = Upkeep(nodes, tables, quiet, np.random.default_rng(5))
    assert not (tables.slots == row).any()
    pass_minutes(upkeep, 2)
    assert not (tables.slots == row).any()
    pass_minutes(upkeep, 22)
    neighbours = tables.neighbours(np.array([row]), 5)[0]
    assert (tables.slots[neighbours] == row).any(axis=1).all()


def test_who_left_is_handed_out_for_up_to_two_hours() -> None:
    quiet = KadSettings(nodes=40_000, zone=SETTINGS.zone, churn=False, unreachable=0.0)
    rng = np.random.default_rng(4)
    nodes = populate_kad(quiet, rng)
    begin_ns = quiet.start_ns - round(quiet.warm_up_s * 1e9)
    nodes.up_ns[:] = begin_ns - 300 * MINUTE_NS
    nodes.down_ns[50] = begin_ns + MINUTE_NS
    tables = KadTables(nodes, quiet.zone, 156, rng)
    upkeep = Upkeep(nodes, tables, quiet, rng)
    held = [int((tables.slots == 50).sum())]
    for _ in range(4):
        pass_minutes(upkeep, 32)
        held.append(int((tables.slots == 50).sum()))
    assert held[0] > 100
    assert 0.6 < held[1] / held[0] < 0.9
    assert 0.4 < held[2] / held[0] < 0.65
    assert held[4] == 0


def test_versions_follow_families_and_tcp_is_a_matter_of_its_own() -> None:
    nodes = populate_kad(SETTINGS, np.random.default_rng(1))
    assert set(nodes.version[nodes.client == Family.EMULE].tolist()) == {9}
    assert set(nodes.version[nodes.client == Family.AMULE].tolist()) == {8}
    assert not nodes.open_to_tcp[~nodes.reachable].any()
    assert 0.7 < nodes.open_to_tcp[nodes.reachable].mean() < 0.9
    assert len({secret.tobytes() for secret in nodes.secret}) == len(nodes)
