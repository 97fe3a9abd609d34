"""Reading a lab's log."""

from pathlib import Path

import pytest

from montra.datagrams import ip_number
from montra.lab.events import Overflow
from montra.validation.alive import closest_live
from montra.validation.truth import TruthError, load_truth

from .worlds import asks, at, down, hears, id_of, node_ip, sends, up, write_truth


def test_a_lookup_with_all_that_came_of_it(tmp_path: Path) -> None:
    truth = load_truth(
        write_truth(
            tmp_path,
            [
                up(1, 0xA4),
                up(2, 0xA5),
                up(3, 0xA6),
                up(4, 0x10),
                asks(4, 0xA5, 10.0, announce=True),
                sends(4, node_ip(1), 6881, 0xA5, 10.01),
                sends(4, "127.190.1.7", 20000, 0xA5, 10.02),
                hears(1, 4, 0xA5, 10.01),
                hears(3, 4, 0xA5, 10.02),
                hears(1, 4, 0xA5, 10.5),
                hears(1, 4, 0xA5, 25.0, "announce_peer"),
            ],
        )
    )
    (lookup,) = truth.lookups
    assert (lookup.t_ns, lookup.announce, lookup.noseed, lookup.requester.index) == (at(10), True, True, 4)
    assert lookup.received == {1: at(10.01), 3: at(10.02)}
    assert lookup.stored == {1}
    assert lookup.asked == {(ip_number(node_ip(1)), 6881): at(10.01), (ip_number("127.190.1.7"), 20000): at(10.02)}
    destination = truth.destination(lookup)
    (closest,) = closest_live(truth)
    assert destination is not None
    assert closest is not None
    assert destination.node_id == id_of(0xA4)  # a4 ^ a5 = 1, a6 ^ a5 = 3
    assert closest.node_id == id_of(0xA5)  # lived, but the query never came to it
    assert (lookup.method, {node.client for node in truth.nodes.values()}) == ("get_peers", {"libtorrent"})
    assert (truth.zone, truth.converged_ns, truth.end_ns, truth.stray) == ("a4/6", at(2), at(100), 0)


def test_the_dead_and_the_unborn_are_not_closest(tmp_path: Path) -> None:
    events = [
        up(1, 0xA5),
        up(2, 0xA4),
        down(1, 0xA5, 5.0),
        asks(2, 0xA5, 10.0),
        up(3, 0xA5, 12.0),
        asks(2, 0xA5, 170.0),
        down(3, 0xA5, 171.0),
    ]
    truth = load_truth(write_truth(tmp_path, events, end_s=200.0))
    assert [node.index for node in closest_live(truth) if node] == [2, 3]
    assert [truth.destination(lookup) for lookup in truth.lookups] == [None, None]
    assert truth.nodes[1].lives(at(0))
    assert truth.nodes[1].lives(at(4.9))
    assert not truth.nodes[1].lives(at(5.0))


def test_packets_go_to_the_last_command_of_their_pair(tmp_path: Path) -> None:
    events = [
        up(1, 0xA5),
        up(2, 0xA4),
        hears(1, 2, 0xA5, 9.0),
        asks(2, 0xA5, 10.0),
        hears(1, 2, 0xA5, 10.1),
        asks(2, 0xA6, 20.0),
        hears(1, 2, 0xA6, 20.1),
        asks(2, 0xA5, 170.0),
        hears(1, 2, 0xA5, 170.1),
        hears(1, 2, 0xA6, 170.2),
    ]
    truth = load_truth(write_truth(tmp_path, events, end_s=300.0))
    assert [lookup.received for lookup in truth.lookups] == [{1: at(10.1)}, {1: at(20.1)}, {1: at(170.1)}]
    assert truth.stray == 2


def test_the_requester_may_be_the_destination(tmp_path: Path) -> None:
    events = [up(1, 0xA5), up(2, 0xA4), asks(1, 0xA5, 10.0), hears(2, 1, 0xA5, 10.0), hears(1, 1, 0xA5, 10.0)]
    truth = load_truth(write_truth(tmp_path, events))
    destination = truth.destination(truth.lookups[0])
    assert destination is truth.lookups[0].requester


def test_refuses_an_incomplete_truth(tmp_path: Path) -> None:
    with pytest.raises(TruthError, match=r"cannot read .*: No such file"):
        load_truth(tmp_path / "none")
    with pytest.raises(TruthError, match="has no end"):
        load_truth(write_truth(tmp_path / "unfinished", [up(1, 0xA5)], end_s=None))
    with pytest.raises(TruthError, match="overflowed"):
        load_truth(write_truth(tmp_path / "overflow", [up(1, 0xA5), Overflow(t_ns=at(5), index=1)]))
    with pytest.raises(TruthError, match="node 7 was never up"):
        load_truth(write_truth(tmp_path / "unborn", [asks(7, 0xA5, 5.0)]))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "lab.jsonl").touch()
    with pytest.raises(TruthError, match="has no beginning"):
        load_truth(tmp_path / "empty")
    (tmp_path / "empty" / "lab.jsonl").write_text("{}\n")
    with pytest.raises(TruthError, match=r"lab\.jsonl"):
        load_truth(tmp_path / "empty")


def test_refuses_another_schema(tmp_path: Path) -> None:
    path = write_truth(tmp_path, [up(1, 0xA5)]) / "lab.jsonl"
    path.write_text(path.read_text().replace('"schema":1', '"schema":2'))
    with pytest.raises(TruthError, match="schema 2, this version reads 1"):
        load_truth(tmp_path)
