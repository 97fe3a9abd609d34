from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from montra.datagrams import ip_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World

IN_ZONE = b"\xa4" + bytes(19)


@pytest.mark.parametrize(
    ("node_id", "ip", "port", "reason"),
    [
        (IN_ZONE, "127.181.0.7", 6881, "own_address"),
        (IN_ZONE, "0.0.0.0", 7000, "bad_address"),
        (IN_ZONE, "10.0.0.1", 0, "bad_address"),
        (IN_ZONE, "10.0.0.1", 65_536, "bad_address"),
        (b"\xa0" + bytes(19), "10.0.0.1", 7000, "outside_zone"),
        (IN_ZONE[:19], "10.0.0.1", 7000, "outside_zone"),
        (b"", "10.0.0.1", 7000, "outside_zone"),
    ],
)
def test_exclusions_are_counted_by_name(world: World, node_id: bytes, ip: str, port: int, reason: str) -> None:
    world.fleet.found(world.now, node_id, ip_number(ip), port, b"LT")
    world.run(1)
    assert world.count(reason) == 1
    assert world.count("found") == 0
    assert world.attachments == {}
    assert world.pool.asked == []


def test_targets_found_together_are_attached_in_id_order(world: World) -> None:
    for last in (30, 10, 20, 40):
        world.found(world.node(last))
    world.run(1)
    assert [target_id[18] for target_id, _ in world.pool.asked] == [10, 20, 30, 40]
    assert [d.ip & 255 for _, d in world.sent[:4]] == [10, 20, 30, 40]


def test_a_known_node_is_attached_once(world: World) -> None:
    node = world.node(1)
    world.found(node)
    world.found(node)
    world.run(1)
    world.found(node)
    world.run(1)
    assert world.count("attached") == 1


def test_many_ids_at_one_ip_are_a_sybil_pattern(world: World) -> None:
    for i in range(10):
        world.fleet.found(world.now, b"\xa4" + bytes(18) + bytes((2 * i,)), ip_number("10.0.0.9"), 7000 + i, b"")
    world.run(1)
    assert (world.count("attached"), world.count("sybil")) == (4, 6)


def test_the_attach_rate_holds(make_world: Callable[..., World]) -> None:
    world = make_world(attach_rate=20.0, pool=300)
    for last in range(1, 201):
        world.found(world.node(last))
    world.run(5)
    assert world.count("attached") == 100
    assert world.fleet.states()["waiting"] == 100
    world.run(6)
    assert world.count("attached") == 200


@pytest.mark.parametrize(("limit", "reason"), [({"pool": 2}, "pool_exhausted"), ({"max_monitors": 2}, "max_monitors")])
def test_without_room_targets_wait_for_a_monitor_to_be_freed(
    make_world: Callable[..., World], limit: dict[str, int], reason: str
) -> None:
    world = make_world(**limit)
    nodes = [world.node(last, answers=False) for last in (1, 2, 3)]
    for node in nodes:
        world.found(node)
    world.run(1)
    assert (world.count("attached"), world.count(reason)) == (2, 1)
    assert world.fleet.states()["waiting"] == 1
    world.fleet.gone(world.now, nodes[0].node_id, nodes[0].ip, nodes[0].port)
    world.run(59)
    assert world.count("attached") == 2  # the address lingers
    world.run(2)
    assert world.count("attached") == 3
    assert world.attachment(nodes[2]).monitor_ip == ip_number("127.181.0.1")


def test_no_more_wait_than_may(make_world: Callable[..., World]) -> None:
    world = make_world(pool=0, max_waiting=1, max_monitors=2)  # as many as there may be monitors in any case
    for last in (1, 2, 3):
        world.found(world.node(last))
    assert (world.count("found"), world.count("waiting_full")) == (2, 1)
    world.run(1)
    assert world.fleet.due(world.now) == 2**63 - 1  # nothing to wake up for


