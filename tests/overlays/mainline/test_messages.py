from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from montra.datagrams import SLOT_BYTES, ip_number
from montra.overlays.base import Message, version_number
from montra.overlays.mainline import messages
from montra.overlays.mainline.bencode import encode
from montra.overlays.mainline.messages import find_node, parse, ping, reply
from zone_store.captures import Flag

REASONS = {reason for part in get_args(messages.Reason) for reason in get_args(part)}
ID, KEY = b"abcdefghij0123456789", b"mnopqrstuvwxyz123456"


def test_bep5_examples(packets: dict[str, bytes]) -> None:
    assert parse(packets["bep5 ping"]) == Message("query", "ping", b"aa", ID)
    assert parse(packets["bep5 find_node"]) == Message("query", "find_node", b"aa", ID, KEY)
    assert parse(packets["bep5 get_peers"]) == Message("query", "get_peers", b"aa", ID, KEY)
    assert parse(packets["bep5 announce_peer"]) == Message(
        "query", "announce_peer", b"aa", ID, KEY, flags=Flag.IMPLIED_PORT, port=6881
    )
    assert parse(packets["bep5 ping reply"]) == Message("reply", "", b"aa", KEY)
    assert parse(packets["bep5 get_peers values"]) == Message("reply", "", b"aa", ID)
    assert parse(packets["bep5 error"]) == Message("error", "", b"aa")


@pytest.mark.parametrize(
    ("name", "method", "transaction", "version", "flags", "port"),
    [
        ("lt bootstrap", "get_peers", b"\x1a\xf7", b"LT\x02\x11", Flag.BOOTSTRAP, 0),
        ("lt get_peers", "get_peers", b"\xfd\x8a", b"LT\x02\x11", 0, 0),
        ("lt noseed", "get_peers", b"k\xb4", b"LT\x02\x11", Flag.NO_SEED, 0),
        ("lt announce", "announce_peer", b"\xf1G", b"LT\x02\x11", Flag.SEED, 46881),
        ("lt implied port", "announce_peer", b"\xd0k", b"LT\x02\x11", Flag.IMPLIED_PORT, 7001),
        ("lt sample_infohashes", "sample_infohashes", b"/\xe4", b"LT\x02\x11", 0, 0),
        ("lt get", "get", b"\xcd`", b"LT\x02\x11", 0, 0),
        ("aria2 get_peers", "get_peers", b";\xb7\xe8\xe1", b"A2\x00\x03", 0, 0),
        ("rtorrent find_node", "find_node", b"u", b"lt\r\x80", 0, 0),
        ("transmission find_node", "find_node", b"fn\0\0", b"", 0, 0),
        ("utorrent vote", "vote", b"\x08\x1e\x82\x94", b"UT\xab\x14", 0, 0),
        ("read-only want", "find_node", b"aa", b"", Flag.READ_ONLY | Flag.WANT_V4 | Flag.WANT_V6, 0),
        ("scrape", "get_peers", b"aa", b"", Flag.SCRAPE, 0),
    ],
)
def test_queries_of_real_clients(
    packets: dict[str, bytes], name: str, method: str, transaction: bytes, version: bytes, flags: int, port: int
) -> None:
    message = parse(packets[name])
    assert (message.type, message.reason) == ("query", "")
    assert (message.method, message.transaction, message.version) == (method, transaction, version)
    assert (message.flags, message.port) == (flags, port)
    assert message.sender_id == packets[name].split(b"2:id20:")[1][:20]


def test_replies_of_real_clients(packets: dict[str, bytes]) -> None:
    assert parse(packets["lt reply"]).version == b"LT\x02\x11"
    assert parse(packets["lt error"]) == Message("error", transaction=b"xx", version=b"LT\x02\x11")
    answer = parse(packets["rtorrent reply"])
    assert answer.contacts == (
        (b"d" * 20, ip_number("127.77.3.1"), 46881),
        (b"2" * 20, ip_number("127.77.2.1"), 46881),
    )


def _contact(ip: str, port: int) -> bytes:
    return b"c" * 20 + ip_number(ip).to_bytes(4, "big") + port.to_bytes(2, "big")


