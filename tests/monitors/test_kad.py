"""The fleet on Kad: the two hellos and the confirmation, one address each, keys, and what is not believed."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from montra.datagrams import Datagram, ip_number
from montra.monitors.table import beside
from montra.overlays.base import Peer
from montra.overlays.kad import messages
from montra.overlays.kad.ids import verify_key
from montra.overlays.kad.messages import Hello
from montra.overlays.kad.opcodes import Op
from montra.overlays.kad.wire import KadWire, envelope
from zone_store.captures import Flag, Kind, Status

from .kad_world import START_NS, KadNode, KadWorld


def seconds(times: list[int]) -> list[float]:
    return [round((at - START_NS) / 1e9, 1) for at in times]


def local_of(world: KadWorld, node: KadNode) -> int:
    at = world.attachment(node)
    return int(world.plan.locals_of(np.array([at.monitor_ip], np.uint32), np.array([at.monitor_port], np.uint16))[0])


def forged(world: KadWorld, node: KadNode, packet: bytes, key: int = 0) -> bytes:
    """Return a packet as somebody sends it who knows the monitor's ID but not its key for the node."""
    at = world.attachment(node)
    to = Datagram(0, at.monitor_ip, at.monitor_port, envelope(packet, node_id=at.monitor_id, key=key))
    return KadWire(b"somebody else", Random(3)).seal([to])[0].payload


def test_two_hellos_and_a_confirmation_make_a_monitor_visible() -> None:
    world = KadWorld()
    node = world.node(1, misc=2)
    world.run(6)
    assert seconds(node.hellos) == [0.1, 2.1]
    hellos = [message for message in node.heard if message.method == "hello"]
    # the first carries no key of the target's, the second the one that came with the reply to the first
    assert [message.verified for message in hellos] == [False, True]
    assert {message.sender_id for message in hellos} == {beside(node.node_id)}
    assert {message.status for message in hellos} == {0}
    assert node.acks == 1
    assert node.hands_out(beside(node.node_id))
    at = world.attachment(node)
    assert (at.version, at.status) == (8 << 24, Status.TCP_FIREWALLED)
    ((begin, end),) = at.visible
    assert begin - START_NS < 5 * 10**9
    assert end == 0
    assert world.count("visible_by_view") == 1
    row = world.fleet._roster.row_of(node.ip, node.port)
    assert int(world.fleet._roster.table.peer_key[row]) == verify_key(at.monitor_ip, node.node_id[:4])


def test_hourly_hellos_keep_it_so_and_the_targets_own_are_answered() -> None:
    world = KadWorld()
    node = world.node(1)
    world.run(6 * 3600)
    at = world.attachment(node)
    assert len(at.visible) == 1
    assert at.visible[0][1] == 0
    assert node.dropped == 0
    gaps = np.diff(node.hellos[1:]) / 1e9
    assert len(node.hellos) in range(8, 11)
    assert gaps.min() > 2700
    assert gaps.max() < 3301
    assert world.count("silent") == world.count("dropped") == 0


def test_a_target_asks_after_an_hour_of_silence_and_its_monitor_answers() -> None:
    world = KadWorld(keep_alive_s=30_000.0)
    node = world.node(1)
    world.run(5 * 3600)
    assert world.count("answered_queries") >= 3
    assert node.table[beside(node.node_id)].type == 0
    assert len(world.attachment(node).visible) == 1
    assert len(node.hellos) == 2


@pytest.mark.parametrize("lost", [{0}, {1}, {2}, {3}, {4}, {0, 1}])
def test_whatever_is_lost_it_is_made_up_for_without_too_many_hellos(lost: set[int]) -> None:
    world = KadWorld()
    world.lost = lost
    node = world.node(1)
    world.run(200)
    assert node.hands_out(beside(node.node_id)), lost
    assert world.attachment(node).visible, lost
    assert node.dropped == 0
    assert len(node.hellos) <= 5


def test_a_silent_target_gets_three_hellos_a_minute_at_most() -> None:
    world = KadWorld()
    node = world.node(1, answers=False)
    world.run(900)
    at = [message for message in node.heard if message.method == "hello"]
    assert len(at) == 3 + 2 + 2 + 2
    assert world.count("silent") == 1
    assert world.attachment(node).reason == "silent"


def test_forged_replies_and_queries_are_not_believed() -> None:
    world = KadWorld()
    node = world.node(1)
    world.run(10)
    at, local = world.attachment(node), local_of(world, node)
    table, row = world.fleet._roster.table, world.fleet._roster.row_of(node.ip, node.port)
    key = int(table.peer_key[row])
    world.fleet._timetable.ask(world.now, row)  # a query is out, so that a reply would be awaited
    world.fleet._timetable.arm(world.now, np.array([row]))
    world.run(30)
    heard_ns = int(table.heard_ns[row])
    table.outstanding[row] = 1
    other = b"\xa4" * 16
    for node_id in (node.node_id, other):
        reply = forged(world, node, messages.hello(Op.HELLO_RES, Hello(node_id, 1, 8, 3)))
        world.feed(local, node.ip, node.port, reply)
    assert world.count("unproved_reply") == 2
    query = forged(world, node, messages.hello(Op.HELLO_REQ, Hello(node.node_id)))
    output = world.feed(local, node.ip, node.port, query)
    assert len(output.outgoing) == 1  # an answer does no harm, it goes to the target
    assert world.count("unproved_query") == 1
    assert (int(table.peer_key[row]), int(table.heard_ns[row])) == (key, heard_ns)
    assert (world.attachment(node).status, world.attachment(node).number) == (0, at.number)