def test_a_waiting_node_that_goes_or_changes_is_heeded(make_world: Callable[..., World]) -> None:
    world = make_world()
    gone, moved, left = (world.node(last) for last in (1, 2, 3))
    for node in (gone, moved, left):
        world.found(node)
    world.fleet.gone(world.now, gone.node_id, gone.ip, gone.port)
    old, moved.node_id = moved.node_id, b"\xa6" + bytes(19)
    world.fleet.changed(world.now, old, moved.node_id, moved.ip, moved.port, True)
    world.fleet.changed(world.now, left.node_id, b"\x01" + bytes(19), left.ip, left.port, False)
    world.run(1)
    world.collect()
    assert [a.target_id for a in world.attachments.values()] == [moved.node_id]


def test_an_old_word_about_another_id_is_ignored(world: World) -> None:
    node = world.attached(1)
    world.fleet.gone(world.now, b"\xa4" + b"x" * 19, node.ip, node.port)
    world.fleet.changed(world.now, b"\xa4" + b"x" * 19, b"\x01" + bytes(19), node.ip, node.port, False)
    world.fleet.changed(world.now, b"\xa4" + b"x" * 19, node.node_id, node.ip, node.port, True)
    world.fleet.gone(world.now, node.node_id, node.ip, node.port + 1)
    world.run(1)
    assert world.attachment(node).lost_ns == 0


def test_the_crawls_word_of_a_new_id_is_heeded(world: World) -> None:
    node = world.attached(1)
    world.run(1)
    old, node.node_id = node.node_id, b"\xa5" + bytes(19)
    world.fleet.changed(world.now, old, node.node_id, node.ip, node.port, True)
    world.run(1)
    world.fleet.changed(world.now, old, node.node_id, node.ip, node.port, True)
    world.run(1)
    assert world.attachment(node).target_id == node.node_id
    assert [a.reason for a in world.attachments.values()] == ["changed_id", ""]
    old, node.node_id = node.node_id, b"\x05" + bytes(19)
    world.fleet.changed(world.now, old, node.node_id, node.ip, node.port, False)
    assert world.attachment(node).reason == "changed_id"


def test_a_silent_target_that_the_crawl_sees_again_gets_another_try(world: World) -> None:
    node = world.attached(1, answers=False)
    world.run(300)
    assert world.attachment(node).reason == "silent"
    node.answers = True
    world.fleet.own_view(world.now, node.ip, node.port, ())
    world.run(1)
    attachment = world.attachment(node)
    assert (attachment.number, attachment.reason, attachment.accepted_ns > 0) == (2, "", True)
    world.fleet.own_view(world.now, node.ip, node.port + 1, ())  # of somebody unknown


def test_a_target_that_answers_the_crawl_but_not_us_gets_other_addresses_then_peace(world: World) -> None:
    node = world.attached(1, answers=False)
    for _ in range(3600):
        world.run(1)
        world.fleet.own_view(world.now, node.ip, node.port, ())
    world.collect()
    assert [a.reason for a in world.attachments.values()] == ["moved", "moved", "silent"]
    assert len({a.monitor_ip for a in world.attachments.values()}) == 3


def test_a_silent_target_that_is_gone_gets_no_other_try(world: World) -> None:
    node = world.attached(1, answers=False)
    world.run(300)
    world.fleet.gone(world.now, node.node_id, node.ip, node.port)
    world.fleet.own_view(world.now, node.ip, node.port, ())
    world.run(1)
    assert world.count("attached") == 1


def test_a_target_refused_for_want_of_room_is_admitted_when_the_crawl_sees_it_again(
    make_world: Callable[..., World],
) -> None:
    world = make_world(max_waiting=1, max_monitors=2, linger_s=1.0)
    nodes = [world.node(last, answers=False) for last in (1, 2, 3)]
    for node in nodes:
        world.found(node)
    assert world.count("waiting_full") == 1
    world.run(1)
    refused = nodes[2]
    for _ in range(3):  # once is enough: then it waits
        world.fleet.own_view(world.now, refused.ip, refused.port, (), refused.node_id)
    assert world.fleet.states()["waiting"] == 1
    assert world.count("found") == 3
    world.fleet.gone(world.now, nodes[0].node_id, nodes[0].ip, nodes[0].port)
    world.run(2)
    assert world.attachment(refused).number == 3


