"""The network as the instrument meets it: real packets in, real packets out."""

import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from montra.overlays.kad import messages
from montra.overlays.kad.ids import verify_key
from montra.overlays.kad.messages import Hello
from montra.overlays.kad.opcodes import Misc, Op
from montra.simulator.drive import Arrival
from montra.simulator.kad.endpoints import Opened, open_packet, seal_packet
from montra.simulator.kad.network import KadNetwork
from montra.simulator.kad.rules import SECOND_NS
from montra.simulator.kad.settings import KadSettings, Purpose
from montra.simulator.settings import SimSettingsError
from zone_store.keyspace.ids import xor_distance
from zone_store.keyspace.zone import Zone

ZONE = Zone.parse("a4/8", 128)
BEGIN = 1_700_000_000 * SECOND_NS
CRAWLER, MONITOR = (0x64400001, 4671), (0x64400101, 4672)
SECRET = b"us" * 2


def network(**changes: Any) -> KadNetwork:
    quiet = {"churn": False, "unreachable": 0.0, "loss": 0.0, "lookups": 0.0, "maintenance": 0.0}
    settings = {"nodes": 50_000, "duration_s": 900.0, "warm_up_s": 60.0, "zone": ZONE, **quiet, **changes}
    return KadNetwork(KadSettings(**settings))


class Instrument:
    """Sends and reads as montra does, from one address."""

    def __init__(self, net: KadNetwork, source: tuple[int, int], own_id: bytes) -> None:
        self.net, self.source, self.own_id = net, source, own_id
        self.rng = random.Random(1)
        self.now_ns = BEGIN

    def send(self, place: tuple[int, int], packet: bytes, node_id: bytes = b"", key: int = 0) -> None:
        payload = seal_packet(packet, self.rng, node_id, key, SECRET, place[0])
        self.net.send(self.now_ns, self.source, *place, payload)

    def wait(self, seconds: float) -> list[Opened]:
        self.now_ns += int(seconds * SECOND_NS)
        return [self.read(row) for row in self.net.advance(self.now_ns)]

    def read(self, row: Arrival) -> Opened:
        opened = open_packet(row[5], self.own_id, SECRET, row[3])
        assert opened is not None
        assert row[1:3] == self.source
        return opened


def place(net: KadNetwork, row: int) -> tuple[int, int]:
    return int(net.nodes.ip[row]), int(net.nodes.port[row])


def beside(node_id: bytes) -> bytes:
    return node_id[:15] + bytes((node_id[15] ^ 1,))


def busiest(net: KadNetwork) -> int:
    """The node that most keys are nearest to."""
    rng = random.Random(1)
    keys = [int.from_bytes(ZONE.random_id(rng)[:8]) for _ in range(500)]
    return int(np.bincount([int(np.argmin(net.nodes.head ^ np.uint64(key))) for key in keys]).argmax())


def introduced(net: KadNetwork, row: int) -> Instrument:
    """A monitor that has just been introduced as montra does: HELLO_REQ, HELLO_RES_ACK, HELLO_REQ."""
    node_id = net.nodes.node_id[row].tobytes()
    monitor = Instrument(net, MONITOR, beside(node_id))
    hello = messages.hello(Op.HELLO_REQ, Hello(monitor.own_id, 4662, 8))
    monitor.send(place(net, row), hello, node_id)
    (answer,) = monitor.wait(1)
    assert messages.read_hello(answer.packet).misc & Misc.ACK_WANTED
    monitor.send(place(net, row), messages.hello_ack(monitor.own_id), node_id, answer.key)
    monitor.wait(1)
    monitor.send(place(net, row), hello, node_id, answer.key)
    (answer,) = monitor.wait(1)
    assert answer.verified
    return monitor


def test_bootstrap_leads_into_the_zone_and_nodes_to_their_neighbours() -> None:
    net = network()
    crawler = Instrument(net, CRAWLER, bytes(16))
    crawler.send(net.bootstrap[0], messages.packet(Op.BOOTSTRAP_REQ))
    (answer,) = crawler.wait(1)
    known = messages.read_bootstrap(answer.packet)
    assert len(known.contacts) > 10
    assert all(ZONE.contains(contact.node_id) for contact in known.contacts)
    asked = known.contacts[0]
    crawler.send((asked.ip, asked.port), messages.request(0x1F, asked.node_id, asked.node_id), asked.node_id)
    (answer,) = crawler.wait(1)
    found = messages.read_response(answer.packet)
    assert (found.target, len(found.contacts)) == (asked.node_id, 31)
    ids = sorted((node_id.tobytes() for node_id in net.nodes.node_id), key=lambda one: xor_distance(one, asked.node_id))
    assert {contact.node_id for contact in found.contacts[:9]} == set(ids[1:10])


def test_a_node_answers_only_what_is_meant_for_it_and_not_too_often() -> None:
    net = network()
    node_id = net.nodes.node_id[5].tobytes()
    crawler = Instrument(net, CRAWLER, bytes(16))
    crawler.send(place(net, 5), messages.request(0x1F, node_id, beside(node_id)), node_id)
    crawler.send(place(net, 5), messages.request(0, node_id, node_id), node_id)
    assert crawler.wait(1) == []
    crawler.wait(60)
    for _ in range(20):
        crawler.send(place(net, 5), messages.request(2, node_id, node_id), node_id)
    answers = crawler.wait(1)
    assert len(answers) == 10
    assert net.flood.dropped == 10
    assert all(len(messages.read_response(answer.packet).contacts) == 2 for answer in answers)


