from __future__ import annotations

import random
import zlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montra.datagrams import SLOT_BYTES, Datagram, DatagramBatch, StrangerReply
from montra.overlays.kad import messages, phase_two
from montra.overlays.kad.head import Opening, opened
from montra.overlays.kad.ids import verify_key
from montra.overlays.kad.messages import Contact
from montra.overlays.kad.obfuscation import obfuscate, reveal
from montra.overlays.kad.opcodes import Op
from montra.overlays.kad.phase_two import File
from montra.overlays.kad.wire import MOST_BYTES, KadWire, envelope

OWN, OTHER, TARGET = bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48))
SOURCE = 0x64400201
SECRET = b"of the run"
OUR_KEY = verify_key(SOURCE, SECRET)
PING = b"\xe4\x60"


def wire() -> KadWire:
    return KadWire(SECRET, random.Random(1))


def batch(payloads: Sequence[bytes], slot: int = SLOT_BYTES) -> DatagramBatch:
    """A batch whose slots end in what a longer datagram left there."""
    made = DatagramBatch.of([(i, 1, SOURCE, 4672, payload) for i, payload in enumerate(payloads)])
    made.buffer[:] = np.where(np.arange(SLOT_BYTES) < made.length[:, None], made.buffer, 0xE4)
    made.buffer = made.buffer[:, :slot]
    return made


def open_all(payloads: Sequence[bytes], own: bytes = OWN) -> list[bytes]:
    own_ids = np.tile(np.frombuffer(own, np.uint8), (len(payloads), 1))
    result = wire().open(batch(payloads), own_ids)
    return [result.payload(row) for row in range(len(result))]


def obfuscated(packet: bytes, **keys: int | bytes) -> bytes:
    return obfuscate(packet, random.Random(7), **{"node_id": OWN, **keys})  # type: ignore[arg-type]


def test_rows_begin_with_a_head() -> None:
    request = messages.request(4, TARGET, OWN)
    rows = open_all(
        [
            PING,
            obfuscated(PING, sender_key=9),
            obfuscated(PING, receiver_key=OUR_KEY, sender_key=9),
            obfuscated(PING, node_id=b"", receiver_key=OUR_KEY, sender_key=9),
            obfuscated(PING, receiver_key=OUR_KEY ^ 1),
            request,
            messages.request(4, TARGET, OTHER),
            obfuscated(messages.request(4, TARGET, OTHER)),
        ]
    )
    assert rows == [
        b"\0\0\0\0\0\xe4\x60",
        b"\1\x09\0\0\0\xe4\x60",
        b"\3\x09\0\0\0\xe4\x60",
        b"\3\x09\0\0\0\xe4\x60",
        b"\1\0\0\0\0\xe4\x60",
        b"\0\0\0\0\0" + request,
        b"\x08\0\0\0\0" + messages.request(4, TARGET, OTHER),
        b"\x09\0\0\0\0" + messages.request(4, TARGET, OTHER),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xe4",
        b"\x10",
        b"\xc5\x94\x12\x36 to eD2k",
        b"\xe5\x43 no stream",
        bytes(100),
        obfuscated(PING, node_id=OTHER),
        obfuscated(PING, node_id=b"", receiver_key=OUR_KEY ^ 1),
        obfuscated(b"\xc5\x94\x12\x36"),
        obfuscated(b"\xe5\x43 no stream"),
        obfuscated(PING)[:-1],
    ],
)
def test_what_cannot_be_opened(data: bytes) -> None:
    assert open_all([data]) == [b"\4\0\0\0\0"]


def test_where_nobody_is_nothing_is_for_us() -> None:
    assert open_all([messages.request(4, TARGET, OWN)], own=bytes(16))[0][0] == Opening.WRONG_RECIPIENT
    assert open_all([obfuscated(PING)], own=bytes(16)) == [b"\4\0\0\0\0"]


def test_packed_packets_are_unpacked_and_cut_where_they_get_too_long() -> None:
    body = bytes(range(250)) * 4
    bomb = b"\xe5\x43" + zlib.compress(bytes(1_000_000))
    rows = open_all([b"\xe5\x43" + zlib.compress(body), obfuscated(bomb), b"\xe4\x43" + bytes(SLOT_BYTES - 2)])
    assert rows[0] == opened(b"\xe4\x43" + body)
    assert rows[1] == opened(b"\xe4\x43" + bytes(MOST_BYTES - 7), Opening.OBFUSCATED | Opening.CUT)
    assert rows[2] == opened(b"\xe4\x43" + bytes(SLOT_BYTES - 2))


def test_the_most_files_that_clients_publish_at_once_are_all_read() -> None:
    files = [
        File(
            random.Random(i).randbytes(16),
            [(b"\x01", f"some longer name of a file in a series part {i:02d}.avi"), (b"\2", i)],
        )
        for i in range(50)
    ]
    data = seal(envelope(phase_two.publish_key(TARGET, files), node_id=OWN))
    assert 1000 < len(data) < SLOT_BYTES
    row = open_all([data])[0]
    assert row[0] == Opening.OBFUSCATED
    assert phase_two.read_publish_key(row[5:]) == (TARGET, files, 50)


def test_what_came_cut_is_marked() -> None:
    long = obfuscated(b"\xe4\x43" + bytes(3000))
    given_batch = batch([long, PING])
    assert given_batch.truncated.tolist() == [True, False]
    result = wire().open(given_batch, np.tile(np.frombuffer(OWN, np.uint8), (2, 1)))
    assert result.truncated.tolist() == [True, False]
    assert result.payload(0) == opened(b"\xe4\x43" + bytes(SLOT_BYTES - 18), Opening.OBFUSCATED | Opening.CUT)