def test_queries_that_nobody_believes_cost_no_more_hellos_than_clients_take() -> None:
    world = KadWorld()
    node = world.node(1)
    world.run(10)
    local, before = local_of(world, node), len(node.hellos)
    for _ in range(300):
        world.feed(local, node.ip, node.port, forged(world, node, messages.hello(Op.HELLO_REQ, Hello(node.node_id))))
        world.run(1)
    assert world.count("unproved_query") > 100
    assert node.dropped == 0
    assert len(node.hellos) - before <= 300 / 20


def test_forged_packets_are_read_only_so_often_while_a_reply_is_awaited() -> None:
    world = KadWorld()
    node = world.node(1, answers=False)
    world.run(1)
    local, row = local_of(world, node), world.fleet._roster.row_of(node.ip, node.port)
    assert world.fleet._roster.table.outstanding[row]
    contacts = messages.response(b"\xa4" * 16, 200 * [messages.Contact(b"\xa4" * 16, node.ip, 4672, 4662, 8)])
    hello = messages.hello(Op.HELLO_RES, Hello(b"\xa5" * 16))
    for packet in 50 * [contacts, hello]:
        world.feed(local, node.ip, node.port, forged(world, node, packet))
    read = world.count("unmatched_reply") + world.count("unproved_reply")
    assert 0 < read <= world.fleet.settings.packet_burst
    assert world.count("target_limited") == 100 - read


def test_an_unproved_node_under_another_id_changes_nothing() -> None:
    world = KadWorld()
    node = world.node(1, answers=False)
    world.run(1)
    data = forged(world, node, messages.hello(Op.HELLO_RES, Hello(b"\xa5" * 16)))
    world.feed(local_of(world, node), node.ip, node.port, data)
    assert world.count("unproved_reply") == 1
    assert world.count("changed_id") == 0
    assert world.attachment(node).lost_ns == 0


def test_lookups_are_captured_and_answered_to_nobody() -> None:
    world = KadWorld()
    node = world.node(1)
    world.run(10)
    at, local = world.attachment(node), local_of(world, node)
    key = b"\xa5" * 16
    stranger = KadNode(b"\x12" * 16, ip_number("100.65.0.1"))
    for who in (node, stranger):
        for asked in (2, 4, 11):
            packet = messages.request(asked, key, at.monitor_id)
            data = who.says(at.monitor_ip, at.monitor_port, Peer(at.monitor_id), packet)
            assert world.feed(local, who.ip, who.port, data).outgoing == []
    wrong = messages.request(2, key, node.node_id)
    world.feed(local, stranger.ip, 4672, stranger.says(at.monitor_ip, 1, Peer(at.monitor_id), wrong))
    hello = messages.hello(Op.HELLO_REQ, Hello(stranger.node_id))
    output = world.feed(local, stranger.ip, 4672, stranger.says(at.monitor_ip, 1, Peer(at.monitor_id), hello))
    assert output.outgoing == []
    captures = [capture for capture in world.captures if len(capture)]
    kinds = [Kind(int(capture.kind[0])) for capture in captures]
    assert kinds == [Kind.SEARCH, Kind.PUBLISH, Kind.NODE_LOOKUP] * 2
    flags = [bool(capture.flags[0] & Flag.FROM_TARGET) for capture in captures]
    assert flags == [True] * 3 + [False] * 3
    assert {bytes(capture.key[0]) for capture in captures} == {key}
    assert {bytes(capture.requester_id[0]) for capture in captures} == {bytes(16)}
    assert world.count("malformed_wrong_recipient") == 1
    assert world.count("stranger_other") == 1


def test_each_monitor_has_an_address_of_its_own_whatever_the_ports() -> None:
    world = KadWorld(ports="5672-5679", monitors="198.18.0.0/30")
    nodes = [world.node(last) for last in range(1, 7)]
    world.run(20)
    taken = [world.attachment(node).monitor_ip for node in nodes[:4] if node.hellos]
    assert world.fleet.states()["visible"] == 4
    assert len(set(taken)) == len(taken) == 4
    assert world.count("pool_exhausted") == 1
    assert world.fleet.states()["waiting"] == 2


def test_a_moved_monitor_is_taken_at_its_new_address() -> None:
    world = KadWorld()
    node = world.node(1)
    world.run(10)
    row = world.fleet._roster.row_of(node.ip, node.port)
    first = world.attachment(node)
    assert world.fleet._move(world.now, row)
    world.run(30)
    second = world.attachment(node)
    assert (second.number, first.monitor_id) == (first.number + 1, second.monitor_id)
    assert second.monitor_ip != first.monitor_ip
    assert node.table[second.monitor_id].ip == second.monitor_ip
    assert second.visible


def test_ids_at_local_addresses() -> None:
    world = KadWorld()
    node = world.node(1)
    world.run(1)
    local = local_of(world, node)
    ids = world.fleet.ids_at(np.array([local, 0, local + 1, 10**6], np.int32))
    assert ids.shape == (4, 16)
    assert bytes(ids[0]) == beside(node.node_id)
    assert not ids[1:].any()


@pytest.mark.parametrize("new_key", [False, True])
def test_a_target_that_forgot_all_is_introduced_to_again(new_key: bool) -> None:
    world = KadWorld()
    node = world.node(1)
    world.run(100)
    node.table.clear()
    if new_key:
        node.wire = KadWire(b"another", Random(4))
    world.run(3000)
    at = world.attachment(node)
    assert node.hands_out(at.monitor_id)
    assert len(at.visible) == 2
    assert world.count("dropped") == 1
    row = world.fleet._roster.row_of(node.ip, node.port)
    secret = b"another" if new_key else node.node_id[:4]
    assert int(world.fleet._roster.table.peer_key[row]) == verify_key(at.monitor_ip, secret)
    assert node.dropped == 0