@pytest.mark.parametrize(
    ("ip", "port", "kept"),
    [
        ("1.0.0.0", 1, True),
        ("127.0.0.1", 65535, True),
        ("223.255.255.255", 6881, True),
        ("8.8.8.8", 0, False),
        ("0.0.0.0", 6881, False),
        ("0.255.255.255", 6881, False),
        ("224.0.0.1", 6881, False),
        ("255.255.255.255", 6881, False),
    ],
)
def test_contacts_nobody_can_answer_from_are_left_out(ip: str, port: int, kept: bool) -> None:
    nodes = _contact("9.9.9.9", 9) + _contact(ip, port)
    contacts = parse(encode({b"r": {b"id": ID, b"nodes": nodes}, b"t": b"a", b"y": b"r"})).contacts
    assert contacts[0] == (b"c" * 20, ip_number("9.9.9.9"), 9)
    assert contacts[1:] == (((b"c" * 20, ip_number(ip), port),) if kept else ())


def test_ipv6_contacts_are_skipped_even_if_malformed() -> None:
    values = {b"id": ID, b"nodes": _contact("9.9.9.9", 9), b"nodes6": b"x" * 37}
    message = parse(encode({b"r": values, b"t": b"a", b"y": b"r"}))
    assert (message.type, len(message.contacts)) == ("reply", 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "too_short"),
        (b"d1:ai1e-6:", "too_short"),
        (b"d1:a1:xe" + b"x" * SLOT_BYTES, "oversized"),
        (b"l" + b"1:x" * 10 + b"e", "not_a_dict"),
        (b"\x00" * 40, "not_a_dict"),
        (b"d1:ai1e1:b1:x-6:", "bad_string"),
        (b"d1:t2:aa1:y1:qx", "bad_string"),
        (b"d1:ax1:t2:aa1:y1:qe", "not_bencode"),
        (b"d1:ai-0e1:t2:aa1:y1:qe", "bad_integer"),
        (b"d1:t2:aa1:y1:q1:t2:aae", "duplicate_key"),
        (b"d1:a" + b"l" * 9 + b"e" * 9 + b"e", "too_deep"),
        (b"d1:al" + b"0:" * 200 + b"ee", "too_many_values"),
        (b"d1:eli201e1:xe1:t2:aa1:y1:ee\n", "trailing_bytes"),
        (b"d1:rd2:id20:abcdefghij0123456789e1:y1:re", "no_transaction"),
        (b"d1:rd2:id20:abcdefghij0123456789e1:ti5e1:y1:re", "no_transaction"),
        (b"d1:rd2:id20:abcdefghij0123456789e1:t2:aae", "no_type"),
        (b"d1:rd2:id20:abcdefghij0123456789e1:t2:aa1:yi1ee", "no_type"),
        (b"d1:rd2:id20:abcdefghij0123456789e1:t2:aa1:y1:Re", "unknown_type"),
        (b"d1:ad2:id20:abcdefghij0123456789e1:t2:aa1:y1:qe", "no_method"),
        (b"d1:ad2:id20:abcdefghij0123456789e1:qi1e1:t2:aa1:y1:qe", "no_method"),
        (b"d1:q4:ping1:t2:aa1:y1:qe", "no_arguments"),
        (b"d1:ale1:q4:ping1:t2:aa1:y1:qe", "no_arguments"),
        (b"d1:t2:aa1:y1:re", "no_values"),
        (b"d1:rle1:t2:aa1:y1:re", "no_values"),
        (b"d1:ade1:q4:ping1:t2:aa1:y1:qe", "bad_id"),
        (b"d1:ad2:id19:abcdefghij012345678e1:q4:ping1:t2:aa1:y1:qe", "bad_id"),
        (b"d1:rd2:id21:abcdefghij0123456789xe1:t2:aa1:y1:re", "bad_id"),
        (b"d1:ad2:id20:abcdefghij0123456789e1:q9:find_node1:t2:aa1:y1:qe", "bad_key"),
        (b"d1:ad2:id20:abcdefghij01234567896:target3:abce1:q9:find_node1:t2:aa1:y1:qe", "bad_key"),
        (b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe", "bad_key"),
        (b"d1:ad2:id20:abcdefghij01234567899:info_hashi5ee1:q13:announce_peer1:t2:aa1:y1:qe", "bad_key"),
        (b"d1:rd2:id20:abcdefghij01234567895:nodes25:aaaaaaaaaaaaaaaaaaaaaaaaae1:t2:aa1:y1:re", "bad_nodes"),
        (b"d1:rd2:id20:abcdefghij01234567895:nodeslee1:t2:aa1:y1:re", "bad_nodes"),
    ],
)
def test_malformed_with_a_reason(data: bytes, reason: str) -> None:
    assert reason in REASONS
    assert parse(data) == Message("malformed", reason=reason)


