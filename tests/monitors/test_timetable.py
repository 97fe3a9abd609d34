from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from montra.overlays.mainline import OVERLAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Krpc, World


def test_a_mute_target_hears_the_whole_timetable_and_is_given_up(world: World) -> None:
    node = world.attached(1, answers=False)
    world.run(600)
    times = world.times(node)
    assert times[:6] == [0.0, 0.2, 5.0, 10.0, 15.0, 20.0]
    # 5 s for the last answer, then pairs after 2, 5, 15, 60 and 60 s, each with 5 s for its answer
    assert times[6:] == [27.0, 27.2, 37.2, 37.4, 57.4, 57.6, 122.6, 122.8, 187.8, 188.0]
    attachment = world.attachment(node)
    assert (attachment.reason, attachment.accepted_ns, attachment.visible) == ("silent", 0, ())
    assert (attachment.lost_ns - attachment.introduced_ns) / 1e9 == pytest.approx(193.0)


def test_introductions_are_mainline_queries_for_the_monitors_own_id(world: World) -> None:
    node = world.attached(1, answers=False)
    world.run(30)
    monitor_id = node.node_id[:-1] + b"\x01"
    messages = [OVERLAY.parse(data) for _, data in node.queries]
    assert {(m.method, m.sender_id, m.key) for m in messages} == {("find_node", monitor_id, monitor_id)}
    transactions = [m.transaction for m in messages]
    assert len(set(transactions[:6])) == 1  # one round
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
    world.run(9)
    assert world.times(node) == [0.0, 0.2, 60.2, 67.2, 67.4]
    node.answers = True
    world.run(100)
    assert world.times(node)[5:] == [77.4, 77.6, 137.6]  # a pair was unanswered; 5 s later the next one is heard
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


def test_jitter_comes_from_the_rng_handed_in(make_world: Callable[..., World]) -> None:
    def times(seed: int) -> list[float]:
        world = make_world(seed=seed)
        node = world.attached(1)
        world.run(2000)
        return world.times(node)

    assert times(1) == times(1) != times(2)