def test_the_rest_of_a_batch_stays_as_it_is() -> None:
    given_batch = DatagramBatch.of([(11, 3, SOURCE, 7, PING), (12, 4, SOURCE + 1, 8, b"")])
    own_ids = np.frombuffer(OWN + OTHER, np.uint8).reshape(2, 16)
    made = wire()
    result = made.open(given_batch, own_ids)
    assert result.time_ns.tolist() == [11, 12]
    assert result.local.tolist() == [3, 4]
    assert result.source_ip.tolist() == [SOURCE, SOURCE + 1]
    assert result.source_port.tolist() == [7, 8]
    assert result.length.tolist() == [7, 5]
    assert result.buffer.shape == (2, 64)
    result.buffer[0, 0] = 1  # its own, and writable
    assert made.counters.counts == {"plain": 1, "unreadable": 1}
    empty = made.open(batch([]), np.zeros((0, 16), np.uint8))
    assert (len(empty), empty.buffer.shape) == (0, (0, 64))


def test_narrow_slots_and_a_buffer_longer_than_the_batch() -> None:
    given_batch = batch([PING, messages.request(4, TARGET, OWN), b""], slot=64)
    given_batch = DatagramBatch(*(getattr(given_batch, name)[:2] for name in given_batch.__slots__))
    given_batch.buffer = batch([PING, messages.request(4, TARGET, OWN), b""], slot=64).buffer
    result = wire().open(given_batch, np.tile(np.frombuffer(OWN, np.uint8), (2, 1)))
    assert result.payload(1) == opened(messages.request(4, TARGET, OWN))


def seal(payload: bytes) -> bytes:
    return wire().seal([Datagram(1, SOURCE, 4672, payload)])[0].payload


def test_sealed_by_id_by_key_and_plain() -> None:
    assert reveal(seal(envelope(PING, node_id=OTHER, key=7)), OTHER, 0) == (PING, 7, OUR_KEY, True)
    assert reveal(seal(envelope(PING, node_id=OTHER)), OTHER, 0) == (PING, 0, OUR_KEY, True)
    assert reveal(seal(envelope(PING, key=7)), b"", 7) == (PING, 7, OUR_KEY, False)
    assert seal(envelope(PING)) == PING


def test_our_key_is_what_we_expect_back() -> None:
    revealed = reveal(seal(envelope(PING, node_id=OTHER)), OTHER, 0)
    assert revealed is not None
    answer = obfuscated(b"\xe4\x61\x40\x12", node_id=b"", receiver_key=revealed.sender_key)
    assert open_all([answer])[0][0] == Opening.OBFUSCATED | Opening.VERIFIED


def test_long_packets_are_packed() -> None:
    contacts = [Contact(TARGET, SOURCE + i, 4672, 4662, 8) for i in range(31)]
    packet = messages.response(TARGET, contacts)
    data = seal(envelope(packet))
    assert data[:2] == b"\xe5\x29"
    assert len(data) < len(packet) // 2
    assert open_all([data]) == [opened(packet)]


def test_a_pong_tells_the_port_it_goes_to() -> None:
    assert seal(envelope(messages.pong(0))) == b"\xe4\x61\x40\x12"


def test_classes_and_order_are_kept() -> None:
    outgoing = [
        StrangerReply(3, SOURCE, 1, envelope(PING, key=1)),
        Datagram(2, SOURCE + 1, 2, envelope(PING)),
        StrangerReply(1, SOURCE + 2, 3, envelope(PING)),
    ]
    sealed = wire().seal(outgoing)
    assert [type(datagram) for datagram in sealed] == [StrangerReply, Datagram, StrangerReply]
    assert [datagram[:3] for datagram in sealed] == [datagram[:3] for datagram in outgoing]


def test_all_processes_of_a_run_have_the_same_keys() -> None:
    data = KadWire(SECRET, random.Random(1)).seal([Datagram(1, SOURCE, 1, envelope(PING, node_id=OTHER))])[0].payload
    revealed = reveal(data, OTHER, 0)
    assert revealed is not None
    assert revealed.sender_key == verify_key(SOURCE, SECRET) != verify_key(SOURCE, b"of another run")


@given(st.lists(st.binary(max_size=80), max_size=4))
def test_junk_never_raises(payloads: list[bytes]) -> None:
    for row in open_all(payloads):
        assert row[0] in (0, 4, 8)


@given(st.sampled_from(list(Op)), st.binary(max_size=600), st.booleans(), st.integers(0, 2**32 - 2))
def test_there_and_back(op: Op, body: bytes, addressed: bool, key: int) -> None:
    packet = messages.packet(op, body if op != Op.PONG else b"\x40\x12")
    data = seal(envelope(packet, node_id=OWN if addressed else b"", key=key))
    own = OWN if addressed else bytes(16)
    row = open_all([data], own)[0]
    if addressed or not key:
        assert row[5:] == packet
        assert row[0] & ~Opening.WRONG_RECIPIENT == (Opening.OBFUSCATED if addressed else 0) | (
            Opening.VERIFIED if addressed and key == OUR_KEY else 0
        )
    else:
        assert row == b"\4\0\0\0\0" or key == OUR_KEY
