from __future__ import annotations

import random
import struct

import pytest

from crawler.overlay import CrawlOverlay
from montra.overlays.base import Message, Peer, load
from montra.overlays.kad import OVERLAY, messages, nodes_dat
from montra.overlays.kad.head import Opening, opened
from montra.overlays.kad.messages import Bootstrap, Contact, Hello, Response
from montra.overlays.kad.opcodes import Op
from montra.overlays.kad.wire import KadWire

OWN, ID, KEY = bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48))
TARGET = Peer(ID, 0x01020304)
HELLO_REPLY = Message("reply", "", b"hello", ID, version=b"\x08", peer_key=7, wants_confirmation=True)


def enveloped(payload: bytes | None) -> tuple[bytes, int, bytes]:
    """Receiver's ID, its key, the packet."""
    assert payload is not None
    receiver_id, key = struct.unpack_from("<16sI", payload)
    return receiver_id, key, payload[20:]


def test_it_is_the_overlay_of_that_name_and_can_be_crawled() -> None:
    assert load("kad") is OVERLAY
    crawlable: CrawlOverlay = OVERLAY
    assert crawlable.id_bytes == 16
    assert crawlable.addressed


def test_constants() -> None:
    assert (OVERLAY.name, OVERLAY.id_bytes, OVERLAY.bucket_size) == ("kad", 16, 10)
    assert (OVERLAY.lookup_span_ns, OVERLAY.monitors_per_ip, OVERLAY.most_introductions) == (45_000_000_000, 1, 3)
    assert OVERLAY.refresh_bits > 128
    assert isinstance(OVERLAY.wire(b"secret", random.Random(1)), KadWire)


@pytest.mark.parametrize("write", [OVERLAY.introduction, OVERLAY.keep_alive])
def test_introduction_and_keep_alive_are_a_hello(write: object) -> None:
    receiver_id, key, packet = enveloped(write(OWN, TARGET, b"ignored"))  # type: ignore[operator]
    assert (receiver_id, key) == (ID, 0x01020304)
    assert packet[:2] == bytes((0xE4, Op.HELLO_REQ))
    assert messages.read_hello(packet) == Hello(OWN, 4662, 8, 0, 0)  # neither firewalled nor asking for an ACK


def test_the_echo_of_an_introduction_is_that_of_every_hello_res(packets: dict[str, bytes]) -> None:
    reply = OVERLAY.parse(opened(packets["hello res"]))
    assert OVERLAY.introduction_echo(b"any") == reply.transaction


def test_what_may_be_an_answer(packets: dict[str, bytes]) -> None:
    verified = Opening.OBFUSCATED | Opening.VERIFIED
    may = {name for name, packet in packets.items() if OVERLAY.may_answer(opened(packet, verified), b"any")}
    assert may == {"hello res", "hello res misc"}
    assert not OVERLAY.may_answer(opened(packets["hello res"], Opening.OBFUSCATED), b"any")
    for junk in (b"", b"\4\0\0\0\0", b"\0\0\0\0\0\xe4"):
        assert not OVERLAY.may_answer(junk, b"any")


def test_who_asks_for_an_ack_gets_it_with_the_key_it_told() -> None:
    assert enveloped(OVERLAY.greeting(OWN, TARGET, HELLO_REPLY)) == (ID, 7, messages.hello_ack(OWN))


def test_no_ack_unasked_or_without_a_key() -> None:
    assert OVERLAY.greeting(OWN, TARGET, Message("reply", "", b"hello", ID, peer_key=7)) is None
    mute = Message("reply", "", b"hello", ID, wants_confirmation=True)
    assert OVERLAY.greeting(OWN, Peer(ID), mute) is None
    assert enveloped(OVERLAY.greeting(OWN, TARGET, mute))[1] == 0x01020304


def test_the_targets_hello_and_ping_are_answered(packets: dict[str, bytes]) -> None:
    hello = OVERLAY.parse(opened(packets["hello req"], peer_key=9))
    answer = enveloped(OVERLAY.answer(hello, OWN, TARGET))
    assert answer == (ID, 9, messages.hello(Op.HELLO_RES, Hello(OWN, 4662)))
    assert len(answer[2]) <= len(packets["hello req"])
    ping = OVERLAY.parse(opened(packets["ping"]))
    assert enveloped(OVERLAY.answer(ping, OWN, TARGET)) == (ID, 0x01020304, messages.pong(0))


def test_all_else_meets_silence(packets: dict[str, bytes]) -> None:
    for name, packet in packets.items():
        if name not in ("hello req", "ping"):
            assert OVERLAY.answer(OVERLAY.parse(opened(packet)), OWN, TARGET) is None, name
    assert OVERLAY.answer(OVERLAY.parse(b""), OWN, TARGET) is None


def test_a_node_of_known_id_is_asked_for_all_it_gives() -> None:
    receiver_id, key, packet = enveloped(OVERLAY.crawl_query(OWN, KEY, b"ignored", ID))
    assert (receiver_id, key) == (ID, 0)
    assert messages.read_request(packet) == (31, KEY, ID)
    reply = OVERLAY.parse(opened(messages.response(*Response(KEY))))
    assert OVERLAY.crawl_echo(b"ignored", KEY, ID) == reply.transaction == KEY


def test_a_node_of_unknown_id_is_asked_who_it_is() -> None:
    assert enveloped(OVERLAY.crawl_query(OWN, KEY, b"ignored")) == (bytes(16), 0, b"\xe4\x01")
    reply = OVERLAY.parse(opened(messages.bootstrap(Bootstrap(ID, 4662, 8))))
    assert OVERLAY.crawl_echo(b"ignored", KEY, b"") == reply.transaction == b"bootstrap"
    assert reply.sender_id == ID


def test_bootstrap_files() -> None:
    data = nodes_dat.write([Contact(ID, 0x64400201, 4672, 4662, 8)])
    assert OVERLAY.read_bootstrap(data) == [(0x64400201, 4672, ID)]
    with pytest.raises(ValueError, match="ends before"):
        OVERLAY.read_bootstrap(b"no such file")


def test_there_is_no_lookup_query() -> None:
    with pytest.raises(ValueError, match="every node"):
        OVERLAY.lookup_query(OWN, KEY, b"")


def test_keywords_have_ids() -> None:
    keyword = OVERLAY.keyword_id("Abc")
    assert keyword is not None
    assert keyword.hex() == "a448017aaf21d8525fc10ae87aa6729d"


def test_versions_have_names() -> None:
    assert OVERLAY.version_name(0x08000000).startswith("Kad 8")
