"""The network as the instrument meets it."""

from typing import Any

import numpy as np
import pytest

from montra.overlays.mainline import messages
from montra.simulator.calendar import NEVER
from montra.simulator.drive import Arrival
from montra.simulator.network import SimNetwork
from montra.simulator.settings import Family, SimSettings, SimSettingsError
from zone_store.keyspace.zone import Zone

ZONE = Zone.parse("a4/8")
CRAWLER, MONITOR = (0x0A000001, 6881), (0x0A000002, 20881)
SECOND = 10**9


def network(**changes: Any) -> SimNetwork:
    return SimNetwork(
        SimSettings(**{"nodes": 100_000, "duration_s": 300.0, "warm_up_s": 600.0, "zone": ZONE} | changes)
    )


def static(**changes: Any) -> SimNetwork:
    quiet = {"churn": False, "unreachable": 0.0, "loss": 0.0, "clients": {Family.LIBTORRENT: 1.0}}
    return network(**quiet | changes)


def replies(arrived: list[Arrival]) -> list[messages.Message]:
    return [messages.parse(row[5]) for row in arrived]


def run(net: SimNetwork, seconds: float, begin_ns: int = 1_700_000_000 * SECOND) -> list[Arrival]:
    return net.advance(begin_ns + int(seconds * SECOND))


def test_bootstrap_leads_into_the_zone_and_nodes_to_their_neighbours() -> None:
    net = static(lookups=0.0)
    start = 1_700_000_000 * SECOND
    key = ZONE.low()
    net.send(start, CRAWLER, *net.bootstrap[0], messages.find_node(bytes(20), key, b"abcd", read_only=True))
    assert start < net.next_ns() < NEVER
    arrived = run(net, 1.0)
    assert [row[1:3] for row in arrived] == [CRAWLER]
    answer = replies(arrived)[0]
    assert (answer.type, answer.transaction, len(answer.contacts)) == ("reply", b"abcd", 8)
    assert all(ZONE.contains(node_id) for node_id, _, _ in answer.contacts)
    node_id, ip, port = answer.contacts[0]
    net.send(start + SECOND, CRAWLER, ip, port, messages.find_node(bytes(20), node_id, b"efgh", read_only=True))
    own = replies(run(net, 2.0))[0]
    assert own.sender_id == node_id
    true = np.argsort(net.nodes.head ^ np.uint64(int.from_bytes(node_id[:8])))[1:4]
    assert {net.nodes.node_id[row].tobytes() for row in true} <= {contact[0] for contact in own.contacts}


def test_a_monitor_is_handed_out_by_its_target_after_two_queries() -> None:
    net = static(lookups=0.0)
    start = 1_700_000_000 * SECOND
    for row in range(len(net.nodes)):  # until one whose last bucket has room
        target, ip, port = net.nodes.node_id[row].tobytes(), int(net.nodes.ip[row]), int(net.nodes.port[row])
        monitor_id = target[:-1] + bytes([target[-1] ^ 1])
        for _ in range(2):
            net.send(start, MONITOR, ip, port, messages.find_node(monitor_id, monitor_id, b"aaaa"))
        net.advance(start + SECOND)
        net.send(start + SECOND, CRAWLER, ip, port, messages.find_node(bytes(20), target, b"bbbb", read_only=True))
        (seen,) = replies([one for one in net.advance(start + 2 * SECOND) if one[1:3] == CRAWLER])
        if seen.contacts[0] == (monitor_id, *MONITOR):
            return
        start += 2 * SECOND
    raise AssertionError("no target hands its monitor out")


def test_static_lookups_find_the_closest_node() -> None:
    net = static(nodes=300, zone=Zone.parse("00/0"), lookups=400.0, warm_up_s=0.0, introduced=True)
    run(net, 300.0)
    found = 0
    done = [lookup for lookup in net.lookups if lookup.finished_ns]
    for lookup in done:
        closest = int(np.argmin(net.nodes.head ^ np.uint64(int.from_bytes(lookup.key[:8]))))
        found += closest in lookup.received or closest == lookup.requester
    assert len(done) > 300
    assert found / len(done) >= 0.99
    assert any(lookup.announced_ns for lookup in done)


def test_lookups_with_churn_and_nat_find_it_nearly_always() -> None:
    net = network(nodes=256_000, lookups=400.0)
    run(net, 300.0)
    found, done = 0, [lookup for lookup in net.lookups if lookup.finished_ns]
    for lookup in done:
        rows = np.flatnonzero(net.nodes.alive(lookup.t_ns) & net.nodes.reachable)
        closest = int(rows[np.argmin(net.nodes.head[rows] ^ np.uint64(int.from_bytes(lookup.key[:8])))])
        found += closest in lookup.received
    assert found / len(done) > 0.95


