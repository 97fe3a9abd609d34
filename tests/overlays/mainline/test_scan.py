from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montra.datagrams import SLOT_BYTES, DatagramBatch
from montra.overlays.mainline.bencode import encode
from montra.overlays.mainline.messages import LOOKUPS, parse
from montra.overlays.mainline.scan import Scanner
from zone_store.captures import Flag, Kind

ID, KEY = b"abcdefghij0123456789", b"mnopqrstuvwxyz123456"
Batch = Callable[[Sequence[bytes]], DatagramBatch]
Agreement = Callable[[Scanner, Sequence[bytes]], list[str]]


def test_no_rows(batch: Batch) -> None:
    scan = Scanner().scan(batch([]))
    assert scan.kind.tolist() == []
    assert scan.requester_id.shape == scan.key.shape == (0, 20)
    assert scan.malformed == {}


def test_columns_and_their_types(packets: dict[str, bytes], batch: Batch) -> None:
    scanner = Scanner()
    for _ in ("parsed", "by layout"):
        scan = scanner.scan(batch([packets["lt implied port"], packets["lt bootstrap"], packets["bep5 ping"]]))
        assert scan.kind.tolist() == [Kind.ANNOUNCE, Kind.LOOKUP, Kind.OTHER]
        assert scan.port.tolist() == [7001, 0, 0]
        assert scan.version.tolist() == [0x4C540211, 0x4C540211, 0]
        assert scan.flags.tolist() == [Flag.IMPLIED_PORT, Flag.BOOTSTRAP, 0]
        assert scan.key[0].tobytes() == b"\2" * 20
        assert scan.requester_id[1].tobytes().hex() == "fe6bdf7383117e0d75d15a2cc62787d8c5511dd5"
        assert not scan.key[2].any()
        types = [column.dtype for column in (scan.kind, scan.key, scan.flags, scan.version, scan.port)]
        assert types == [np.uint8, np.uint8, np.uint16, np.uint32, np.uint16]


def test_agrees_on_packets_of_real_clients(packets: dict[str, bytes], agreement: Agreement) -> None:
    scanner = Scanner()
    for _ in range(3):
        outcomes = Counter(agreement(scanner, list(packets.values())))
        assert outcomes == {"lookup": 16, "other": len(packets) - 16}


