"""What simulated nodes write and read."""

import pytest

from montra.overlays.mainline import messages, replies
from montra.simulator import wording
from montra.simulator.settings import Family

OWN, KEY = b"I" * 20, b"K" * 20

#: As recorded from libtorrent 2.1.1, Transmission 3.00, bittorrent-dht 11.0.12, aria2 1.36 and rTorrent 0.9.8.
RECORDED = {
    Family.LIBTORRENT: b"d1:ad2:id20:%b9:info_hash20:%be1:q9:get_peers1:t2:TT1:v4:LT\x02\x111:y1:qe",
    Family.JECH: b"d1:ad2:id20:%b9:info_hash20:%be1:q9:get_peers1:t4:gpTT1:y1:qe",
    Family.WEBTORRENT: b"d1:ad2:id20:%b9:info_hash20:%be1:q9:get_peers1:t2:TT1:y1:qe",
    Family.ARIA2: b"d1:ad2:id20:%b9:info_hash20:%be1:q9:get_peers1:t4:TTTT1:v4:A2\x00\x031:y1:qe",
    Family.RTORRENT: b"d1:ad2:id20:%b6:target20:%be1:q9:find_node1:t1:T1:v4:lt\x0d\x801:y1:qe",
}


@pytest.mark.parametrize("family", list(RECORDED))
def test_lookups_have_the_layouts_of_their_clients(family: Family) -> None:
    method = "find_node" if family is Family.RTORRENT else "get_peers"
    number = int.from_bytes(b"TTTT")
    assert wording.query(family, method, OWN, KEY, number) == RECORDED[family] % (OWN, KEY)


@pytest.mark.parametrize("family", list(Family))
def test_all_that_is_written_is_read_by_the_overlay(family: Family) -> None:
    for method, key in (("ping", b""), ("find_node", KEY), ("get_peers", KEY)):
        query = messages.parse(wording.query(family, method, OWN, KEY, 7))
        assert (query.type, query.method, query.sender_id, query.key) == ("query", method, OWN, key)
    contacts = messages.CONTACT.pack(KEY, 0x2D000001, 6881)
    payload = wording.reply(family, OWN, contacts, b"abcd")
    reply = messages.parse(payload)
    assert replies.read(payload) == reply
    assert (reply.type, reply.sender_id, reply.contacts) == ("reply", OWN, ((KEY, 0x2D000001, 6881),))
    announced = messages.parse(wording.announcement(family, OWN, KEY, 6881, b"token", 7))
    assert (announced.method, announced.key, announced.port) == ("announce_peer", KEY, 6881)


def test_the_instruments_messages_are_read() -> None:
    assert wording.read(messages.find_node(OWN, KEY, b"abcd", read_only=True)) == (
        "query",
        OWN,
        KEY,
        True,
        b"abcd",
        False,
    )
    assert wording.read(messages.find_node(OWN, KEY, b"ab")) == ("query", OWN, KEY, False, b"ab", False)
    assert wording.read(messages.ping(OWN, b"abcdefgh")) == ("query", OWN, b"", False, b"abcdefgh", False)
    assert wording.read(messages.ping(OWN, b"abc")) == ("query", OWN, b"", False, b"abc", False)  # read whole
    assert wording.read(messages.reply(OWN, b"x", nodes=True)) == ("reply", OWN, b"", False, b"x", False)
    assert wording.read(b"d1:eli201e5:oopsee1:t1:x1:y1:ee").kind == "error"
    assert wording.read(b"junk").kind == ""


def test_tokens_are_found() -> None:
    payload = b"d1:rd2:id20:" + OWN + b"5:nodes0:5:token8:12345678e1:t1:x1:y1:re"
    assert wording.read(payload).token
    assert wording.token_of(payload) == b"12345678"
    assert wording.token_of(messages.reply(OWN, b"x", nodes=True)) == b""
