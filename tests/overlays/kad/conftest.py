"""Packets of real aMule 2.3.3 daemons, captured in a private network, and the check that scan and parse agree.

PACKETS are plain; DATAGRAMS are as they were on the wire, with what their receiver needs to open them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pytest

from montra.datagrams import SLOT_BYTES, DatagramBatch
from montra.overlays.kad.parse import parse
from montra.overlays.kad.scan import scan
from zone_store.captures import Kind

PACKETS: dict[str, bytes] = {
    name: bytes.fromhex(text)
    for name, text in {
        "bootstrap req": "e401",
        "hello req": "e4110e2713a4370d9e26e44da7f239b4e65236120800",
        "hello res": "e419945de2a47504d90e5d983195f8c99d5d36120800",
        # with the tag 0xF2 that a node behind a TCP firewall adds for a stranger: ACK wanted
        "hello res misc": "e419945de2a47504d90e5d983195f8c99d5d3612080109 0100f206",
        "hello res ack": "e422945de2a47504d90e5d983195fbc99d5d00",
        "req publish": "e421040813bda4fcf2e6ac14f8f17f97620f71ce6e11a4d9f7381724179c3d8f0be211",
        "req search": "e421020813bda4fcf2e6ac14f8f17f97620f71ce6e11a4d9f7381724179c3d8f0be211",
        "req node": "e4210b0813bda4fcf2e6ac14f8f17f97620f71ce6e11a4d9f7381724179c3d8f0be211",
        "res": "e4290813bda4fcf2e6ac14f8f17f97620f7104"
        "237cb1a4cf92c190af94acd3b6dd210f010640644012361208"
        "945de2a47504d90e5d983195f8c99d5d010340644012361208"
        "2b902fa424083fd2332f8b12d07f5c0c010240644012361208"
        "0e2713a4370d9e26e44da7f238b4e652010140644012361208",
        "search key": "e43358e620a45a770a7f81177759b949da6d00800106006b7731313439",
        "search source": "e434e9c989a44a4ff6b6d8e38dad097168bc00004000000000000000",
        "search res": "e43b5a6703a45aa30016d8509909cc75f636e9c989a44a4ff6b6d8e38dad097168bc0100"
        "f955e53984690efd71876a512f6fb839060901000240030100fe01014064090100ff01080100fd3612090100f302080100fc4012",
        "publish key": "e4430813bda4fcf2e6ac14f8f17f97620f710100e9c989a44a4ff6b6d8e38dad097168bc"
        "030201000116006b7731313439206b7732313830206b77343632392e3109010002400901001500",
        "publish source": "e444e9c989a44a4ff6b6d8e38dad097168bca39eab60e2a20e42d3e4376c486f8888"
        "04090100ff01080100fd36120901000240090100f302",
        "publish res": "e44b0813bda4fcf2e6ac14f8f17f97620f7100",
        "firewalled2 req": "e4533612efd3cab75b160ebfe099fc5c426fd0ac02",
        "firewalled res": "e45801034064",
        "ping": "e460",
        "pong": "e4614012",
    }.items()
}


class Received(NamedTuple):
    """A datagram on the wire: its source, its receiver's ID and CryptoKadUDPKey, and the packet in it."""

    data: bytes
    source: str
    receiver_id: bytes
    udp_key: int
    packet: str


_N1 = bytes.fromhex("a413270e269e0d37f2a74de452e6b438"), 1397871145
_N2 = bytes.fromhex("a42f902bd23f0824128b2f330c5c7fd0"), 202142729
_N3 = bytes.fromhex("a4e25d940ed904759531985d5d9dc9f8"), 1089709947
_N5 = bytes.fromhex("a4116ece1738f7d93d9c172411e20b8f"), 911648020
_N6 = bytes.fromhex("a4b17c2390c192cfd3ac94af0f21ddb6"), 2034632751

