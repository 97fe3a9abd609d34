from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from montra.overlays.mainline import OVERLAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Krpc, Node, World


def test_a_mute_target_hears_the_whole_timetable_and_is_given_up(world: World) -> None:
    node = world.attached(1, answers=False)
    world.run(600)
    # 5 s for the last answer; no fifth introduction in the first two minutes; then pairs after 60 and 60 s
    assert world.times(node) == [0.0, 0.2, 5.0, 10.0, 120.0, 120.2, 185.2, 185.4, 250.4, 250.6]
    attachment = world.attachment(node)
    assert (attachment.reason, attachment.accepted_ns, attachment.visible) == ("silent", 0, ())
    assert (attachment.lost_ns - attachment.introduced_ns) / 1e9 == pytest.approx(255.6)


def test_introductions_are_mainline_queries_for_the_monitors_own_id(world: World) -> None:
    node = world.attached(1, answers=False)
    world.run(130)
    monitor_id = node.node_id[:-1] + b"\x01"
    messages = [OVERLAY.parse(data) for _, data in node.queries]
    assert {(m.method, m.sender_id, m.key) for m in messages} == {("find_node", monitor_id, monitor_id)}
    transactions = [m.transaction for m in messages]
    assert len(set(transactions[:4])) == 1  # one round
    assert len(set(transactions)) == 2
    assert {len(t) for t in transactions} == {4}


def test_a_target_that_only_answers_gets_the_pair_and_then_keep_alives(world: World) -> None:
    node = world.attached(1)
    world.run(1500)
    times = world.times(node)
    assert times[:2] == [0.0, 0.2]
    assert len(times) == 2 + 4
    assert all(324.0 <= later - earlier <= 396.2 for earlier, later in pairwise(times[1:]))
    assert [OVERLAY.parse(data).method for _, data in node.queries] == ["find_node"] * 2 + ["ping"] * 4
    attachment = world.attachment(node)
    assert attachment.accepted_ns - attachment.introduced_ns == 30_000_000
    assert world.fleet.states()["accepted"] == 1
    assert world.count("keep_alives") == 4


def test_a_query_of_the_target_ends_the_repeats(world: World, krpc: Krpc) -> None:
    node = world.attached(1, answers=False)
    world.run(7)
    assert world.times(node) == [0.0, 0.2, 5.0]
    world.from_node(node, krpc.query(b"ping", node.node_id))
    world.run(300)
    assert world.times(node) == [0.0, 0.2, 5.0]
    assert world.count("accepted") == 1


def test_the_second_introduction_follows_even_if_the_first_is_answered(world: World) -> None:
    node = world.attached(1)
    world.run(0.05)
    assert world.count("accepted") == 1
    world.run(20)
    assert world.times(node) == [0.0, 0.2]


def test_who_hands_us_out_at_once_needs_no_second_introduction(world: World) -> None:
    node = world.attached(1, lists=True)
    world.run(20)
    assert world.times(node) == [0.0]
    assert world.fleet.states()["visible"] == 1


def test_a_missed_keep_alive_is_followed_by_introductions(make_world: Callable[..., World]) -> None:
    world = make_world(keep_alive_s=60.0, keep_alive_jitter=0.0)
    node = world.attached(1)
    world.run(59)
    node.answers = False
    world.run(23)
    assert world.times(node) == [0.0, 0.2, 60.2, 80.2, 80.4]
    node.answers = True
    world.run(130)
    assert world.times(node)[5:] == [145.4, 145.6, 205.6]  # a pair was unanswered; 60 s later the next one is heard
    assert world.attachment(node).lost_ns == 0


def test_no_target_gets_more_than_a_packet_a_second(make_world: Callable[..., World], krpc: Krpc) -> None:
    """Whatever the target sends: a query of its own every 50 ms, for two minutes."""
    world = make_world(keep_alive_s=10.0)
    node = world.attached(1)
    local = world.local(node)
    for i in range(2400):
        world.from_node(node, krpc.query(b"ping", node.node_id, i.to_bytes(2, "big")), local)
        world.run(0.05)
    assert world.count("answered_queries") > 80
    assert world.count("target_limited") > 2000
    times = [at for at, _ in world.sent]
    for begin in range(len(times)):
        for span in (16, 40, 100):
            if begin + span < len(times):
                assert times[begin + span] - times[begin] >= span - 16


