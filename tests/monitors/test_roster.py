from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from montra.datagrams import ip_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World


def test_an_attachment_is_reported_when_it_changes_and_only_then(world: World) -> None:
    node = world.node(1)
    world.found(node, b"LT\x02\x01")
    found_ns = world.now
    assert world.fleet.take_changed() == []
    world.run(0.1)
    (attachment,) = world.fleet.take_changed()
    assert attachment.number == 1
    assert (attachment.target_id, attachment.target_ip, attachment.target_port) == (node.node_id, node.ip, 7000)
    assert attachment.monitor_id == node.node_id[:-1] + b"\x01"
    assert (attachment.monitor_ip, attachment.monitor_port) == (ip_number("127.181.0.1"), 6881)
    assert (attachment.found_ns, attachment.introduced_ns) == (found_ns, found_ns + 100_000_000)
    assert (attachment.accepted_ns, attachment.visible, attachment.lost_ns, attachment.reason) == (0, (), 0, "")
    assert world.fleet.take_changed() == []
    world.run(1)
    (attachment,) = world.fleet.take_changed()
    assert attachment.accepted_ns == found_ns + 130_000_000
    world.run(1000)
    assert world.fleet.take_changed() == []


def test_rows_and_addresses_are_reused_after_lingering(make_world: Callable[..., World]) -> None:
    world = make_world(pool=3, max_monitors=3, linger_s=10.0)
    for life in range(20):
        node = world.node(life + 1, answers=False)
        world.found(node)
        world.run(1)
        assert world.attachment(node).number == life + 1
        world.fleet.gone(world.now, node.node_id, node.ip, node.port)
        assert world.pool.held == {1}
        world.run(9.8)
        assert world.pool.held == {1}
        assert world.fleet.states()["lingering"] == 1
        world.run(0.4)
        assert world.pool.held == set()
    assert world.fleet.states() == {
        "idle": 3,
        "introduced": 0,
        "accepted": 0,
        "visible": 0,
        "hidden": 0,
        "lingering": 0,
        "waiting": 0,
        "bare": 0,
    }
    world.collect()
    assert {a.reason for a in world.attachments.values()} == {"gone"}


def test_a_node_that_comes_back_while_its_monitor_lingers_gets_a_new_one(world: World) -> None:
    node = world.attached(1, answers=False)
    world.fleet.gone(world.now, node.node_id, node.ip, node.port)
    world.run(5)
    world.found(node)
    world.run(1)
    attachment = world.attachment(node)
    assert (attachment.number, attachment.monitor_ip) == (2, ip_number("127.181.0.2"))
    world.run(60)
    assert world.pool.held == {2}
    assert world.attachment(node).lost_ns == 0


def test_an_end_closes_the_open_interval(world: World) -> None:
    node = world.attached(1, lists=True)
    world.run(10)
    world.fleet.changed(world.now, node.node_id, b"\x01" + bytes(19), node.ip, node.port, False)
    attachment = world.attachment(node)
    assert attachment.visible == ((attachment.accepted_ns, world.now),)
    assert (attachment.lost_ns, attachment.reason) == (world.now, "changed_id")


def test_sealing_ends_what_is_open_and_returns_all_not_yet_taken(world: World) -> None:
    nodes = [world.attached(last, answers=last != 1, lists=last == 2) for last in (1, 2, 3)]
    world.run(5)
    world.collect()
    world.fleet.gone(world.now, nodes[0].node_id, nodes[0].ip, nodes[0].port)
    world.run(5)
    sealed = list(world.fleet.seal(world.now))
    assert [(a.number, a.reason) for a in sealed] == [(1, "gone"), (2, "sealed"), (3, "sealed")]
    assert sealed[0].lost_ns == world.now - 5 * 10**9
    assert sealed[1].visible[0][1] == sealed[1].lost_ns == world.now
    assert world.fleet.take_changed() == []
    world.run(120)
    assert world.fleet.due(world.now) == 2**63 - 1
    assert world.pool.held == set()


def test_locals_outside_the_plan_have_no_monitor(world: World) -> None:
    world.attached(1)
    roster = world.fleet._roster
    locals_ = np.array([-1, 0, 1, 2, 2**31 - 1, -(2**31)], np.int32)
    assert roster.rows_at(locals_).tolist() == [-1, -1, 0, -1, -1, -1]


def test_targets_at_an_ip_are_counted(world: World) -> None:
    node, roster = world.attached(1), world.fleet._roster
    world.fleet.found(world.now, b"\xa5" + bytes(19), node.ip, node.port + 1)
    world.run(1)
    assert (roster.at_ip(node.ip), roster.at_ip(node.ip + 1)) == (2, 0)
    world.fleet.seal(world.now)
    assert roster.at_ip(node.ip) == 0
