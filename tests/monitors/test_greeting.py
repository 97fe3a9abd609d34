"""The pong that nobody asked for, to targets whose client names no version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from montra.overlays.mainline import OVERLAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Krpc, Node, World

RTORRENT = b"lt\x0d\x80"


def greetings(node: Node) -> list[float]:
    """Return when pongs reached the node, in seconds since its first introduction."""
    messages = [(at, OVERLAY.parse(data)) for at, data in node.replies]
    assert {(m.type, m.transaction, m.sender_id) for _, m in messages} <= {
        ("reply", b"pn\0\0", node.node_id[:-1] + b"\x01")
    }
    return [round((at - node.queries[0][0]) / 1e9, 3) for at, _ in messages]


def test_it_follows_the_first_answer_and_comes_once(world: World) -> None:
    node = world.attached(1)
    world.run(3000)
    assert greetings(node) == [0.03]
    assert len(node.queries) > 8  # introductions, keep-alives, and their answers
    assert world.count("greetings") == 1


def test_a_client_that_wants_a_reply_hands_the_monitor_out_at_the_second_introduction(world: World) -> None:
    node = world.attached(1, lists=True, wants_replies=True)
    world.run(3)
    attachment = world.attachment(node)
    assert attachment.visible == ((attachment.introduced_ns + 230_000_000, 0),)
    assert greetings(node) == [0.03]


def test_clients_with_a_version_get_none(world: World) -> None:
    node = world.attached(1, version=RTORRENT)
    world.run(3000)
    assert node.replies == []
    assert world.count("accepted") == 1
    assert world.count("greetings") == 0


def test_the_version_is_that_of_the_answer_not_what_the_crawl_heard(world: World) -> None:
    node = world.node(1, version=RTORRENT)
    world.found(node)
    other = world.node(2)
    world.found(other, RTORRENT)
    world.run(5)
    assert (greetings(node), greetings(other)) == ([], [0.03])


def test_who_hands_us_out_already_needs_none(world: World) -> None:
    node = world.attached(1, lists=True)
    world.run(1000)
    assert node.replies == []


def test_a_target_that_queried_us_first_has_our_answer_and_needs_none(world: World, krpc: Krpc) -> None:
    node = world.attached(1, answers=False)
    world.from_node(node, krpc.query(b"ping", node.node_id))
    node.answers = True
    world.run(3000)
    assert [OVERLAY.parse(data).transaction for _, data in node.replies] == [b"aa"]


def test_an_error_is_not_greeted(world: World) -> None:
    node = world.attached(1, answers=False)
    transaction = OVERLAY.parse(node.queries[0][1]).transaction
    world.from_node(node, b"d1:eli203e4:oopse1:t4:%b1:y1:ee" % transaction)
    assert world.count("error_replies") == 1
    assert node.replies == []


def test_only_a_reply_with_our_transaction_brings_one(world: World, krpc: Krpc) -> None:
    node = world.attached(1, answers=False)
    assert world.from_node(node, krpc.reply(node.node_id, b"zzzz")) == []
    transaction = OVERLAY.parse(node.queries[0][1]).transaction
    assert len(world.from_node(node, krpc.reply(node.node_id, transaction))) == 1
    assert world.from_node(node, krpc.reply(node.node_id, transaction)) == []


def test_later_introductions_bring_none(make_world: Callable[..., World]) -> None:
    world = make_world(max_moves=0, keep_alive_s=3000.0)
    node = world.attached(1)
    mute = world.attached(2, answers=False)
    for second in range(600):
        world.run(1)
        if world.fleet.take_probes():
            world.view(node, listed=False)
        mute.answers = second > 20
    assert len(node.queries) >= 8
    assert len(mute.queries) >= 5
    assert greetings(node) == [0.03]
    assert mute.replies == []


def test_it_is_charged_to_the_targets_allowance(make_world: Callable[..., World]) -> None:
    world = make_world(packet_burst=1)  # the introduction itself uses it up
    node = world.attached(1)
    world.run(1)
    assert world.count("accepted") == 1
    assert node.replies == []