def test_a_monitor_is_handed_out_to_another_address_after_its_introduction() -> None:
    net = network()
    monitor = introduced(net, 7)
    node_id = net.nodes.node_id[7].tobytes()
    crawler = Instrument(net, CRAWLER, bytes(16))
    crawler.now_ns = monitor.now_ns
    crawler.send(place(net, 7), messages.request(11, monitor.own_id, node_id), node_id)
    (answer,) = crawler.wait(1)
    first = messages.read_response(answer.packet).contacts[0]
    assert first == (monitor.own_id, *MONITOR, 4662, 8)


def test_users_find_the_monitor_and_say_what_they_want() -> None:
    net = network(lookups=2000.0, lookups_from_s=10.0, keys=400)
    row = busiest(net)
    monitor = introduced(net, row)
    heard = monitor.wait(800)
    requests = [messages.read_request(opened.packet) for opened in heard if opened.op == Op.REQ]
    assert {request.wanted for request in requests} == {2, 4}
    assert {request.recipient for request in requests} == {monitor.own_id}
    true = {2: (Purpose.KEYWORD, Purpose.SOURCE), 4: (Purpose.STORE_KEYWORD, Purpose.STORE_SOURCE, Purpose.STORE_NOTES)}
    for request in requests:
        kinds = {record.purpose for record in net.lookups if record.key == request.target and record.asked}
        assert kinds & set(true[request.wanted])
    # most whose key is nearest to this node have met its monitor
    ids = [node_id.tobytes() for node_id in net.nodes.node_id]
    done = [record for record in net.lookups if record.finished_ns]
    mine = [record for record in done if min(ids, key=lambda one: xor_distance(one, record.key)) == ids[row]]
    assert len(mine) > 5
    assert sum(MONITOR in record.asked for record in mine) > 0.9 * len(mine)
    assert all(row in record.received for record in mine if MONITOR in record.asked)


def test_of_monitors_on_one_ip_a_node_asks_none_but_its_own() -> None:
    net = network(nodes=5_000, lookups=300.0, inside=1.0, keys=100)
    for row in range(len(net.nodes)):
        node_id = net.nodes.node_id[row].tobytes()
        monitor = Instrument(net, (MONITOR[0], 5000 + row), beside(node_id))
        hello = messages.hello(Op.HELLO_REQ, Hello(monitor.own_id, 4662, 8))
        key = verify_key(MONITOR[0], net.nodes.secret[row].tobytes())
        for _ in range(2):
            monitor.send(place(net, row), hello, node_id, key)
    net.advance(BEGIN + 900 * SECOND_NS)
    late = [record for record in net.lookups if record.t_ns > BEGIN + 60 * SECOND_NS]
    assert len(late) > 200
    assert any(record.asked for record in late)
    for record in late:
        own = (MONITOR[0], 5000 + record.requester.row)
        assert set(record.asked) <= {own}


def test_who_is_answered_says_what_it_publishes() -> None:
    net = network(lookups=2500.0, keys=300, purposes=dict.fromkeys(list(Purpose)[:4], 1.0))
    monitor = introduced(net, busiest(net))
    said: set[int] = set()
    for _ in range(600):
        for opened, place_of in [(monitor.read(row), row[3:5]) for row in net.advance(monitor.now_ns)]:
            said.add(opened.op)
            if opened.op == Op.REQ:
                target = messages.read_request(opened.packet).target
                monitor.send(place_of, messages.response(target), b"", opened.key)
        monitor.now_ns += SECOND_NS
    assert {Op.SEARCH_KEY_REQ, Op.SEARCH_SOURCE_REQ, Op.PUBLISH_KEY_REQ, Op.PUBLISH_SOURCE_REQ} <= said


def test_stores_reach_eleven_nodes_and_repeat_by_the_clients_own_interval() -> None:
    net = network(nodes=20_000, lookups=200.0, duration_s=20_000.0, purposes={Purpose.STORE_SOURCE: 1.0}, keys=50)
    net.advance(BEGIN + 20_000 * SECOND_NS)
    done = [record for record in net.lookups if record.finished_ns]
    assert 8 <= sum(len(record.stored) for record in done) / len(done) <= 12
    by: dict[tuple[int, bytes], list[int]] = {}
    for record in net.lookups:
        by.setdefault((record.requester.ip, record.key), []).append(record.t_ns)
    gaps = {later - earlier for times in by.values() for earlier, later in pairwise(times)}
    assert gaps == {5 * 3600 * SECOND_NS}


def test_the_same_seed_gives_the_same_packets() -> None:
    def play() -> list[Arrival]:
        net = network(lookups=500.0, loss=0.02, churn=True, unreachable=0.25, maintenance=0.2)
        introduced_row = int(net._tables.known[3])  # the first few may be unreachable
        node_id = net.nodes.node_id[introduced_row].tobytes()
        monitor = Instrument(net, MONITOR, beside(node_id))
        for key in (0, 0):
            monitor.send(place(net, introduced_row), messages.hello(Op.HELLO_REQ, Hello(monitor.own_id)), node_id, key)
        return net.advance(BEGIN + 600 * SECOND_NS)

    assert play() == play()


def test_impossible_settings_are_refused_in_a_line() -> None:
    for wrong in ({"zone": Zone.parse("a4/8")}, {"keys": 0}, {"purposes": {}}, {"maintenance": 1.5}):
        with pytest.raises(SimSettingsError):
            KadSettings(**wrong)  # type: ignore[arg-type]
