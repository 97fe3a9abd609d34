from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.overlay import CrawlOverlay
from montra.datagrams import DatagramBatch
from montra.overlays.base import Message, Peer, load
from montra.overlays.mainline import OVERLAY
from montra.overlays.mainline.bencode import decode, encode
from zone_store.captures import Flag, Kind

ID, KEY, OWN = b"abcdefghij0123456789", b"mnopqrstuvwxyz123456", b"abcdefghij0123456788"


def test_it_is_the_overlay_of_that_name_and_can_be_crawled() -> None:
    assert load("mainline") is OVERLAY
    crawlable: CrawlOverlay = OVERLAY
    assert crawlable.id_bytes == 20
    assert not crawlable.addressed


def test_nothing_of_what_only_other_dhts_need() -> None:
    assert OVERLAY.wire(b"secret", random.Random(1)) is None
    assert OVERLAY.introduction_echo(b"ab") == OVERLAY.crawl_echo(b"ab", KEY, ID) == b"ab"
    assert OVERLAY.crawl_query(OWN, KEY, b"ab", ID) == OVERLAY.crawl_query(OWN, KEY, b"ab")
    with pytest.raises(ValueError, match="host:port"):
        OVERLAY.read_bootstrap(b"")


def test_what_may_be_the_answer_to_a_query_is_told_by_its_transaction() -> None:
    pong = b"d1:rd2:id20:" + ID + b"e1:t2:ab1:y1:re"
    assert OVERLAY.may_answer(pong, b"ab")
    assert not OVERLAY.may_answer(pong, b"ax")


def test_constants() -> None:
    assert (OVERLAY.name, OVERLAY.id_bytes, OVERLAY.bucket_size) == ("mainline", 20, 8)
    assert (OVERLAY.lookup_span_ns, OVERLAY.refresh_bits) == (60_000_000_000, 96)


def test_introduction_asks_for_the_monitor_itself_and_is_not_read_only() -> None:
    message = OVERLAY.parse(OVERLAY.introduction(OWN, Peer(ID), b"ab"))
    assert message == Message("query", "find_node", b"ab", OWN, OWN, version=b"mT\x00\x01")


def test_keep_alive_is_a_ping() -> None:
    message = OVERLAY.parse(OVERLAY.keep_alive(OWN, Peer(ID), b"ab"))
    assert message == Message("query", "ping", b"ab", OWN, version=b"mT\x00\x01")


def test_greeting_is_a_pong_to_jechs_ping_for_those_without_a_version() -> None:
    greeting = OVERLAY.greeting(OWN, Peer(ID), Message("reply", sender_id=ID))
    assert greeting == b"d1:rd2:id20:" + OWN + b"e1:t4:pn\x00\x001:v4:mT\x00\x011:y1:re"


@pytest.mark.parametrize("version", [b"lt\x0d\x80", b"LT\x02\x11", b"A2\x00\x03", b"?"])
def test_clients_with_a_version_are_not_greeted(version: bytes) -> None:
    assert OVERLAY.greeting(OWN, Peer(ID), Message("reply", sender_id=ID, version=version)) is None


def test_crawl_query_is_read_only() -> None:
    message = OVERLAY.parse(OVERLAY.crawl_query(OWN, KEY, b"ab"))
    assert message == Message("query", "find_node", b"ab", OWN, KEY, version=b"mT\x00\x01", flags=Flag.READ_ONLY)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("bep5 ping", {b"id": OWN}),
        ("bep5 find_node", {b"id": OWN, b"nodes": b""}),
        ("lt get_peers", {b"id": OWN, b"nodes": b""}),
        ("lt announce", {b"id": OWN}),
        ("rtorrent find_node", {b"id": OWN, b"nodes": b""}),
    ],
)
def test_answers(packets: dict[str, bytes], name: str, values: dict[bytes, bytes]) -> None:
    query = OVERLAY.parse(packets[name])
    answer = OVERLAY.answer(query, OWN, Peer(ID))
    assert answer is not None
    assert decode(answer) == {b"r": values, b"t": query.transaction, b"v": b"mT\x00\x01", b"y": b"r"}


@pytest.mark.parametrize(
    "name", ["lt sample_infohashes", "lt get", "utorrent vote", "bep5 ping reply", "lt reply", "bep5 error"]
)
def test_silent_to_everything_else(packets: dict[str, bytes], name: str) -> None:
    assert OVERLAY.answer(OVERLAY.parse(packets[name]), OWN, Peer(ID)) is None
    assert OVERLAY.answer(OVERLAY.parse(b"junk"), OWN, Peer(ID)) is None


@given(st.sampled_from(["ping", "find_node", "get_peers", "announce_peer"]), st.binary(max_size=120))
def test_no_answer_is_longer_than_the_shortest_query_it_answers(method: str, transaction: bytes) -> None:
    key = {"find_node": {b"target": KEY}, "get_peers": {b"info_hash": KEY}, "announce_peer": {b"info_hash": KEY}}
    query = encode({b"a": {b"id": ID, **key.get(method, {})}, b"q": method.encode(), b"t": transaction, b"y": b"q"})
    message = OVERLAY.parse(query)
    assert message.type == "query"
    answer = OVERLAY.answer(message, OWN, Peer(ID))
    assert answer is not None
    assert len(answer) <= len(query)


def test_scan_and_names(packets: dict[str, bytes]) -> None:
    scan = OVERLAY.scan(DatagramBatch.of([(0, 0, 1, 1, packets["lt get_peers"])]))
    assert scan.kind.tolist() == [Kind.LOOKUP]
    assert OVERLAY.version_name(int(scan.version[0])) == "libtorrent 2.1.1"