def test_known_layouts_are_not_parsed_again(
    packets: dict[str, bytes], batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookups = [data for data in packets.values() if parse(data).method in LOOKUPS]
    scanner = Scanner()
    scanner.scan(batch(lookups))
    parsed: list[bytes] = []
    monkeypatch.setattr("montra.overlays.mainline.messages.parse", lambda data: parsed.append(data) or parse(data))
    scan = scanner.scan(batch([data.replace(parse(data).key, bytes(range(20))) for data in lookups]))
    assert parsed == []
    assert (scan.key == np.arange(20)).all()
    scanner.scan(batch([lookups[0] + b"x"]))
    assert parsed == [lookups[0] + b"x"]


HEAD = b"d1:ad2:id20:" + ID
TAIL = b"e1:q9:get_peers1:t2:aa1:v4:LT\x02\x111:y1:qe"
PLAIN = HEAD + b"9:info_hash20:" + KEY + TAIL
ANNOUNCE = HEAD + b"9:info_hash20:" + KEY + b"4:porti%be5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe"

HOSTILE = {
    "structure inside the sender's ID": b"d1:ad2:id20:e1:q9:get_peers1:t2:9:info_hash20:" + KEY + TAIL,
    "structure inside the key": HEAD + b"9:info_hash20:e1:q9:get_peers1:t2:" + TAIL,
    "ro inside the transaction": HEAD + b"9:info_hash20:" + KEY + b"e1:q9:get_peers1:t7:2:roi1e1:v4:LT\x02\x111:y1:qe",
    "end inside the transaction": HEAD
    + b"9:info_hash20:"
    + KEY
    + b"e1:q9:get_peers1:t15:1:v4:LT\x02\x111:y1:qe1:y1:qe",
    "a reply that names a query": b"d1:rd2:id20:" + ID + b"5:token14:1:q9:get_peerse1:t2:aa1:y1:re",
    "a query inside the version": HEAD + b"e1:q4:ping1:t2:aa1:v14:1:q9:get_peers1:y1:qe",
    "a query inside the arguments": HEAD + b"9:info_hash20:" + KEY + b"1:q9:get_peerse1:q4:ping1:t2:aa1:y1:qe",
    "keys not sorted": b"d1:y1:q1:q9:get_peers1:t2:aa1:ad9:info_hash20:" + KEY + b"2:id20:" + ID + b"ee",
    "the reply's end in a query": b"d1:y1:q1:q9:get_peers1:ad2:id20:"
    + ID
    + b"9:info_hash20:"
    + KEY
    + b"e1:t7:1:y1:ree",
    "the other method's key": HEAD + b"6:target20:" + KEY + TAIL,
    "both keys": HEAD + b"9:info_hash20:" + KEY + b"6:target20:" + ID + TAIL,
    "the other key a number": HEAD + b"9:info_hash20:" + KEY + b"6:targeti12345e" + TAIL,
    "version a number": HEAD + b"9:info_hash20:" + KEY + b"e1:q9:get_peers1:t2:aa1:vi1234e1:y1:qe",
    "token a number": HEAD + b"9:info_hash20:" + KEY + b"5:tokeni1234567890e" + TAIL,
    "version short": HEAD + b"9:info_hash20:" + KEY + b"e1:q9:get_peers1:t2:aa1:v2:LT1:y1:qe",
    "version long": HEAD + b"9:info_hash20:" + KEY + b"e1:q9:get_peers1:t2:aa1:v8:LT\x02\x11LT\x02\x111:y1:qe",
    "version empty": HEAD + b"9:info_hash20:" + KEY + b"e1:q9:get_peers1:t2:aa1:v0:1:y1:qe",
    "transaction empty": HEAD + b"9:info_hash20:" + KEY + b"e1:q9:get_peers1:t0:1:y1:qe",
    "transaction long": HEAD + b"9:info_hash20:" + KEY + b"e1:q9:get_peers1:t99:" + b"t" * 99 + b"1:y1:qe",
    "longer than any layout": HEAD + b"9:info_hash20:" + KEY + b"e1:q9:get_peers1:t300:" + b"t" * 300 + b"1:y1:qe",
    "repeated key": HEAD + b"9:info_hash20:" + KEY + b"9:info_hash20:" + ID + TAIL,
    "repeated arguments": b"d1:ad2:id20:" + ID + b"e" + PLAIN[1:],
    "ID too short": b"d1:ad2:id19:" + ID[:19] + b"9:info_hash20:" + KEY + TAIL,
    "key too long": HEAD + b"9:info_hash21:" + KEY + b"x" + TAIL,
    "leading zero": b"d1:ad2:id020:" + ID + b"9:info_hash20:" + KEY + TAIL,
    "trailing byte": PLAIN + b"e",
    "last byte missing": PLAIN[:-1],
    "not a query": PLAIN[:-2] + b"re",
    "unknown type": PLAIN[:-2] + b"ze",
    "port 5 digits": ANNOUNCE % b"46881",
    "port too large": ANNOUNCE % b"99999",
    "port with a leading zero": ANNOUNCE % b"06881",
    "port with a colon": ANNOUNCE % b"6881:",
    "port with a space": ANNOUNCE % b" 6881",
    "port negative": ANNOUNCE % b"-6881",
    "port 0": ANNOUNCE % b"0",
    "port 9": ANNOUNCE % b"9",
    "port of high bits": ANNOUNCE % b"\xb4\xb6\xb8\xb8\xb1",
    "port a string": HEAD + b"9:info_hash20:" + KEY + b"4:port5:468815:token0:e1:q13:announce_peer1:t2:aa1:y1:qe",
    "port in a get_peers": HEAD + b"9:info_hash20:" + KEY + b"4:porti46881e" + TAIL,
    "never ends in the stock decoder": b"d1:q9:get_peers1:ad1:q9:get_peers1:ai1e-6:",
    "empty": b"",
    "one byte": b"d",
    "no dictionary": b"l" + PLAIN[1:],
    "zeros": bytes(100),
    "oversized": PLAIN[:-1] + b"1:z2100:" + b"z" * 2100 + b"e",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_agrees_on_hostile_messages_whatever_was_seen_before(
    name: str, packets: dict[str, bytes], agreement: Agreement, batch: Batch
) -> None:
    scanner = Scanner()
    scanner.scan(batch([*packets.values(), PLAIN, ANNOUNCE % b"12345", ANNOUNCE % b"1"]))
    agreement(scanner, [HOSTILE[name]] * 3)
    assert agreement(scanner, [PLAIN, HOSTILE[name], PLAIN])[::2] == ["lookup", "lookup"]


def test_agrees_on_all_hostile_messages_learned_in_any_order(agreement: Agreement) -> None:
    rng = random.Random(7)
    payloads = list(HOSTILE.values())
    for _ in range(20):
        rng.shuffle(payloads)
        scanner = Scanner()
        for _ in range(5):
            agreement(scanner, payloads)


def test_malformed_rows_are_named(packets: dict[str, bytes], batch: Batch) -> None:
    names = ["empty", "zeros", "oversized", "trailing byte", "repeated key", "ID too short", "port with a leading zero"]
    payloads = [packets["lt get_peers"], *(HOSTILE[name] for name in names), b"d1:rd2:id2:xxe"]
    assert Scanner().scan(batch(payloads)).malformed == {
        1: "too_short",
        2: "not_a_dict",
        3: "oversized",
        4: "trailing_bytes",
        5: "duplicate_key",
        6: "bad_id",
        7: "bad_integer",
    }


def test_a_message_as_long_as_a_slot_is_read(agreement: Agreement) -> None:
    longest = PLAIN[:-1] + b"1:z1936:" + b"z" * 1936 + b"e"
    assert len(longest) == SLOT_BYTES
    assert agreement(Scanner(), [longest]) == ["lookup"]


def test_the_first_bytes_of_a_truncated_row_are_not_taken_for_the_message(batch: Batch) -> None:
    rows = batch([PLAIN, PLAIN])
    rows.truncated[1] = True
    scanner = Scanner()
    scanner.scan(batch([PLAIN]))
    scan = scanner.scan(rows)
    assert scan.kind.tolist() == [Kind.LOOKUP, Kind.OTHER]
    assert scan.malformed == {1: "oversized"}


strings = st.binary(min_size=20, max_size=20) | st.sampled_from(
    [b"e1:q9:get_peers1:t2:", b"1:y1:qe2:roi1e1:y1:q", b"4:porti5e5:token0:e1"]
)


@st.composite
def queries(draw: st.DrawFn) -> bytes:
    """Lookups as a client might write them: any fields, contents that look like structure, keys in any order."""
    arguments: dict[bytes, object] = {b"id": draw(strings)}
    arguments[draw(st.sampled_from([b"info_hash", b"target"]))] = draw(strings)
    for name in (b"bs", b"noseed", b"scrape", b"seed", b"implied_port", b"port"):
        if draw(st.booleans()):
            arguments[name] = draw(st.sampled_from([0, 1, 1, 6881, 70000]))
    if draw(st.booleans()):
        arguments[b"token"] = draw(strings)
    if draw(st.booleans()):
        arguments[b"want"] = draw(st.lists(st.sampled_from([b"n4", b"n6"]), max_size=2))
    query: dict[bytes, object] = {b"a": arguments, b"y": b"q", b"t": draw(st.binary(max_size=8) | strings)}
    query[b"q"] = draw(st.sampled_from([b"get_peers", b"find_node", b"announce_peer", b"ping"]))
    if draw(st.booleans()):
        query[b"v"] = draw(st.sampled_from([b"LT\x02\x11", b"UT\0\0", b"v", b"longer", 1234]))
    if draw(st.booleans()):
        query[b"ro"] = draw(st.sampled_from([0, 1]))
    if draw(st.booleans()):
        return encode(query)
    order = draw(st.permutations(sorted(query)))
    return b"d" + b"".join(encode({name: query[name]})[1:-1] for name in order) + b"e"


SHARED = Scanner()  # so that the examples meet layouts learned from those before


@given(st.lists(queries() | st.binary(max_size=40), max_size=12))
def test_agrees_with_parse(agreement: Agreement, payloads: list[bytes]) -> None:
    agreement(SHARED, payloads)
