"""A seeded storm of mutated messages, on the wire and opened: nothing raises, and the scan says what the parser says.

Wire, scan, parser, the reader of each kind of packet, and what is told of contents get it.

It also counts, so that the storm is known to reach every way out.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from montra.datagrams import SLOT_BYTES, Counters, DatagramBatch
from montra.overlays.base import Said
from montra.overlays.kad import messages, phase_two
from montra.overlays.kad.contents import contents
from montra.overlays.kad.ids import verify_key
from montra.overlays.kad.obfuscation import obfuscate
from montra.overlays.kad.opcodes import Op
from montra.overlays.kad.reader import KadError
from montra.overlays.kad.wire import KadWire

ROUNDS, ROWS = 400, 256  # 102,400 datagrams on the wire and as many opened
OWN = bytes.fromhex("a4116ece1738f7d93d9c172411e20b8f")  # the recipient of the captured requests
SECRET = b"of the run"
SOURCE = 1
OUR_KEY = verify_key(SOURCE, SECRET)
PIECES = (
    b"\xe4\x21", b"\xe5\x43", b"\xe4\x29", bytes(16), b"\xff" * 16, b"\0\0" * 40, b"\x02\xff\xff", b"\xff\xff",
    b"\x0a\x01\x00\x02\xff", b"\x00\x80", b"\x09\x01\x00\xf2\x04", OWN[:4],
)  # fmt: skip
READERS: dict[int, Callable[[bytes], object]] = {
    Op.BOOTSTRAP_RES: messages.read_bootstrap,
    Op.HELLO_REQ: messages.read_hello,
    Op.HELLO_RES: messages.read_hello,
    Op.HELLO_RES_ACK: messages.read_hello_ack,
    Op.REQ: messages.read_request,
    Op.RES: messages.read_response,
    Op.SEARCH_KEY_REQ: phase_two.read_search_key,
    Op.SEARCH_SOURCE_REQ: phase_two.read_search_source,
    Op.SEARCH_NOTES_REQ: phase_two.read_search_notes,
    Op.SEARCH_RES: phase_two.read_search_result,
    Op.PUBLISH_KEY_REQ: phase_two.read_publish_key,
    Op.PUBLISH_SOURCE_REQ: phase_two.read_publish_source,
    Op.PUBLISH_NOTES_REQ: phase_two.read_publish_notes,
    Op.PUBLISH_RES: phase_two.read_publish_result,
    Op.FINDBUDDY_REQ: phase_two.read_find_buddy,
}


def mutate(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    at, end = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
    match max(0, rng.randrange(-4, 8)):
        case 0:
            return data
        case 1 | 2:  # bytes replaced
            changed = bytearray(data)
            for _ in range(rng.choice((1, 1, 2, 5))):
                if changed:
                    changed[rng.randrange(len(changed))] = rng.choice((rng.randrange(256), 0, 1, 255))
            return bytes(changed)
        case 3:  # a piece of structure put in, or put over
            piece = rng.choice(PIECES)
            return data[:at] + piece + data[at + rng.choice((0, len(piece))) :]
        case 4:  # cut short
            return data[:end]
        case 5:  # a part left out, or repeated
            return data[: rng.choice((at, end))] + data[rng.choice((at, end)) :]
        case 6:  # two messages crossed
            other = rng.choice(others)
            return data[:at] + other[rng.randrange(len(other) + 1) :]
    return data + rng.randbytes(rng.choice((1, 300, 3000)))


def sent(rng: random.Random, packet: bytes) -> bytes:
    """A packet as a datagram: plain or packed, in the clear or obfuscated in one of several ways."""
    if rng.random() < 0.3:
        packet = b"\xe5" + packet[1:2] + zlib.compress(packet[2:])
        if rng.random() < 0.2:
            packet = b"\xe5\x43" + zlib.compress(bytes(rng.choice((3000, 100_000))))
    receiver_key = rng.choice((0, OUR_KEY, OUR_KEY, 5))
    how = rng.randrange(4)
    if how == 0:
        return packet
    if how == 1 and receiver_key:
        return obfuscate(packet, rng, receiver_key=receiver_key, sender_key=rng.randrange(3))
    return obfuscate(packet, rng, node_id=OWN, receiver_key=receiver_key, sender_key=rng.randrange(3))


def read_all(payloads: Sequence[bytes], outcome: Counter[str]) -> None:
    """Hand every payload to the reader of its opcode: only KadError may come out."""
    for payload in payloads:
        read = READERS.get(payload[6]) if len(payload) > 6 else None
        if read is not None:
            try:
                read(payload[5:])
            except KadError as error:
                outcome[f"read: {error.reason}"] += 1
            else:
                outcome["read"] += 1


@pytest.mark.slow
def test_nothing_raises_and_scan_agrees_with_parse(
    packets: dict[str, bytes], agreement: Callable[[Sequence[bytes]], list[str]]
) -> None:
    rng = random.Random(20260102)
    corpus = [
        *packets.values(),
        messages.request(0x20, OWN, OWN),
        messages.bootstrap(messages.Bootstrap(OWN, 1, 8)),
        b"\xe4\x35" + bytes(40),
    ]
    wire = KadWire(SECRET, rng)
    own_ids = np.tile(np.frombuffer(OWN, np.uint8), (ROWS, 1))
    outcome: Counter[str] = Counter()
    told = Counters()
    flags = np.zeros(256, np.int64)
    for _ in range(ROUNDS):
        raw, rows = [], []
        for _ in range(ROWS):
            packet = rng.choice(corpus)
            for _ in range(rng.choice((0, 1, 1, 2))):
                packet = mutate(rng, packet, corpus)
            data = sent(rng, packet)
            raw.append(mutate(rng, data, raw or corpus) if rng.random() < 0.2 else data)
            head = bytes((rng.randrange(32), 1, 0, 0, 0))
            rows.append(mutate(rng, head + packet, corpus)[:SLOT_BYTES])
        batch = DatagramBatch.of([(1, 1, SOURCE, 1, data) for data in raw])
        batch.truncated |= np.array([rng.random() < 0.05 for _ in raw])  # as if their rest were lost
        batch = wire.open(batch, own_ids)
        said, _ = contents(Said(batch, np.arange(ROWS), np.zeros(ROWS, np.uint32), lambda _ip, _key: True), told)
        told.add("contents", len(said))
        received = [batch.payload(row) for row in range(ROWS)]
        flags += np.bincount(batch.buffer[:, 0], minlength=256)
        for payloads in (received, rows):
            outcome.update(agreement(payloads))
            read_all(payloads, outcome)
    counted = {name: n for name, n in outcome.items() if not name.startswith("read")}
    assert sum(counted.values()) == 2 * ROUNDS * ROWS == 204_800
    assert counted["lookup"] > 10_000
    assert counted["other"] > 50_000
    assert counted["unread"] > 5_000
    refusals = {"too_short", "unreadable", "not_kad", "unknown_opcode", "bad_count", "wrong_recipient"}
    assert {reason for reason in refusals if outcome[reason] > 300} == refusals
    assert outcome["read"] > 50_000
    assert outcome["read: too_short"] > 10_000
    assert {"read: bad_tag", "read: bad_tree", "read: wrong_size", "read: bad_version"} <= set(outcome)
    assert told.counts["contents"] > 2_000
    assert told.counts["unreadable"] > 2_000
    # plain, obfuscated, verified, unreadable, for another, cut: each way in was taken
    assert all(flags[value] > 100 for value in (0, 1, 3, 4, 8, 9, 11, 16, 17, 19))
    assert not flags[32:].any()