def test_a_view_admits_nobody_who_is_excluded(make_world: Callable[..., World]) -> None:
    world = make_world(max_ids_per_ip=1, max_id_changes=0)
    node = world.attached(1)
    elsewhere = b"\x01" + bytes(19)
    for node_id, ip, port in (
        (elsewhere, ip_number("10.0.0.9"), 7000),
        (IN_ZONE, ip_number("127.181.0.7"), 6881),
        (IN_ZONE, node.ip, node.port + 1),
    ):
        world.fleet.own_view(world.now, ip, port, (), node_id)
    changed = b"\xa5" + bytes(19)
    world.fleet.changed(world.now, node.node_id, changed, node.ip, node.port, True)
    assert world.count("unstable_id") == 1
    world.fleet.own_view(world.now, node.ip, node.port, (), changed)
    assert world.fleet.states()["waiting"] == 0
    assert (world.count("found"), world.count("unstable_id")) == (1, 1)


def test_without_another_address_a_silent_target_is_not_lost_for_good(make_world: Callable[..., World]) -> None:
    world = make_world(pool=1, linger_s=1.0, max_moves=1, retry_silent_s=1000.0)
    node = world.attached(1, answers=False)
    ended = []
    for second in range(2200):
        world.run(1)
        world.fleet.own_view(world.now, node.ip, node.port, (), node.node_id)
        world.collect()
        ended += [second] * (world.count("silent") - len(ended))
    assert world.count("no_other_address") == 2
    # at once another try at the only address there is, then peace for 1000 s, then the same again
    assert ended == pytest.approx([255, 512, 1768, 2025], abs=5)


def test_silent_targets_remembered_are_bounded(make_world: Callable[..., World]) -> None:
    world = make_world(max_monitors=2, linger_s=1.0)
    first, *others = (world.node(last, answers=False) for last in (1, 2, 3))
    for node in (first, *others):
        world.found(node)
    world.run(700)
    assert (world.count("silent"), world.count("silent_forgotten")) == (3, 1)
    world.fleet.own_view(world.now, first.ip, first.port, ())
    assert world.fleet.states()["waiting"] == 0
    world.fleet.own_view(world.now, others[0].ip, others[0].port, ())
    assert world.fleet.states()["waiting"] == 1


def test_the_crawls_gone_is_doubted_while_the_monitor_hears_the_target(world: World) -> None:
    node = world.attached(1)
    world.run(100)
    world.fleet.gone(world.now, node.node_id, node.ip, node.port)
    world.run(10)
    assert (world.count("gone_ignored"), world.count("gone"), world.count("keep_alives")) == (1, 0, 1)
    assert world.attachment(node).lost_ns == 0
    node.answers = False
    lost_ns = world.now
    world.fleet.gone(world.now, node.node_id, node.ip, node.port)
    world.run(10)
    attachment = world.attachment(node)
    assert attachment.reason == "gone"
    assert (attachment.lost_ns - lost_ns) / 1e9 == pytest.approx(5.1, abs=0.2)


def test_the_crawls_gone_is_believed_when_the_monitor_heard_nothing_for_long(make_world: Callable[..., World]) -> None:
    world = make_world(keep_alive_s=100.0, max_failures=8)
    node = world.attached(1)
    world.run(1)
    node.answers = False
    world.run(151)
    world.fleet.gone(world.now, node.node_id, node.ip, node.port)
    assert world.attachment(node).reason == "gone"


def test_a_target_lost_and_seen_again_by_the_crawl_is_not_gone(world: World) -> None:
    node = world.attached(1)
    world.run(1)
    node.answers = False
    world.fleet.gone(world.now, node.node_id, node.ip, node.port)
    world.view(node, listed=False)
    world.run(10)
    assert (world.count("gone"), world.count("moved")) == (0, 1)  # it answers the crawl, not this monitor
