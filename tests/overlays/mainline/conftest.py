"""Datagrams of real clients, captured on loopback, the examples of BEP 5, and the check that scan and parse agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from montra.datagrams import SLOT_BYTES, DatagramBatch
from montra.overlays.base import Message, version_number
from montra.overlays.mainline.messages import LOOKUPS, parse
from montra.overlays.mainline.scan import Scanner
from zone_store.captures import Kind

_LT_ID = bytes.fromhex("fe6bdf7383117e0d75d15a2cc62787d8c5511dd5")
_AR_ID = bytes.fromhex("4c6d570090f88a5b31f6ceb8fe38ad53adff685e")
_RT_ID = bytes.fromhex("f18449e0e3fe05d4feea6f81ce245e6c5eca06c6")
_TR_ID = bytes.fromhex("eaa9d9734eeaca85279cc6c99561e7f7f5ad9e12")

PACKETS: dict[str, bytes] = {
    # BEP 5, "DHT Queries".
    "bep5 ping": b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
    "bep5 ping reply": b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
    "bep5 find_node": b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
    "bep5 get_peers": b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e"
    b"1:q9:get_peers1:t2:aa1:y1:qe",
    "bep5 get_peers values": b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee"
    b"1:t2:aa1:y1:re",
    "bep5 announce_peer": b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz123456"
    b"4:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
    "bep5 error": b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
    # libtorrent 2.1.1
    "lt bootstrap": b"d1:ad2:bsi1e2:id20:" + _LT_ID + b"9:info_hash20:" + _LT_ID[:12] + b"\xea8\x80\x8a(>\x87r"
    b"e1:q9:get_peers1:t2:\x1a\xf71:v4:LT\x02\x111:y1:qe",
    "lt get_peers": b"d1:ad2:id20:" + _LT_ID + b"9:info_hash20:" + _LT_ID[:12] + b"\xaaDG\x1c.vV\xe8"
    b"e1:q9:get_peers1:t2:\xfd\x8a1:v4:LT\x02\x111:y1:qe",
    "lt noseed": b"d1:ad2:id20:" + _LT_ID + b"9:info_hash20:qqqqqqqqqqqqqqqqqqqq6:noseedi1e"
    b"e1:q9:get_peers1:t2:k\xb41:v4:LT\x02\x111:y1:qe",
    "lt announce": b"d1:ad2:id20:"
    + _LT_ID
    + b"9:info_hash20:qqqqqqqqqqqqqqqqqqqq4:porti46881e4:seedi1e5:token8:tokn1234"
    b"e1:q13:announce_peer1:t2:\xf1G1:v4:LT\x02\x111:y1:qe",
    "lt implied port": b"d1:ad2:id20:"
    + _LT_ID
    + b"12:implied_porti1e9:info_hash20:\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2"
    b"4:porti7001e4:seedi0e5:token8:tokn1234e1:q13:announce_peer1:t2:\xd0k1:v4:LT\x02\x111:y1:qe",
    "lt sample_infohashes": b"d1:ad2:id20:" + _LT_ID + b"6:target20:zzzzzzzzzzzzzzzzzzzz"
    b"e1:q17:sample_infohashes1:t2:/\xe41:v4:LT\x02\x111:y1:qe",
    "lt get": b"d1:ad2:id20:" + _LT_ID + b"6:target20:yyyyyyyyyyyyyyyyyyyye1:q3:get1:t2:\xcd`1:v4:LT\x02\x111:y1:qe",
    "lt reply": b"d2:ip6:\x7fM\x01\x01\xb7!1:rd2:id20:" + _LT_ID + b"5:nodes0:1:pi46881e5:token4:\x04U\xab2e"
    b"1:t2:gp1:v4:LT\x02\x111:y1:re",
    "lt error": b"d1:eli203e29:invalid value for 'info_hash'e2:ip6:\x7fM\x01\x01\xb7!1:rd2:id20:"
    + _LT_ID
    + b"1:pi46881ee"
    b"1:t2:xx1:v4:LT\x02\x111:y1:ee",
    # aria2 1.36
    "aria2 ping": b"d1:ad2:id20:" + _AR_ID + b"e1:q4:ping1:t4:\x96\xca\xef11:v4:A2\x00\x031:y1:qe",
    "aria2 find_node": b"d1:ad2:id20:"
    + _AR_ID
    + b"6:target20:"
    + _AR_ID
    + b"e1:q9:find_node1:t4:\x9b\xed\xc1U1:v4:A2\x00\x031:y1:qe",
    "aria2 get_peers": b"d1:ad2:id20:" + _AR_ID + b"9:info_hash20:\xab\xab\xab\xab\xab\xab\xab\xab\xab\xab"
    b"\xab\xab\xab\xab\xab\xab\xab\xab\xab\xabe1:q9:get_peers1:t4:;\xb7\xe8\xe11:v4:A2\x00\x031:y1:qe",
    "aria2 announce": b"d1:ad2:id20:"
    + _AR_ID
    + b"9:info_hash20:\xab\xab\xab\xab\xab\xab\xab\xab\xab\xab\xab\xab\xab\xab"
    b"\xab\xab\xab\xab\xab\xab4:porti46881e5:token8:tokn1234e1:q13:announce_peer1:t4:~_\xb2\xdf1:v4:A2\x00\x031:y1:qe",
    # rTorrent 0.9.8
    "rtorrent find_node": b"d1:ad2:id20:"
    + _RT_ID
    + b"6:target20:\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
    b"\xcd\xcd\xcd\xcd\xcd\xcde1:q9:find_node1:t1:u1:v4:lt\r\x801:y1:qe",
    "rtorrent announce": b"d1:ad2:id20:"
    + _RT_ID
    + b"9:info_hash20:\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
    b"\xcd\xcd\xcd\xcd\xcd\xcd\xcd4:porti46881e5:token8:tokn1234e1:q13:announce_peer1:t1:\xe41:v4:lt\r\x801:y1:qe",
    "rtorrent reply": b"d1:rd2:id20:" + _RT_ID + b"5:nodes52:dddddddddddddddddddd\x7fM\x03\x01\xb7!22222222222222222222"
    b"\x7fM\x02\x01\xb7!5:token8:q\x03\xe4,0\r\x8e\x8fe1:t2:gp1:v4:lt\r\x801:y1:re",
    # Transmission 3.00 (jech/dht): no version
    "transmission ping": b"d1:ad2:id20:" + _TR_ID + b"e1:q4:ping1:t4:pn\x00\x001:y1:qe",
    "transmission find_node": b"d1:ad2:id20:"
    + _TR_ID
    + b"6:target20:"
    + _TR_ID[:19]
    + b"\xe4e1:q9:find_node1:t4:fn\x00\x001:y1:qe",
    "transmission error": b"d1:eli203e27:Get_peers with no info_hashe1:t2:xx1:y1:ee",
    # uTorrent's vote, as other projects' tests show it
    "utorrent vote": b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz1234565:token8:aoeusnth4:votei0ee"
    b"1:q4:vote1:t4:\x08\x1e\x82\x941:v4:UT\xab\x141:y1:qe",
    # BEP 32 and BEP 43 together, as a read-only node of two families writes them
    "read-only want": b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz1234564:wantl2:n42:n6ee"
    b"1:q9:find_node2:roi1e1:t2:aa1:y1:qe",
    # BEP 33
    "scrape": b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234566:scrapei1ee"
    b"1:q9:get_peers1:t2:aa1:y1:qe",
}


@pytest.fixture(scope="session")
def packets() -> dict[str, bytes]:
    return PACKETS


def _batch(payloads: Sequence[bytes]) -> DatagramBatch:
    """A batch whose rows end in what a longer datagram left there, as a reused buffer has it."""
    batch = DatagramBatch.of([(i, 0, 1, 1, payload) for i, payload in enumerate(payloads)])
    stale = np.frombuffer((b"1:y1:qe1:q9:get_peers" * 100)[:SLOT_BYTES], np.uint8)
    batch.buffer[:] = np.where(np.arange(SLOT_BYTES) < batch.length[:, None], batch.buffer, stale)
    return batch


def _row(message: Message) -> tuple[int, bytes, bytes, int, int, int]:
    """What the scan must say of a message."""
    if message.method not in LOOKUPS:
        return (Kind.OTHER, bytes(20), bytes(20), 0, 0, 0)
    kind = LOOKUPS[message.method][1]
    return (kind, message.sender_id, message.key, message.flags, version_number(message.version), message.port)


def _agreement(scanner: Scanner, payloads: Sequence[bytes]) -> list[str]:
    scan = scanner.scan(_batch(payloads))
    outcomes = []
    for row, payload in enumerate(payloads):
        ids = (scan.requester_id[row].tobytes(), scan.key[row].tobytes())
        found = (int(scan.kind[row]), *ids, int(scan.flags[row]), int(scan.version[row]), int(scan.port[row]))
        message = parse(payload)
        assert found == _row(message), payload
        reason = scan.malformed.get(row, "")
        if reason:
            assert reason == message.reason, payload
        elif message.reason:  # not read to the end, which is allowed only for what cannot be a lookup
            assert not any(mark in payload for mark in MARKS), payload
        outcomes.append(reason or ("unread" if message.reason else "lookup" if found[0] else "other"))
    return outcomes


#: Every lookup holds one of these.
MARKS = (b"1:q9:get_peers", b"1:q9:find_node", b"1:q13:announce_peer")


@pytest.fixture(scope="session")
def batch() -> Callable[[Sequence[bytes]], DatagramBatch]:
    return _batch


@pytest.fixture(scope="session")
def agreement() -> Callable[[Scanner, Sequence[bytes]], list[str]]:
    """Scan the payloads, assert that the scan says of each what `parse` says, return what each was.

    One of: lookup; other (a message that is no lookup); a reason (malformed, and named by the scan); unread (malformed,
    and not looked at by the scan).
    """
    return _agreement
