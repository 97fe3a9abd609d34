from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from montra.overlays.mainline import OVERLAY
from zone_store.captures import Flag

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Krpc, World

KEY = b"\xa4" + b"k" * 19


@pytest.mark.parametrize(
    ("method", "arguments", "answer"),
    [
        (b"ping", b"", b""),
        (b"find_node", b"6:target20:" + KEY, b"5:nodes0:"),
        (b"get_peers", b"9:info_hash20:" + KEY, b"5:nodes0:"),
        (b"announce_peer", b"9:info_hash20:" + KEY + b"4:porti80e5:token2:ab", b""),
    ],
)
def test_answers_its_own_target_in_the_same_call(
    world: World, krpc: Krpc, method: bytes, arguments: bytes, answer: bytes
) -> None:
    node = world.attached(1)
    local = world.local(node)
    data = krpc.query(method, node.node_id, b"x", arguments)
    (sent,) = world.from_node(node, data)
    assert (sent.local, sent.ip, sent.port) == (local, node.ip, node.port)
    message = OVERLAY.parse(sent.payload)
    assert (message.type, message.transaction, message.contacts) == ("reply", b"x", ())
    assert message.sender_id == node.node_id[:-1] + b"\x01"
    assert answer in sent.payload
    assert b"token" not in sent.payload
    assert len(sent.payload) <= len(data)


def test_is_silent_to_everybody_else(world: World, krpc: Krpc) -> None:
    node = world.attached(1)
    local = world.local(node)
    before = len(world.sent)
    data = krpc.query(b"get_peers", node.node_id, b"aa", b"9:info_hash20:" + KEY)
    for ip, port in ((node.ip, node.port + 1), (node.ip + 1, node.port), (node.ip, 0), (0, node.port)):
        for payload in (data, krpc.query(b"ping", node.node_id), krpc.reply(node.node_id, b"aaaa"), b"junk", b""):
            assert world.deliver(local, ip, port, payload).outgoing == []
    assert len(world.sent) == before
    assert world.count("captured") == 4
    assert world.count("captured_from_target") == 0
    assert world.count("stranger_other") == 8
    assert world.count("malformed_too_short") == 8


def test_another_monitors_target_is_a_stranger(world: World, krpc: Krpc) -> None:
    first, second = world.attached(1), world.attached(2)
    assert world.from_node(second, krpc.query(b"ping", second.node_id), world.local(first)) == []
    assert len(world.from_node(second, krpc.query(b"ping", second.node_id), world.local(second))) == 1


def test_a_reply_counts_only_with_the_transaction_of_a_query(world: World, krpc: Krpc) -> None:
    node = world.attached(1, answers=False)
    world.from_node(node, krpc.reply(node.node_id, b"zzzz"))
    transaction = OVERLAY.parse(node.queries[0][1]).transaction
    world.from_node(node, krpc.reply(node.node_id, transaction + b"z"))
    assert world.attachment(node).accepted_ns == 0
    assert world.count("unmatched_reply") == 2
    world.from_node(node, krpc.reply(node.node_id, transaction))
    assert world.attachment(node).accepted_ns == world.now
    world.from_node(node, krpc.reply(node.node_id, transaction))  # one query, one reply
    assert world.count("unmatched_reply") == 3


def test_a_slow_answer_to_the_first_of_the_pair_counts(world: World, krpc: Krpc) -> None:
    node = world.attached(1, answers=False)
    world.run(3)
    for _ in range(2):
        world.from_node(node, krpc.reply(node.node_id, OVERLAY.parse(node.queries[0][1]).transaction))
    assert (world.count("replies"), world.count("unmatched_reply")) == (2, 0)


def test_an_error_reply_is_a_sign_of_life(world: World) -> None:
    node = world.attached(1, answers=False)
    transaction = OVERLAY.parse(node.queries[0][1]).transaction
    world.from_node(node, b"d1:eli203e4:oopse1:t4:%b1:y1:ee" % transaction)
    world.run(300)
    assert world.times(node) == [0.0, 0.2]
    assert world.count("error_replies") == 1


