from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Node, World

S = 10**9


def probes(world: World) -> list[bytes]:
    return [node_id for _, _, node_id in world.fleet.take_probes()]


def test_a_reply_that_lists_the_monitor_opens_an_interval(world: World) -> None:
    node = world.attached(1, lists=True)
    world.run(1)
    attachment = world.attachment(node)
    assert attachment.visible == ((attachment.introduced_ns + 30_000_000, 0),)
    assert world.count("visible_by_reply") == 1


def test_a_contact_at_another_address_or_id_is_not_the_monitor(world: World) -> None:
    node = world.attached(1)
    world.run(3)
    a = world.attachment(node)
    for own in (
        (a.monitor_id, a.monitor_ip, a.monitor_port + 1),
        (a.monitor_id, a.monitor_ip + 1, a.monitor_port),
        (a.target_id, a.monitor_ip, a.monitor_port),
    ):
        world.fleet.own_view(world.now, node.ip, node.port, (own,))
    assert world.attachment(node).visible == ()
    assert world.fleet.states()["hidden"] == 1


def test_a_probe_is_wanted_two_seconds_after_the_pair(world: World) -> None:
    node = world.attached(1)
    world.run(2.0)
    assert probes(world) == []
    world.run(0.2)
    assert world.fleet.take_probes() == [(node.ip, node.port, node.node_id)]
    assert probes(world) == []
    world.view(node, listed=True)
    world.run(599)
    assert probes(world) == []
    world.run(2)
    assert probes(world) == [node.node_id]  # no view for ten minutes


def test_unanswered_probes_come_ever_more_rarely(world: World) -> None:
    node = world.attached(1)
    times = []
    for second in range(2000):
        world.run(1)
        times += [second for _ in probes(world)]
    assert times == [2, 602, 1802]
    assert node.queries


def test_a_monitor_not_handed_out_is_introduced_again_ever_more_rarely(make_world: Callable[..., World]) -> None:
    world = make_world(max_moves=0, keep_alive_s=3000.0)
    node = world.attached(1)
    for _ in range(1200):
        world.run(0.5)
        if probes(world):
            world.view(node, listed=False)
    pairs = world.times(node)
    assert pairs[:2] == [0.0, 0.2]
    waits = [round(later - earlier, 1) for earlier, later in zip(pairs[1::2], pairs[2::2], strict=False)]
    # verification 2 s after each pair, seen at the half second; then 15, 60, 60, 300 s, but the third pair waits for
    # the end of the first two minutes
    assert waits == pytest.approx([17.3, 102.3, 62.3, 302.3], abs=0.1)
    assert world.fleet.states()["hidden"] == 1
    assert world.count("not_visible") == 5


def test_views_before_the_verification_prove_nothing(world: World) -> None:
    node = world.attached(1)
    world.run(1.9)
    world.view(node, listed=False)
    assert world.fleet.states()["accepted"] == 1
    world.run(0.3)
    world.view(node, listed=False)
    assert world.fleet.states()["hidden"] == 1
    world.view(node, listed=False)  # the same introduction is judged once
    assert world.count("not_visible") == 1


def test_two_views_without_the_monitor_end_the_interval_at_the_first(world: World) -> None:
    node = world.attached(1, lists=True)
    world.run(10)
    begin = world.attachment(node).visible[0][0]
    node.lists = False
    world.view(node, listed=False)
    world.run(10)
    world.view(node, listed=True)
    world.run(10)
    assert world.attachment(node).visible == ((begin, 0),)
    world.view(node, listed=False)
    absent_ns = world.now
    world.run(10)
    world.view(node, listed=False)
    assert world.attachment(node).visible == ((begin, absent_ns),)
    assert world.fleet.states()["hidden"] == 1
    world.run(14.9)
    assert len(node.queries) == 1
    world.run(0.4)
    assert len(node.queries) == 3  # introduced again after 15 s
    world.view(node, listed=True)
    assert world.attachment(node).visible == ((begin, absent_ns), (world.now, 0))
    assert (world.count("dropped"), world.count("visible_by_view")) == (1, 1)


def test_a_target_seen_handing_us_out_is_left_in_peace_though_never_heard(world: World) -> None:
    node = world.attached(1, answers=False)
    world.run(6)
    world.view(node, listed=True)
    world.run(300)
    assert world.times(node) == [0.0, 0.2, 5.0]
    attachment = world.attachment(node)
    assert (attachment.accepted_ns, len(attachment.visible)) == (0, 1)