DATAGRAMS: tuple[Received, ...] = tuple(
    Received(bytes.fromhex(text), source, receiver_id, udp_key, packet)
    for text, source, (receiver_id, udp_key), packet in (
        ("c48baf95e2ec667d42510a1756b8e18cfdba", "100.64.3.1", _N6, "ping"),
        (
            "acc65e2cac9ef0ae06c6e8d9b9a5b50cf3c25a9f049af421d3bfc5cc399d5559d34b04b1a0a940455297e76abac1c1f3c0dc03",
            "100.64.1.1",
            _N5,
            "req publish",
        ),
        ("5ebaaa87249fc1c0619cc78f137cbd5ce8eaefab", "100.64.6.1", _N3, "pong"),
        (
            "9434959c2779209748506e67c5405b9fdaf4e2886e2c971f4622a919853568cd0f8f74ed39a6",
            "100.64.3.1",
            _N2,
            "hello res",
        ),
        (
            "ee969447839e7eb6d145a0553b500f0502d6d44927ce8d778be4ea47acbf3482a754fa24ec",
            "100.64.3.1",
            _N1,
            "firewalled2 req",
        ),
        ("e685aef710f2b1865ab8af226ab700266f4bcdda6d2b", "100.64.1.1", _N3, "firewalled res"),
        (
            "dc56709da07779f4bbb2d66ba640040c84ede745353b3169947a71694529c0ff7c33f01c3858885cc3851094473bc9dc3a81a94f"
            "5498cd5b8e1d2ea73b29117e814fca96d49dd0f7",
            "100.64.6.1",
            _N2,
            "publish source",
        ),
        ("2ea0cab7b86e2e71f423dad9d448731b915f45244603a1527950f85e8e4139b19a4857", "100.64.6.1", _N1, "publish res"),
    )
)


@pytest.fixture(scope="session")
def packets() -> dict[str, bytes]:
    return PACKETS


@pytest.fixture(scope="session")
def datagrams() -> tuple[Received, ...]:
    return DATAGRAMS


#: What a lookup is by the last five bits of its count byte.
_KINDS = dict.fromkeys(range(1, 32), Kind.NODE_LOOKUP) | {2: Kind.SEARCH, 4: Kind.PUBLISH}


def _batch(payloads: Sequence[bytes]) -> DatagramBatch:
    """A batch whose rows end in what a longer datagram left there, as a reused buffer has it."""
    batch = DatagramBatch.of([(i, 1, 1, 1, payload) for i, payload in enumerate(payloads)])
    stale = np.frombuffer((b"\0\0\0\0\0\xe4\x21\x02" * 256)[:SLOT_BYTES], np.uint8)
    batch.buffer[:] = np.where(np.arange(SLOT_BYTES) < batch.length[:, None], batch.buffer, stale)
    return batch


def _agreement(payloads: Sequence[bytes]) -> list[str]:
    batch = _batch(payloads)
    found = scan(batch)
    outcomes = []
    for row, payload in enumerate(payloads):
        message = parse(payload)
        lookup = message.method == "req"
        kind = int(found.kind[row])
        assert kind == (_KINDS[payload[7] & 31] if lookup else Kind.OTHER), payload
        assert found.key[row].tobytes() == (message.key if lookup else bytes(16)), payload
        assert int(found.transaction_bytes[row]) == (16 if lookup else 0), payload
        assert not found.requester_id[row].any()
        assert (found.flags[row], found.version[row], found.port[row]) == (0, 0, 0)
        reason = found.malformed.get(row, "")
        if reason:
            assert reason == message.reason, payload
        elif message.reason:  # not read beyond its opcode, which is allowed only for what is no lookup
            assert payload[6] != 0x21, payload
        outcomes.append(reason or ("unread" if message.reason else "lookup" if lookup else "other"))
    return outcomes


@pytest.fixture(scope="session")
def batch() -> Callable[[Sequence[bytes]], DatagramBatch]:
    return _batch


@pytest.fixture(scope="session")
def agreement() -> Callable[[Sequence[bytes]], list[str]]:
    """Scan opened datagrams, assert that the scan says of each what `parse` says, return what each was.

    One of: lookup; other (a message that is no lookup); a reason (malformed, and named by the scan); unread (malformed,
    and not looked at by the scan).
    """
    return _agreement