def test_a_reply_under_another_id_moves_the_monitor_beside_it(world: World) -> None:
    node = world.attached(1)
    world.run(10)
    old = world.attachment(node)
    node.node_id = b"\xa5" + bytes(19)
    world.run(400)
    new, ended = world.attachment(node), world.attachments[old.number]
    assert (ended.reason, ended.target_id[:1]) == ("changed_id", b"\xa4")
    assert (new.number, new.target_id) == (old.number + 1, node.node_id)
    assert new.monitor_id == b"\xa5" + bytes(18) + b"\x01"
    assert new.monitor_ip != old.monitor_ip
    assert new.found_ns == ended.lost_ns
    assert new.accepted_ns > 0
    assert world.count("changed_id") == 1
    assert world.pool.asked[1] == (node.node_id, frozenset({1}))


def test_a_query_under_another_id_is_asked_about_not_believed(world: World, krpc: Krpc) -> None:
    node = world.attached(1)
    world.run(10)
    number = world.attachment(node).number
    assert world.from_node(node, krpc.query(b"ping", b"\xa5" + bytes(19))) == []
    world.run(1)
    assert world.times(node) == [0.0, 0.2, 10.0]
    assert world.attachment(node).number == number  # it was forged: the node still has its ID
    node.node_id = b"\xa5" + bytes(19)
    world.from_node(node, krpc.query(b"ping", node.node_id))
    world.run(1)
    assert world.attachment(node).target_id == node.node_id
    assert world.count("foreign_id_query") == 2


def test_a_node_that_leaves_the_zone_loses_its_monitor(world: World) -> None:
    node = world.attached(1)
    node.node_id = b"\x01" + bytes(19)
    world.run(800)
    assert world.attachment(node).reason == "changed_id"
    assert len(world.attachments) == 1
    assert world.count("outside_zone") == 1
    assert world.fleet.states()["idle"] == 32_768


def test_an_address_of_ever_changing_ids_is_left_alone(make_world: Callable[..., World]) -> None:
    world = make_world(keep_alive_s=10.0, max_id_changes=3)
    node = world.node(1)
    world.found(node)
    for i in range(20):
        node.node_id = b"\xa4" + bytes(18) + bytes((2 * i + 2,))
        world.run(30)
    world.collect()
    assert len(world.attachments) == 4
    assert {a.reason for a in world.attachments.values()} == {"changed_id"}
    assert world.count("unstable_id") == 1
    world.found(node)
    assert world.count("unstable_id") == 2


def test_the_targets_own_lookups_are_answered_and_captured(world: World, krpc: Krpc) -> None:
    node = world.attached(1)
    output = world.deliver(
        world.local(node), node.ip, node.port, krpc.query(b"get_peers", node.node_id, b"aa", b"9:info_hash20:" + KEY)
    )
    assert len(output.outgoing) == 1
    assert output.captures.flags.tolist() == [Flag.FROM_TARGET]


def test_malformed_packets_of_a_target_are_counted_by_reason(world: World) -> None:
    node = world.attached(1)
    for data in (b"d1:ai1e-6:", b"d1:y1:qe" + b" " * 40, b""):
        assert world.from_node(node, data) == []
    counts = world.fleet.counters.counts
    assert sum(n for name, n in counts.items() if name.startswith("malformed_")) == 3


def test_a_flood_in_a_targets_name_costs_little_and_does_not_mask_its_replies(world: World, krpc: Krpc) -> None:
    node = world.attached(1, answers=False)
    local = world.local(node)
    for i in range(1000):
        world.from_node(node, krpc.query(b"ping", b"\xa5" + bytes(19), i.to_bytes(2, "big")), local)
    assert world.count("target_limited") >= 980
    world.from_node(node, krpc.reply(node.node_id, OVERLAY.parse(node.queries[0][1]).transaction), local)
    assert world.count("accepted") == 1
