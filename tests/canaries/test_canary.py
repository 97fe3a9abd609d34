"""The canary machine against fake nodes, with the bytes on the wire spelled out."""

import random
import re

from montra.canaries.canary import Address, Canary
from montra.overlays import base
from montra.overlays.mainline import bencode
from zone_store.keyspace.zone import Zone
from zone_store.run.canaries import CanaryLookup

SECOND = 1_000_000_000
OWN = Address(b"\x10" * 20, 0x7F620001, 20870)
BOOTSTRAP = 0x7F0A0101, 6881
QUERY = re.compile(
    rb"d1:ad2:id20:\x10{20}9:info_hash20:(.{20})e1:q9:get_peers2:roi1e1:t2:(..)1:v4:mT\0\x011:y1:qe", re.S
)


def made(per_minute: float = 60.0) -> tuple[Canary, list[CanaryLookup]]:
    log: list[CanaryLookup] = []
    overlay, zone = base.load("mainline"), Zone.parse("a4/6")
    return Canary(overlay, zone, OWN, [BOOTSTRAP], random.Random(3), per_minute, log.append), log


def reply(node_id: bytes, transaction: bytes, *contacts: tuple[bytes, int, int]) -> bytes:
    nodes = b"".join(node + ip.to_bytes(4, "big") + port.to_bytes(2, "big") for node, ip, port in contacts)
    values = {b"id": node_id, b"nodes": nodes, b"token": b"abcd"}
    return bencode.encode({b"r": values, b"t": transaction, b"y": b"r"})


def read(query: tuple[int, int, bytes]) -> tuple[bytes, bytes]:
    """Return key and transaction of a query, which must be exactly what is expected."""
    found = QUERY.fullmatch(query[2])
    assert found is not None
    return found[1], found[2]


def first_query(canary: Canary) -> tuple[int, tuple[int, int, bytes]]:
    canary.start(0)
    now_ns = canary.due(0)
    (query,) = canary.tick(now_ns)
    return now_ns, query


def test_a_lookup_from_bootstrap_to_log() -> None:
    canary, log = made()
    now_ns, query = first_query(canary)
    key, transaction = read(query)
    assert query[:2] == BOOTSTRAP
    assert Zone.parse("a4/6").contains(key)

    near = key[:-1] + bytes([key[-1] ^ 1])
    middle = key[:2] + bytes(18)
    named = (middle, 0x7F0A0201, 6881), (b"\x11" * 20, OWN.ip, 5)  # one of them at our own address
    (query,) = canary.feed(now_ns + 1, [(*BOOTSTRAP, reply(b"\x77" * 20, transaction, *named))])
    assert query[:2] == (0x7F0A0201, 6881)
    assert read(query)[0] == key
    (query,) = canary.feed(now_ns + 2, [(0x7F0A0201, 6881, reply(middle, read(query)[1], (near, 0x7F0A0301, 6881)))])
    assert query[:2] == (0x7F0A0301, 6881)
    assert canary.feed(now_ns + 3, [(0x7F0A0301, 6881, reply(near, read(query)[1]))]) == []
    assert log == [
        CanaryLookup(
            t_ns=now_ns,
            end_ns=now_ns + 3,
            requester="10" * 20,
            ip=OWN.ip,
            port=OWN.port,
            key=key.hex(),
            asked=[(*BOOTSTRAP, now_ns), (0x7F0A0201, 6881, now_ns + 1), (0x7F0A0301, 6881, now_ns + 2)],
            answered=[
                (middle.hex(), 0x7F0A0201, 6881, now_ns + 2),
                (near.hex(), 0x7F0A0301, 6881, now_ns + 3),
            ],
        )
    ]
    assert canary.counters.counts == {}
    # the next one sets out from those that answered, too
    again = canary.tick(canary.due(now_ns + 3))
    assert {query[:2] for query in again} == {BOOTSTRAP, (0x7F0A0201, 6881), (0x7F0A0301, 6881)}


def test_silence_ends_a_lookup_and_is_logged() -> None:
    canary, log = made(per_minute=0.5)
    now_ns, _ = first_query(canary)
    assert canary.due(now_ns) == now_ns + SECOND
    assert canary.tick(now_ns + SECOND) == []
    assert canary.tick(now_ns + 15 * SECOND) == []
    assert [(one.asked, one.answered) for one in log] == [([(*BOOTSTRAP, now_ns)], [])]


def test_strangers_and_junk_change_nothing() -> None:
    canary, log = made()
    now_ns, query = first_query(canary)
    _, transaction = read(query)
    ping = bencode.encode({b"a": {b"id": b"\x33" * 20}, b"q": b"ping", b"t": b"aa", b"y": b"q"})
    foreign = reply(b"\x77" * 20, transaction)
    assert canary.feed(now_ns, [(1 << 24, 1, ping), (1 << 24, 1, foreign), (*BOOTSTRAP, b"junk")]) == []
    assert canary.counters.counts == {"query_ignored": 1, "unmatched_reply": 2}
    error = bencode.encode({b"e": [201, b"no"], b"t": transaction, b"y": b"e"})
    assert canary.feed(now_ns + 5, [(*BOOTSTRAP, error)]) == []
    assert [(one.end_ns, one.answered) for one in log] == [(now_ns + 5, [])]


def test_what_is_under_way_at_the_end_is_logged() -> None:
    canary, log = made()
    now_ns, query = first_query(canary)
    canary.finish(now_ns + 7)
    assert [(one.t_ns, one.end_ns) for one in log] == [(now_ns, now_ns + 7)]
    assert canary.feed(now_ns + 8, [(*BOOTSTRAP, reply(b"\x77" * 20, read(query)[1]))]) == []
    assert len(log) == 1


def test_rate_is_that_of_a_poisson_process() -> None:
    canary, log = made(per_minute=6.0)
    canary.start(0)
    now_ns = 0
    while now_ns < 6000 * SECOND:
        canary.tick(now_ns)
        now_ns = canary.due(now_ns)
    assert 540 <= len(log) <= 660
