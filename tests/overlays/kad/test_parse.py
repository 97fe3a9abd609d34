from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from montra.overlays.base import Message
from montra.overlays.kad import messages
from montra.overlays.kad.head import Opening, opened
from montra.overlays.kad.messages import Bootstrap, Contact, Hello
from montra.overlays.kad.opcodes import Op
from montra.overlays.kad.parse import parse

N1 = bytes.fromhex("a413270e269e0d37f2a74de452e6b438")
N2 = bytes.fromhex("a42f902bd23f0824128b2f330c5c7fd0")
N3 = bytes.fromhex("a4e25d940ed904759531985d5d9dc9f8")
N6 = bytes.fromhex("a4b17c2390c192cfd3ac94af0f21ddb6")
KEYWORD = bytes.fromhex("a4bd1308ace6f2fc7ff1f814710f6297")
FILE = bytes.fromhex("a489c9e9b6f64f4aad8de3d8bc687109")
MONITOR = bytes.fromhex("a413270e269e0d37f2a74de452e6b439")

EXPECTED = {
    "bootstrap req": Message("query", "bootstrap", b"bootstrap"),
    "hello req": Message("query", "hello", b"hello", MONITOR, version=b"\x08"),
    "hello res": Message("reply", "", b"hello", N3, version=b"\x08"),
    "hello res misc": Message("reply", "", b"hello", N3, version=b"\x08", status=2, wants_confirmation=True),
    "hello res ack": Message("query", "hello_ack", b"hello", N3[:-1] + b"\xfb"),
    "req publish": Message("query", "req", KEYWORD, key=KEYWORD),
    "req search": Message("query", "req", KEYWORD, key=KEYWORD),
    "req node": Message("query", "req", KEYWORD, key=KEYWORD),
    "res": Message(
        "reply",
        "",
        KEYWORD,
        contacts=((N6, 0x64400601, 4672), (N3, 0x64400301, 4672), (N2, 0x64400201, 4672), (N1, 0x64400101, 4672)),
        contact_versions=(b"\x08", b"\x08", b"\x08", b"\x08"),
    ),
    "search key": Message("query", "search_key", key=bytes.fromhex("a420e6587f0a775a597717816dda49b9")),
    "search source": Message("query", "search_source", key=FILE),
    "search res": Message("reply", transaction=FILE),
    "publish key": Message("query", "publish_key", key=KEYWORD),
    "publish source": Message("query", "publish_source", key=FILE),
    "publish res": Message("reply", transaction=KEYWORD),
    "firewalled2 req": Message("query", "firewalled"),
    "firewalled res": Message("reply", transaction=b"firewalled"),
    "ping": Message("query", "ping", b"pong"),
    "pong": Message("reply", transaction=b"pong"),
}


def test_packets_of_real_nodes(packets: dict[str, bytes]) -> None:
    assert set(EXPECTED) == set(packets)
    for name, expected in EXPECTED.items():
        if expected.key:
            expected.transaction = expected.key
        expected.verified, expected.peer_key = True, 0x01020304
        assert parse(b"\3\4\3\2\1" + packets[name]) == expected, name
        expected.verified, expected.peer_key = False, 0
        assert parse(b"\0\0\0\0\0" + packets[name]) == expected, name
        assert parse(opened(packets[name], Opening.OBFUSCATED)) == expected, name


def test_every_cut_of_every_packet_is_too_short_or_of_wrong_size(packets: dict[str, bytes]) -> None:
    for name, packet in packets.items():
        shortest = {"search key": 20, "search res": 36, "publish key": 20, "publish source": 35}.get(name, len(packet))
        for end in range(shortest):
            message = parse(opened(packet[:end]))
            assert message.type == "malformed", (name, end)
            assert message.reason == ("wrong_size" if name == "res" and end >= 19 else "too_short"), (name, end)


def test_unusable_contacts_are_left_out() -> None:
    good = Contact(N2, 0x01000000, 4672, 0, 2)
    bad = [
        good._replace(port=0),
        good._replace(ip=0x00FFFFFF),
        good._replace(ip=0xE0000000),
        good._replace(version=1),
    ]
    message = parse(opened(messages.response(KEYWORD, [*bad, good])))
    assert message.contacts == ((N2, 0x01000000, 4672),)
    assert message.contact_versions == (b"\x02",)
    message = parse(opened(messages.bootstrap(Bootstrap(N1, 4662, 9, (*bad, good)))))
    assert (message.transaction, message.sender_id, message.version) == (b"bootstrap", N1, b"\x09")
    assert message.contacts == ((N2, 0x01000000, 4672),)


def test_contacts_must_fill_a_response_exactly() -> None:
    packet = messages.response(KEYWORD, [Contact(N2, 0x01000000, 4672, 0, 8)])
    assert parse(opened(packet + b"\0")).reason == "wrong_size"
    assert parse(opened(packet[:18] + b"\2" + packet[19:])).reason == "wrong_size"


def test_status_and_port_of_a_hello() -> None:
    message = parse(opened(messages.hello(Op.HELLO_REQ, Hello(N1, 4662, 8, 3, 7000))))
    assert (message.status, message.port, message.wants_confirmation) == (3, 7000, False)
    message = parse(opened(messages.hello(Op.HELLO_RES, Hello(N1, 4662, 8, 0xF9))))
    assert (message.status, message.port, message.wants_confirmation) == (1, 0, False)
    old = parse(opened(messages.hello(Op.HELLO_RES, Hello(N1, 4662, 7, 4))))
    assert not old.wants_confirmation  # version 7 has no HELLO_RES_ACK
    assert parse(opened(messages.hello(Op.HELLO_RES, Hello(N1, 4662, 1)))).reason == "bad_version"


@given(st.binary(max_size=120), st.sampled_from(list(Op)), st.integers(0, 31))
def test_junk_never_raises(data: bytes, op: Op, flags: int) -> None:
    for junk in (data, opened(data, flags), opened(messages.packet(op, data), flags)):
        message = parse(junk)
        assert message.type in ("query", "reply", "malformed")
        assert bool(message.reason) == (message.type == "malformed")
