"""From sightings to truth: who received what, through which NAT, and which lookup a packet belongs to."""

import ipaddress
from dataclasses import dataclass, field
from typing import Any

from montra.datagrams import ip_number
from montra.lab.events import Announce, Lookup, NodeDown, NodeUp
from montra.lab.mixed.network import Record
from montra.lab.mixed.orders import Search
from montra.lab.mixed.witness import Sighting
from montra.validation.mixed import MixedTruth, mixed_truth

MONITORS = ipaddress.IPv4Network("10.100.0.0/16")
SECOND = 1_000_000_000
END_NS = 300 * SECOND
KEY, OTHER = b"\x00" * 20, b"\xff" * 20
LT1, LT2, ARIA, RTORRENT, HOME = "10.10.1.1", "10.10.2.1", "10.201.1.1", "10.217.1.1", "172.20.1.1"
MONITOR, MONITOR2 = "10.100.0.1", "10.100.1.1"


@dataclass
class FakeClient:
    name: str
    by_find_node: bool = False


@dataclass
class FakeMember:
    client: FakeClient
    ip: str
    home: object | None = None
    nat: str = "none"
    up_ns: int = 0
    down_ns: int = 0
    port: int = 6881


@dataclass
class World:
    """Two libtorrent nodes, aria2, rTorrent and, with `nat`, libtorrent at home; filled with what a test wants."""

    nat: str = ""
    events: list[Any] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)
    public: list[Sighting] = field(default_factory=list)
    at_home: list[Sighting] = field(default_factory=list)
    ids: dict[str, bytes] = field(default_factory=dict)

    def truth(self) -> MixedTruth:
        members: list[Any] = [
            FakeMember(FakeClient("aria2"), ARIA),
            FakeMember(FakeClient("rtorrent", by_find_node=True), RTORRENT),
        ]
        if self.nat:
            members.append(FakeMember(FakeClient("libtorrent"), HOME, home=object(), nat=self.nat))
        ups = [
            NodeUp(t_ns=0, index=i, id=bytes([0x20 - 0x10 * i] * 20).hex(), ip=ip, port=6881)
            for i, ip in enumerate((LT1, LT2))
        ]
        ids = {ARIA: b"\x01" * 20, RTORRENT: b"\x02" * 20, HOME: b"\x03" * 20} | self.ids
        record = Record(
            members=members,
            searches=self.searches,
            events=[*ups, *self.events],
            seen=[self.public, self.at_home],
            ids={ip_number(ip): node_id for ip, node_id in ids.items() if node_id},
            dropped=0,
            ended=0,
            skipped=1,
            refused=2,
            converged_ns=0,
            link=None,
        )
        return mixed_truth(record, MONITORS, END_NS)


def seen(
    at_s: float,
    source: str,
    to: str,
    *,
    key: bytes = KEY,
    method: str = "get_peers",
    sent: bool = False,
    source_port: int = 6881,
) -> Sighting:
    return Sighting(int(at_s * SECOND), sent, ip_number(source), source_port, ip_number(to), 6881, method, key)


def lookup(at_s: float, index: int = 0, ip: str = LT1, key: bytes = KEY) -> Lookup:
    return Lookup(t_ns=int(at_s * SECOND), index=index, ip=ip, port=6881, key=key.hex(), noseed=False)


def test_who_received_is_who_it_arrived_at() -> None:
    world = World(events=[lookup(1.0)])
    world.public = [seen(1.1, LT1, LT2), seen(1.2, LT1, ARIA, sent=True), seen(1.3, LT1, MONITOR)]
    mixed = world.truth()
    (only,) = mixed.truth.lookups
    assert only.received == {1: int(1.1 * SECOND)}
    assert set(only.asked) == {(ip_number(ip), 6881) for ip in (LT2, ARIA, MONITOR)}
    assert mixed.arrived == [{(ip_number(LT2), 6881), (ip_number(MONITOR), 6881)}]
    assert mixed.truth.skipped == 3


def test_the_nearest_of_all_clients_is_the_destination() -> None:
    world = World(events=[lookup(1.0)], public=[seen(1.1, LT1, LT2), seen(1.2, LT1, ARIA)])
    truth = world.truth().truth
    destination = truth.destination(truth.lookups[0])
    assert destination is not None
    assert (destination.client, destination.node_id) == ("aria2", b"\x01" * 20)