def test_a_user_asks_a_monitor_in_its_clients_layout_and_takes_its_answer() -> None:
    net = static(nodes=25_600, lookups=300.0, duration_s=120.0, announces=1.0, noise=0.0)
    start = 1_700_000_000 * SECOND
    for row in range(len(net.nodes)):
        target = net.nodes.node_id[row].tobytes()
        monitor_id = target[:-1] + bytes([target[-1] ^ 1])
        for _ in range(2):
            source = (MONITOR[0] + (row << 8), 20881)
            place = int(net.nodes.ip[row]), int(net.nodes.port[row])
            net.send(start, source, *place, messages.find_node(monitor_id, monitor_id, b"aaaa"))
    asked, now_ns = 0, start
    while now_ns < start + 120 * SECOND:
        now_ns = max(now_ns, net.next_ns())
        for at_ns, own_ip, own_port, ip, port, payload in net.advance(now_ns):
            query = messages.parse(payload)
            if query.method == "get_peers" and query.key != query.sender_id:
                asked += 1
                far = bytes(byte ^ 0xFF for byte in query.key)
                net.send(at_ns, (own_ip, own_port), ip, port, messages.reply(far, query.transaction, nodes=True))
    done = [lookup for lookup in net.lookups if lookup.finished_ns]
    assert asked == sum(lookup.copies for lookup in net.lookups) > 100
    # answered under a far ID, monitors hold nobody up: all end within a second or two
    assert np.median([lookup.announced_ns - lookup.t_ns for lookup in done]) < 2 * SECOND


def test_nodes_ask_whether_others_monitors_live() -> None:
    net = static(nodes=25_600, lookups=0.0, duration_s=120.0, noise=1.0)
    start = 1_700_000_000 * SECOND
    monitors = set()
    for row in range(len(net.nodes)):
        target = net.nodes.node_id[row].tobytes()
        monitors.add(monitor_id := target[:-1] + bytes([target[-1] ^ 1]))
        for _ in range(2):
            source = (MONITOR[0] + (row << 8), 20881)
            place = int(net.nodes.ip[row]), int(net.nodes.port[row])
            net.send(start, source, *place, messages.find_node(monitor_id, monitor_id, b"aaaa"))
    foreign = [
        query
        for row in run(net, 120.0)
        if (query := messages.parse(row[5])).method == "get_peers" and query.key != query.sender_id
    ]
    # a node asks once in 219 s, if the neighbour drawn has a monitor to show: these monitors are mute, and soon dropped
    assert 3 <= len(foreign) <= 40
    assert all(ZONE.contains(query.key) for query in foreign)


def test_the_same_seed_gives_the_same_bytes() -> None:
    def record() -> tuple[list[Arrival], list[tuple[int, bytes, dict[int, int]]]]:
        net = network(lookups=50.0, seed=7)
        start = 1_700_000_000 * SECOND
        for row in range(0, len(net.nodes), 3):
            query = messages.find_node(bytes(20), net.nodes.node_id[row].tobytes(), b"abcd")
            net.send(start, CRAWLER, int(net.nodes.ip[row]), int(net.nodes.port[row]), query)
        return run(net, 200.0), [(one.t_ns, one.key, one.received) for one in net.lookups]

    first, second = record(), record()
    assert first == second
    assert len(first[0]) > 50
    assert len(first[1]) > 20
    assert first[0] == sorted(first[0], key=lambda row: row[0])


def test_whatever_the_instrument_sends_nothing_breaks() -> None:
    net = network(lookups=20.0)
    start = 1_700_000_000 * SECOND
    junk = [
        b"",
        b"d",
        b"d1:t0:1:y1:ee",
        messages.ping(bytes(20), b"x"),
        messages.reply(bytes(20), b"pn\0\0", nodes=False),
    ]
    for row in range(len(net.nodes)):
        for payload in junk:
            net.send(start, MONITOR, int(net.nodes.ip[row]), int(net.nodes.port[row]), payload)
    net.send(start, MONITOR, 1, 1, b"nobody is here")
    net.send(start, MONITOR, *net.bootstrap[1], b"junk")
    assert run(net, 60.0)


def test_impossible_settings_are_refused() -> None:
    for changes in ({"loss": 2.0}, {"clients": {}}, {"nodes": 0}, {"session_median_s": 0.0}):
        with pytest.raises(SimSettingsError):
            SimSettings(**changes)  # type: ignore[arg-type]