def test_every_reason_of_the_fixed_set_has_a_case_above() -> None:
    (cases,) = (mark.args[1] for mark in test_malformed_with_a_reason.pytestmark)  # type: ignore[attr-defined]
    assert {reason for _, reason in cases} == REASONS


@pytest.mark.parametrize("name", [b"get_peer", b"", b"x" * 500, b"\xff\xfe", b"unknown"])
def test_strangers_do_not_name_our_methods(name: bytes) -> None:
    message = parse(encode({b"a": {b"id": ID}, b"q": name, b"t": b"a", b"y": b"q"}))
    assert (message.type, message.method) == ("query", "unknown")


@pytest.mark.parametrize(
    ("written", "port"),
    [(6881, 6881), (1, 1), (65535, 65535), (0, 0), (65536, 0), (-1, 0), (10**18, 0), (b"6881", 0), ([6881], 0)],
)
def test_announced_port(written: object, port: int) -> None:
    arguments = {b"id": ID, b"info_hash": KEY, b"port": written}
    assert parse(encode({b"a": arguments, b"q": b"announce_peer", b"t": b"a", b"y": b"q"})).port == port
    assert parse(encode({b"a": arguments, b"q": b"get_peers", b"t": b"a", b"y": b"q"})).port == 0


@pytest.mark.parametrize("written", [0, b"1", [], [1], {}])
def test_flags_need_a_number_that_is_not_zero(written: object) -> None:
    said = dict.fromkeys((b"bs", b"noseed", b"scrape", b"seed", b"implied_port", b"want"), written)
    query = {b"a": {b"id": ID, **said}, b"q": b"ping", b"ro": written, b"t": b"a", b"y": b"q"}
    assert parse(encode(query)) == Message("query", "ping", b"a", ID)


def test_version_number() -> None:
    assert version_number(b"LT\x02\x11") == 0x4C540211
    assert version_number(b"LT\x02\x11more") == 0x4C540211
    assert version_number(b"LT") == 0x4C540000
    assert version_number(b"") == 0
    assert parse(b"d1:rd2:id20:abcdefghij0123456789e1:t1:a1:v9:LT-longer1:y1:re").version == b"LT-l"


def test_written_messages() -> None:
    assert ping(ID, b"aa") == b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:v4:mT\x00\x011:y1:qe"
    assert find_node(ID, KEY, b"aa") == (
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:v4:mT\x00\x011:y1:qe"
    )
    assert find_node(ID, KEY, b"aa", read_only=True) == (
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node2:roi1e1:t2:aa"
        b"1:v4:mT\x00\x011:y1:qe"
    )
    assert reply(ID, b"aa", nodes=False) == b"d1:rd2:id20:abcdefghij0123456789e1:t2:aa1:v4:mT\x00\x011:y1:re"
    assert reply(ID, b"aa", nodes=True) == b"d1:rd2:id20:abcdefghij01234567895:nodes0:e1:t2:aa1:v4:mT\x00\x011:y1:re"


leaves = st.binary(max_size=30) | st.binary(min_size=20, max_size=20) | st.integers(-5, 70000)
fields = st.sampled_from(
    [b"id", b"target", b"info_hash", b"port", b"nodes", b"nodes6", b"want", b"ro", b"seed", b"t", b"y", b"q", b"v"]
)
bodies = st.dictionaries(fields, leaves | st.lists(leaves, max_size=3), max_size=8)
krpc_like = st.fixed_dictionaries(
    {},
    optional={
        b"a": bodies | leaves,
        b"r": bodies | leaves,
        b"e": st.lists(leaves) | leaves,
        b"q": st.sampled_from([b"ping", b"find_node", b"get_peers", b"announce_peer", b"get"]) | leaves,
        b"t": leaves,
        b"v": leaves,
        b"y": st.sampled_from([b"q", b"r", b"e", b"x"]) | leaves,
    },
)


def _check(message: Message) -> None:
    assert message.type in {"query", "reply", "error", "malformed"}
    assert (message.type == "malformed") == (message.reason in REASONS)
    assert message.type == "malformed" or not message.reason
    assert len(message.sender_id) in ({20} if message.type in {"query", "reply"} else {0})
    assert len(message.key) in {0, 20}
    assert len(message.version) <= 4
    assert 0 <= message.port <= 65535


@given(st.binary(max_size=200))
def test_any_bytes_parse(data: bytes) -> None:
    _check(parse(data))


@given(krpc_like)
def test_any_message_like_dictionary_parses(value: dict[bytes, object]) -> None:
    _check(parse(encode(value)))