def test_a_requester_that_is_nearest_needs_no_packet_to_itself() -> None:
    world = World(searches=[Search(SECOND, 0, KEY), Search(SECOND, 0, OTHER)])
    world.public = [seen(1.1, ARIA, LT1), seen(1.1, ARIA, LT1, key=OTHER)]
    near, far = world.truth().truth.lookups
    assert near.received == {0: int(1.1 * SECOND), 2: SECOND}  # aria2 is 2
    assert far.received == {0: int(1.1 * SECOND)}


def test_an_announce_is_stored_not_received() -> None:
    world = World(events=[Announce(t_ns=SECOND, index=0, ip=LT1, port=6881, key=KEY.hex(), noseed=True)])
    world.public = [seen(1.5, LT1, LT2, method="announce_peer")]
    (only,) = world.truth().truth.lookups
    assert (only.announce, only.stored, only.received) == (True, {1}, {})


def test_searches_of_programs_are_announces_by_their_own_method() -> None:
    world = World(searches=[Search(SECOND, 0, KEY), Search(2 * SECOND, 1, OTHER)])
    world.public = [seen(2.1, RTORRENT, LT1, key=OTHER, method="find_node")]
    first, second = world.truth().truth.lookups
    assert (first.requester.client, first.method, first.announce) == ("aria2", "get_peers", True)
    assert (second.requester.client, second.method) == ("rtorrent", "find_node")
    assert second.received == {0: int(2.1 * SECOND)}


def test_a_packet_belongs_to_the_newest_command_before_it() -> None:
    world = World(events=[lookup(1.0), lookup(200.0)])
    world.public = [seen(1.5, LT1, LT2), seen(200.5, LT1, LT2), seen(0.5, LT1, LT2), seen(150.0, LT1, LT2)]
    world.public.append(seen(201.0, LT2, LT1))
    mixed = world.truth()
    assert [one.received for one in mixed.truth.lookups] == [{1: int(1.5 * SECOND)}, {1: int(200.5 * SECOND)}]
    assert mixed.truth.stray == 3


def test_what_came_after_the_window_is_left_out() -> None:
    world = World(events=[lookup(290.0)], public=[seen(299.9, LT1, LT2), seen(300.0, LT1, ARIA)])
    assert world.truth().truth.lookups[0].received == {1: int(299.9 * SECOND)}


def test_who_has_left_receives_nothing() -> None:
    down = NodeDown(t_ns=2 * SECOND, index=1, id="20" * 20, ip=LT2, port=6881)
    world = World(events=[lookup(1.0), down], public=[seen(1.5, LT1, LT2), seen(2.5, LT1, ARIA)])
    world.public.append(seen(2.6, LT1, LT2))
    (only,) = world.truth().truth.lookups
    assert only.received == {1: int(1.5 * SECOND), 2: int(2.5 * SECOND)}


def test_behind_a_nat_counts_what_came_through() -> None:
    world = World(nat="port restricted", events=[lookup(1.0)])
    world.public = [seen(1.1, LT1, HOME, sent=True)]
    assert world.truth().truth.lookups[0].received == {}
    world.at_home = [seen(1.2, LT1, "192.168.1.2")]
    truth = world.truth().truth
    destination = truth.destination(truth.lookups[0])
    assert destination is not None
    assert (destination.node_id, destination.labels) == (b"\x03" * 20, {"nat": "port restricted"})


def test_a_lookup_through_a_symmetric_nat_is_the_first_port_at_a_monitor() -> None:
    world = World(nat="symmetric", searches=[Search(SECOND, 2, KEY)])
    world.public = [
        seen(1.1, HOME, LT1, source_port=4001),
        seen(1.2, HOME, MONITOR, source_port=4002),
        seen(1.3, HOME, MONITOR2, source_port=4003),
    ]
    (only,) = world.truth().truth.lookups
    assert (only.requester.ip, only.requester.port) == (ip_number(HOME), 4002)
    assert only.requester.node_id == b"\x03" * 20


def test_ids_are_the_packets_own() -> None:
    world = World(ids={LT1: b"\x99" * 20})
    assert world.truth().id_conflicts == 1
    assert World().truth().silent == 0
    mixed = World(ids={ARIA: b""}).truth()
    assert mixed.silent == 1
    assert {node.client for node in mixed.truth.nodes.values()} == {"libtorrent", "rtorrent"}