def test_lateness_of_keep_alives_is_measured(make_world: Callable[..., World]) -> None:
    world = make_world(keep_alive_s=10.0, keep_alive_jitter=0.0)
    world.attached(1)
    world.run(5)
    assert world.fleet.keep_alive_lateness_s() == 0.0
    world.now += 7_000_000_000  # the process was held up for two seconds
    world.run(0)
    assert world.fleet.keep_alive_lateness_s() == pytest.approx(1.8)
    world.run(100)
    # all keep-alives count, not the last ones: about ten in time, one late
    assert world.fleet.keep_alive_lateness_s(0.5) < 0.1
    assert world.fleet.keep_alive_lateness_s(1.0) == pytest.approx(1.8)


def test_jitter_comes_from_the_rng_handed_in(make_world: Callable[..., World]) -> None:
    def times(seed: int) -> list[float]:
        world = make_world(seed=seed)
        node = world.attached(1)
        world.run(2000)
        return world.times(node)

    assert times(1) == times(1) != times(2)


def test_an_outage_is_held_against_no_target(make_world: Callable[..., World]) -> None:
    world = make_world(pool=100)
    nodes = [world.attached(last, lists=True) for last in range(1, 61)]
    world.run(400)
    for node in nodes:
        node.answers = False
    world.run(3600)
    assert world.fleet.states()["visible"] == 60
    assert (world.count("silent"), world.count("moved")) == (0, 0)
    assert world.count("blackout") > 500
    before = len(world.sent)
    world.run(360)
    assert len(world.sent) - before < 60 * 3  # a pair each
    for node in nodes[1:]:
        node.answers = True
    world.run(1000)
    assert world.count("silent") == 1  # one was gone indeed
    assert world.attachment(nodes[0]).reason == "silent"
    assert len(world.attachments) == 60


def test_a_small_or_partly_silent_fleet_has_no_outage(make_world: Callable[..., World]) -> None:
    world = make_world()
    for last in range(1, 8):
        world.attached(last, answers=False)
    world.run(400)
    assert (world.count("silent"), world.count("blackout")) == (7, 0)

    world = make_world()
    for last in range(1, 61):
        world.attached(last, answers=last > 30)
    world.run(1000)
    assert (world.count("silent"), world.count("blackout")) == (30, 0)


def hide(world: World, node: Node) -> None:
    """Let views come that lack the monitor, until the introduction after the second pair is planned a minute ahead."""
    for _ in range(2):
        world.run(2.5)
        world.view(node, listed=False)
        world.run(16)
    world.view(node, listed=False)
    assert world.fleet.states()["hidden"] == 1


def test_a_doubted_target_that_hides_its_monitor_is_asked_at_once_and_gone_if_silent(world: World) -> None:
    node = world.attached(1)
    hide(world, node)
    before, node.answers = len(node.queries), False
    world.fleet.gone(world.now, node.node_id, node.ip, node.port)
    assert world.count("gone_ignored") == 1
    world.run(5.3)
    assert [OVERLAY.parse(data).method for _, data in node.queries[before:]] == ["ping"]
    assert world.attachment(node).reason == "gone"


def test_a_doubted_target_that_answers_is_introduced_to_when_it_would_have_been(
    make_world: Callable[..., World],
) -> None:
    def introductions(doubted: bool) -> list[float]:
        world = make_world(max_moves=0)
        node = world.attached(1)
        hide(world, node)
        if doubted:
            world.fleet.gone(world.now, node.node_id, node.ip, node.port)
            world.run(0.2)
            world.view(node, listed=False)  # the crawl finds it again: the introduction is wanted all the same
        world.run(200)
        assert world.attachment(node).lost_ns == 0
        assert world.count("keep_alives") == doubted
        begin = node.queries[0][0]
        return [round((at - begin) / 1e9) for at, data in node.queries if OVERLAY.parse(data).method == "find_node"]

    assert introductions(doubted=False) == introductions(doubted=True) == [0, 0, 18, 18, 120, 120]