def refuse(world: World, node: Node, seconds: int) -> None:
    for _ in range(seconds):
        world.run(1)
        if probes(world):
            world.view(node, listed=False)


def test_another_address_is_tried_after_four_failed_verifications(world: World) -> None:
    node = world.attached(1)
    refuse(world, node, 200)
    first, second = world.attachments[1], world.attachment(node)
    assert (first.reason, second.number, second.lost_ns) == ("moved", 2, 0)
    assert first.lost_ns == second.introduced_ns
    assert (first.lost_ns - first.introduced_ns) / S > 140  # uTorrent's quarantine is over
    assert (second.target_id, second.monitor_id) == (first.target_id, first.monitor_id)
    assert second.monitor_ip != first.monitor_ip
    assert second.found_ns == first.found_ns
    assert world.pool.asked[-1] == (node.node_id, frozenset({1}))


def test_only_so_many_addresses_are_tried_each_once(world: World) -> None:
    node = world.attached(1)
    refuse(world, node, 1800)
    assert world.attachment(node).number == 3
    assert [avoid for _, avoid in world.pool.asked] == [frozenset(), frozenset({1}), frozenset({1, 2})]
    assert world.fleet.states()["hidden"] == 1
    assert world.pool.held == {3}


def test_without_another_address_the_old_one_goes_on(make_world: Callable[..., World]) -> None:
    world = make_world(pool=1)
    node = world.attached(1)
    refuse(world, node, 1000)
    assert world.attachment(node).number == 1
    assert world.count("no_other_address") >= 2
    world.view(node, listed=True)
    assert world.fleet.states()["visible"] == 1


def test_intervals_are_bounded_by_merging_the_shortest_gap(make_world: Callable[..., World]) -> None:
    world = make_world(max_visible_intervals=3, max_moves=0)
    node = world.attached(1)
    world.run(5)
    begin, seconds = world.now, []
    for off in (10, 20, 5, 30):
        world.view(node, listed=True)
        seconds.append(round((world.now - begin) / S))
        world.run(100)
        world.view(node, listed=False)
        world.view(node, listed=False)
        world.run(off)
    assert seconds == [0, 110, 230, 335]
    visible = [(round((b - begin) / S), round((e - begin) / S)) for b, e in world.attachment(node).visible]
    assert visible == [(0, 100), (110, 210), (230, 435)]
    assert world.count("visible_gaps_merged") == 1


def test_a_target_that_shows_and_hides_the_monitor_by_turns_is_kept_alive(make_world: Callable[..., World]) -> None:
    world = make_world(keep_alive_s=100.0, keep_alive_jitter=0.0)
    node = world.attached(1, lists=True)
    node.lists = False
    for second in range(0, 1000, 4):
        world.run(4)
        world.view(node, listed=second % 12 == 0)
    assert world.count("dropped") > 70
    assert 8 <= world.count("keep_alives") <= 10


def test_nobody_is_moved_within_utorrents_quarantine(make_world: Callable[..., World]) -> None:
    world = make_world(move_after=1)
    node = world.attached(1)
    refuse(world, node, 119)
    assert world.count("not_visible") == 2
    assert world.count("moved") == 0
    refuse(world, node, 80)
    assert world.attachments[1].reason == "moved"
    assert (world.attachments[1].lost_ns - world.attachments[1].introduced_ns) / S > 130


def test_utorrent_is_not_looked_at_before_its_quarantine_is_over(world: World) -> None:
    node = world.node(1)
    world.found(node, b"UT\x35\x00")
    world.run(120)
    assert probes(world) == []
    world.view(node, listed=False)
    assert world.count("not_visible") == 0
    world.run(11)
    assert probes(world) == [node.node_id]
    world.view(node, listed=False)
    assert world.count("not_visible") == 1
    assert world.times(node) == [0.0, 0.2]
    world.run(16)
    assert len(node.queries) == 4


def test_four_introductions_at_most_in_the_first_two_minutes(world: World) -> None:
    nodes = [world.attached(last, answers=last % 2 > 0) for last in range(1, 5)]
    for second in range(1000):
        world.run(1)
        for node in nodes:
            world.view(node, listed=second % 7 == 6 and node is nodes[0])
        world.fleet.take_probes()
    for node in nodes:
        begin = node.queries[0][0]
        assert sum(at < begin + 120 * S for at, _ in node.queries) <= 4
