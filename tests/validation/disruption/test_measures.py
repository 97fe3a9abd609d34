"""What one client did about one key, from packets written by hand."""

import pytest

from montra.lab.clients.wire import Packet
from montra.validation.disruption.measures import Endpoint, nearest, search_of

SECOND = 10**9
CLIENT: Endpoint = (1, 6881)
KEY = b"k" * 20
NODES: dict[Endpoint, bytes] = {(10 + i, 6881): bytes([b"k"[0] ^ i]) + KEY[1:] for i in range(4)}
A, B, C, D = NODES
MONITOR: Endpoint = (99, 20881)
PEER = bytes((10, 0, 0, 1, 26, 225))


def query(at_s: float, to: Endpoint, method: bytes = b"get_peers", key: bytes = KEY, t: bytes = b"aa") -> Packet:
    name = b"6:target" if method == b"find_node" else b"9:info_hash"
    payload = b"d1:ad2:id20:" + b"i" * 20 + name + b"20:" + key
    payload += b"e1:q%d:%b1:t2:%b1:y1:qe" % (len(method), method, t)
    return Packet(round(at_s * SECOND), *CLIENT, *to, payload)


def reply(at_s: float, source: Endpoint, peers: list[bytes], t: bytes = b"aa") -> Packet:
    values = b"6:valuesl" + b"".join(b"6:" + peer for peer in peers) + b"e" if peers else b""
    payload = b"d1:rd2:id20:" + NODES[source] + values + b"e1:t2:" + t + b"1:y1:re"
    return Packet(round(at_s * SECOND), *source, *CLIENT, payload)


PACKETS = [
    query(99.0, A, key=b"x" * 20),
    query(100.0, A),
    query(100.1, MONITOR),
    reply(100.2, A, [PEER]),
    query(100.3, B, b"find_node"),
    reply(100.4, B, [], t=b"zz"),
    query(101.0, C),
    reply(101.1, D, [PEER[::-1]]),  # was not asked
    query(103.5, A, b"announce_peer"),
    query(104.0, C, b"announce_peer"),
    query(104.5, MONITOR, b"announce_peer"),
    query(105.0, D),
    query(200.0, B, b"announce_peer"),  # of a later round
]


def test_a_search_is_measured() -> None:
    found = search_of(PACKETS, CLIENT, KEY, [A, B, C], NODES, frozenset({99}))
    assert found is not None
    assert found.first_announce_s == pytest.approx(3.5)
    assert found.lookup_s == pytest.approx(1.0)
    assert found.announced == {A, C}
    assert found.displaced == {B}
    assert (found.to_monitors, found.asked, found.monitors_asked, found.sent) == (1, 5, 1, 8)
    assert found.found == 1
    assert found.first_found_s == pytest.approx(0.2)


def test_a_search_that_never_announces() -> None:
    found = search_of(PACKETS[:7], CLIENT, KEY, [A, B, C], NODES, frozenset({99}))
    assert found is not None
    assert found.first_announce_s is None
    assert found.displaced == {A, B, C}
    assert found.announced == frozenset()
    assert found.lookup_s == pytest.approx(1.0)
    assert found.asked == 4


def test_other_keys_other_clients_and_junk_are_nothing() -> None:
    junk = [packet._replace(payload=b"6:valuesl" + packet.payload[:40]) for packet in PACKETS]
    assert search_of(junk, CLIENT, KEY, [A], NODES, frozenset()) is None
    assert search_of(PACKETS, (2, 6881), KEY, [A], NODES, frozenset()) is None
    assert search_of(PACKETS, CLIENT, b"y" * 20, [A], NODES, frozenset()) is None
    broken = reply(100.2, A, [PEER])._replace(source_ip=10, ip=1, payload=b"d6:valueslli1e")
    found = search_of([*PACKETS[:3], broken], CLIENT, KEY, [A], NODES, frozenset())
    assert found is not None
    assert (found.found, found.first_found_s) == (0, None)


def test_nearest_by_xor() -> None:
    assert nearest(NODES, KEY, 3) == [A, B, C]
    assert nearest(NODES, bytes([KEY[0] ^ 3]) + KEY[1:], 2) == [D, C]
