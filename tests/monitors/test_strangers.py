"""Who of the strangers that ask a monitor is replied to, from which address, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from montra.datagrams import Datagram, StrangerReply, ip_number
from montra.monitors.strangers import SPARES
from montra.overlays.mainline import OVERLAY
from zone_store.captures import Kind

if TYPE_CHECKING:
    from conftest import Krpc, World

STRANGER = (ip_number("192.0.2.7"), 40_001)
STRANGER_ID = b"s" * 20
KEY = b"\xa4" + bytes(19)
FAR = b"\x5b" + b"\xff" * 19
LOOKUP = b"9:info_hash20:" + KEY
VERSION = b"1:v4:LT\x02\x111:y1:qe"


def libtorrent(query: bytes) -> bytes:
    return query.removesuffix(b"1:y1:qe") + VERSION


def replies(outgoing: list[Datagram]) -> list[StrangerReply]:
    return [datagram for datagram in outgoing if type(datagram) is StrangerReply]


@pytest.mark.parametrize("method", [b"get_peers", b"find_node"])
def test_a_strangers_lookup_is_answered_from_the_monitor_and_captured(
    method: bytes, make_world: Callable[..., World], krpc: Krpc
) -> None:
    world = make_world(replies="least")
    local = world.local(world.attached(1))
    name = b"9:info_hash20:" if method == b"get_peers" else b"6:target20:"
    output = world.deliver(local, *STRANGER, libtorrent(krpc.query(method, STRANGER_ID, b"xy", name + KEY)))
    assert output.outgoing == [
        StrangerReply(local, *STRANGER, b"d1:rd2:id20:" + FAR + b"5:nodes0:e1:t2:xy1:v4:mT\0\x011:y1:re")
    ]
    assert type(output.outgoing[0]) is StrangerReply
    assert len(output.captures) == 1
    assert world.count("stranger_replies_far_id") == 1


def test_silence_is_free_of_any_reply(world: World, krpc: Krpc) -> None:
    local = world.local(world.attached(1))
    query = libtorrent(krpc.query(b"get_peers", STRANGER_ID, b"xy", LOOKUP))
    assert world.deliver(local, *STRANGER, query).outgoing == []
    assert world.fleet._strangers is None
    assert [name for name in world.fleet.counters.counts if name.startswith("stranger")] == []


def test_families_that_are_left_silent_get_nothing(make_world: Callable[..., World], krpc: Krpc) -> None:
    world = make_world(replies="least")
    local = world.local(world.attached(1))
    query = krpc.query(b"get_peers", STRANGER_ID, b"xy", LOOKUP).removesuffix(b"1:y1:qe") + b"1:v4:XX\0\x001:y1:qe"
    assert world.deliver(local, *STRANGER, query).outgoing == []
    assert world.count("captured") == 1


def test_the_target_is_answered_as_before(make_world: Callable[..., World], krpc: Krpc) -> None:
    query = libtorrent(krpc.query(b"get_peers", STRANGER_ID, b"xy", LOOKUP))
    said = {}
    for mode in ("paper", "far-id", "error", "once"):
        world = make_world(replies=mode)
        node = world.attached(1, answers=False)
        local = world.local(node)
        own = libtorrent(krpc.query(b"get_peers", node.node_id, b"xy", LOOKUP))
        said[mode] = [world.from_node(node, data) for data in (own, krpc.query(b"ping", node.node_id))]
        assert len(replies(world.deliver(local, *STRANGER, query).outgoing)) == (mode != "paper")
    assert len(set(map(str, said.values()))) == 1
    assert [len(answers) for answers in said["once"]] == [1, 1]
    assert replies(said["once"][0]) == []


@pytest.mark.parametrize(
    "payload",
    [
        b"d1:ad2:id20:" + STRANGER_ID + b"e1:q4:ping1:t2:xy1:y1:qe",
        b"d1:ad2:id20:" + STRANGER_ID + b"6:target20:" + KEY + b"e1:q3:get1:t2:xy1:y1:qe",
        b"d1:ad2:id20:" + STRANGER_ID + LOOKUP + b"4:porti1e5:token1:te1:q13:announce_peer1:t2:xy1:y1:qe",
        b"d1:rd2:id20:" + STRANGER_ID + b"5:nodes0:e1:t2:xy1:y1:re",
        b"d1:eli202e12:Server Errore1:t2:xy1:y1:ee",
        # refreshes: towards its own ID, and of a table that is still empty
        b"d1:ad2:id20:"
        + STRANGER_ID
        + b"9:info_hash20:"
        + STRANGER_ID[:12]
        + bytes(8)
        + b"e1:q9:get_peers1:t2:xy1:y1:qe",
        b"d1:ad2:bsi1e2:id20:" + STRANGER_ID + LOOKUP + b"e1:q9:get_peers1:t2:xy1:y1:qe",
        b"junk",
    ],
)
def test_nothing_but_lookups_that_somebody_waits_for(payload: bytes, make_world: Callable[..., World]) -> None:
    world = make_world(replies="far-id")
    assert world.deliver(world.local(world.attached(1)), *STRANGER, payload).outgoing == []


def test_none_of_our_own_and_no_address_without_a_monitor(make_world: Callable[..., World], krpc: Krpc) -> None:
    world = make_world(replies="far-id")
    local = world.local(world.attached(1))
    query = krpc.query(b"get_peers", STRANGER_ID, b"xy", LOOKUP)
    assert world.deliver(local, *world.pool.address(7), query).outgoing == []
    assert world.deliver(local + 1, *STRANGER, query).outgoing == []
    assert len(world.deliver(local, *STRANGER, query).outgoing) == 1


def test_a_monitor_that_lingers_still_replies_and_a_repeat_is_answered_again(
    make_world: Callable[..., World], krpc: Krpc
) -> None:
    world = make_world(replies="far-id", linger_s=60.0)
    node = world.attached(1)
    local = world.local(node)
    query = krpc.query(b"get_peers", STRANGER_ID, b"xy", LOOKUP)
    assert [len(world.deliver(local, *STRANGER, query).outgoing) for _ in range(3)] == [1, 1, 1]
    world.fleet.changed(world.now, node.node_id, bytes(20), node.ip, node.port, in_zone=False)
    assert len(world.deliver(local, *STRANGER, query).outgoing) == 1
    world.run(61)
    assert world.deliver(local, *STRANGER, query).outgoing == []
    assert world.count("stranger_replies_far_id") == 4


def test_discarding_replies_come_from_addresses_aside_that_take_turns(
    make_world: Callable[..., World], krpc: Krpc
) -> None:
    world = make_world(replies="discard", pool=SPARES + 2)
    node = world.attached(1)
    local = world.local(node)
    query = krpc.query(b"get_peers", STRANGER_ID, b"gp\0\1", LOOKUP)
    sent = [reply for _ in range(SPARES + 4) for reply in world.deliver(local, *STRANGER, query).outgoing]
    used = [reply.local for reply in sent]
    assert len(sent) == SPARES + 4
    assert len(set(used)) == SPARES
    assert local not in used
    assert len(set(used[-4:])) == 4
    assert OVERLAY.parse(sent[0].payload).transaction == b"gp\0"
    assert b"2:id20:" + world.attachment(node).monitor_id in sent[0].payload


def test_without_an_address_aside_there_is_silence(make_world: Callable[..., World], krpc: Krpc) -> None:
    world = make_world(replies="discard", pool=1)
    local = world.local(world.attached(1))
    query = krpc.query(b"get_peers", STRANGER_ID, b"gp\0\1", LOOKUP)
    assert world.deliver(local, *STRANGER, query).outgoing == []
    assert world.count("stranger_no_spare") == 1
    assert world.count("stranger_replies_discard") == 0


def test_addresses_aside_give_way_to_targets(make_world: Callable[..., World], krpc: Krpc) -> None:
    world = make_world(replies="discard", pool=4, linger_s=60.0)
    node = world.attached(1)
    local = world.local(node)
    query = krpc.query(b"get_peers", STRANGER_ID, b"gp\0\1", LOOKUP)
    (sent,) = world.deliver(local, *STRANGER, query).outgoing
    assert len(world.pool.held) == 4
    monitor_id = world.attachment(node).monitor_id
    assert world.pool.asked[-1][0] == bytes(255 - byte for byte in monitor_id)
    others = [world.attached(last) for last in (2, 3)]
    assert len({world.local(node) for node in others} | {local, sent.local}) == 4
    assert world.deliver(local, *STRANGER, query).outgoing == [sent]
    last = world.attached(4)
    assert world.local(last) == sent.local
    assert (world.count("pool_exhausted"), world.count("stranger_no_spare")) == (0, 0)
    # who comes now waits for an address that falls free, and lookups do not take it away
    waiting = world.attached(5)
    assert world.count("pool_exhausted") == 1
    world.fleet.changed(world.now, last.node_id, bytes(20), last.ip, last.port, in_zone=False)
    world.run(60)
    assert world.deliver(local, *STRANGER, query).outgoing == []
    world.run(1)
    assert world.local(waiting) == sent.local
    assert world.count("stranger_no_spare") == 1


def test_one_monitor_of_the_fleet_gets_the_announce(make_world: Callable[..., World], krpc: Krpc) -> None:
    world = make_world(replies="once")
    locals_ = [world.local(world.attached(last)) for last in (1, 2, 3)]
    query = krpc.query(b"get_peers", STRANGER_ID, b"xy", LOOKUP)
    said = [world.deliver(local, *STRANGER, query).outgoing[0].payload for local in locals_]
    assert [b"5:token8:" in payload for payload in said] == [True, False, False]
    token = said[0].partition(b"5:token8:")[2][:8]
    announce = krpc.query(b"announce_peer", STRANGER_ID, b"zz", LOOKUP + b"4:porti6881e5:token8:" + token)
    output = world.deliver(locals_[0], *STRANGER, announce)
    assert [d.payload for d in output.outgoing] == [said[0][:32] + b"e1:t2:zz1:v4:mT\0\x011:y1:re"]
    assert output.captures.kind.tolist() == [Kind.ANNOUNCE]
    assert output.captures.port.tolist() == [6881]
    assert world.count("stranger_replies_once") == 2
    forged = krpc.query(b"announce_peer", STRANGER_ID, b"zz", LOOKUP + b"4:porti6881e5:token8:" + bytes(8))
    assert world.deliver(locals_[0], *STRANGER, forged).outgoing == []
    assert world.count("stranger_bad_token") == 1


def test_rtorrent_is_told_by_rank_who_may_answer(make_world: Callable[..., World], krpc: Krpc) -> None:
    world = make_world(replies="least")
    nodes = [world.node(last) for last in (1, 2, 4, 8, 16)]
    for node in nodes:
        node.node_id = b"\xa4" + bytes((node.ip & 0xFF,)) + bytes(18)
        world.found(node)
    world.run(0.1)
    key = b"\xa4" + bytes(18) + b"\1"  # its nearest node is the first, and so on
    query = krpc.query(b"find_node", STRANGER_ID, b"x", b"6:target20:" + key).removesuffix(b"1:y1:qe")
    query += b"1:v4:lt\r\x801:y1:qe"
    locals_ = [world.local(node) for node in nodes]
    said = {d.local: d.payload for local in locals_ for d in world.deliver(local, *STRANGER, query).outgoing}
    types = [OVERLAY.parse(said[local]).type for local in locals_]
    assert types == ["error", "error", "error", "reply", "reply"]  # whenever each is sent
    assert said[locals_[4]][12:32] == world.attachment(nodes[4]).monitor_id
    assert world.count("stranger_replies_behind") == 5
