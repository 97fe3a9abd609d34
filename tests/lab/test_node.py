"""Real libtorrent nodes, a handful of them."""

import random
import time
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("libtorrent")

from montra.lab import node as module
from montra.lab.node import AlertsLostError, LabNode
from montra.lab.packets import Packet
from montra.lab.population import Placement
from montra.lab.settings import LabError

KEY = b"\xa5" * 20


def start(subnet: str, n: int) -> list[LabNode]:
    rng = random.Random(n)
    places = [Placement(rng.randbytes(20), f"127.182.{subnet}{i}.1", 6881, True) for i in range(n)]
    return [LabNode(i, place, [], logging=True) for i, place in enumerate(places)]


def until(holds: Callable[[], bool], limit_s: float = 10.0) -> None:
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, "too late"
        time.sleep(0.02)


@pytest.fixture
def nodes() -> Iterator[list[LabNode]]:
    nodes = start("2", 4)
    yield nodes
    for node in nodes:
        node.close()


def knows(node: LabNode, others: list[LabNode]) -> bool:
    node.drain(set())
    if node.table == {other.place.node_id for other in others}:
        return True
    if node.table is not None:
        node.ask_table()
    return False


def test_nodes_meet_and_look_up_under_their_chosen_ids(nodes: list[LabNode]) -> None:
    asker, *others = nodes
    for other in others:
        asker.meet(other.place.ip, other.place.port)
    asker.ask_table()
    until(lambda: knows(asker, others))

    asker.announce(KEY, seed=True)
    sent: list[Packet] = []
    received: dict[int, list[Packet]] = {other.index: [] for other in others}

    def announced() -> bool:
        sent.extend(asker.drain({KEY}))
        for other in others:
            received[other.index].extend(other.drain({KEY}))
        return all(len(packets) == 2 for packets in received.values())

    until(announced)
    # others hand the asker its own address, and libtorrent then asks itself too
    abroad = [packet for packet in sent if packet.ip != asker.place.ip]
    assert len(abroad) == 6
    assert all(packet.sent for packet in abroad)
    assert {packet.ip for packet in abroad} == {other.place.ip for other in others}
    for packets in received.values():
        assert packets == [
            Packet(False, asker.place.ip, 6881, "get_peers", KEY),
            Packet(False, asker.place.ip, 6881, "announce_peer", KEY),
        ]


def test_bootstraps_from_remembered_nodes(nodes: list[LabNode]) -> None:
    place = Placement(b"\x01" * 20, "127.182.29.1", 6881, False)
    newcomer = LabNode(9, place, [(node.place.ip, node.place.port) for node in nodes], logging=False)
    newcomer.ask_table()
    until(lambda: knows(newcomer, nodes))
    newcomer.close()


def test_a_log_that_overflows_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module._BASE, "alert_queue_size", 5)
    nodes = start("3", 2)
    nodes[0].meet(nodes[1].place.ip, 6881)

    def read_rarely() -> bool:
        time.sleep(0.3)
        nodes[0].drain(set())
        return False

    with pytest.raises(AlertsLostError) as caught:
        until(read_rarely)
    assert caught.value.index == 0
    for node in nodes:
        node.close()


def test_a_packet_that_cannot_be_read_is_no_truth(nodes: list[LabNode], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "direction", lambda _: None)
    nodes[0].meet(nodes[1].place.ip, 6881)
    nodes[0].ask_table()
    # other packets are not placed, so they do no harm
    until(lambda: knows(nodes[0], nodes[1:2]))
    nodes[0].look_up(KEY)

    def read() -> bool:
        nodes[0].drain({KEY})
        return False

    with pytest.raises(AlertsLostError, match="node 0 holds a packet of unknown form"):
        until(read)


def test_an_address_in_use_is_told(nodes: list[LabNode]) -> None:
    with pytest.raises(LabError, match=r"cannot use 127\.182\.20\.1:6881 \(Address already in use\): is another lab"):
        LabNode(9, nodes[0].place, [], logging=False)
