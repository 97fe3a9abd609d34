from __future__ import annotations

import hashlib
import random
import struct
from collections import Counter
from collections.abc import Sequence

import pytest
from Crypto.Cipher import ARC4
from hypothesis import given
from hypothesis import strategies as st

from montra.datagrams import ip_number
from montra.overlays.kad.ids import to_wire, verify_key
from montra.overlays.kad.obfuscation import is_plain, obfuscate, reveal

ID = bytes(range(16))
OTHER = bytes(range(1, 17))
PING = b"\xe4\x60"


def by_hand(marker: int, secret: bytes, plain: bytes) -> bytes:
    return bytes((marker,)) + b"xy" + ARC4.new(hashlib.md5(secret + b"xy").digest()).encrypt(plain)


def test_by_id() -> None:
    data = obfuscate(PING, random.Random(1), node_id=ID, receiver_key=7, sender_key=9)
    assert len(data) == 18
    assert data[0] & 3 == 0
    assert reveal(data, ID, 0) == (PING, 7, 9, True)
    assert reveal(data, OTHER, 7) is None


def test_by_verify_key() -> None:
    data = obfuscate(PING, random.Random(1), receiver_key=7, sender_key=9)
    assert data[0] & 3 == 2
    assert reveal(data, b"", 7) == (PING, 7, 9, False)
    assert reveal(data, ID, 8) is None
    assert reveal(data, ID, 0) is None


def test_the_layout_is_that_of_clients() -> None:
    plain = struct.pack("<IBII", 0x395F2EC1, 0, 7, 9) + PING
    assert reveal(by_hand(0x10, to_wire(ID), plain), ID, 7) == (PING, 7, 9, True)
    assert reveal(by_hand(0x12, b"\7\0\0\0", plain), ID, 7) == (PING, 7, 9, False)


def test_the_marker_is_a_hint_only() -> None:
    plain = struct.pack("<IBII", 0x395F2EC1, 0, 7, 9) + PING
    assert reveal(by_hand(0x12, to_wire(ID), plain), ID, 7) == (PING, 7, 9, True)
    assert reveal(by_hand(0x10, b"\7\0\0\0", plain), ID, 7) == (PING, 7, 9, False)
    assert reveal(by_hand(0x11, to_wire(ID), plain), ID, 7) is None  # eD2k's


def test_padding_is_passed_over() -> None:
    for padding in (1, 15, 200, 255):
        plain = struct.pack("<IB", 0x395F2EC1, padding) + bytes(padding) + struct.pack("<II", 7, 9) + PING
        assert reveal(by_hand(0x10, to_wire(ID), plain), ID, 0) == (PING, 7, 9, True)
    plain = struct.pack("<IB", 0x395F2EC1, 255) + bytes(100)
    assert reveal(by_hand(0x10, to_wire(ID), plain), ID, 0) is None
    plain = struct.pack("<IBII", 0x395F2EC1, 2, 7, 9) + PING  # padding that leaves no packet
    assert reveal(by_hand(0x10, to_wire(ID), plain), ID, 0) is None


def test_markers_are_never_those_of_a_protocol() -> None:
    rng = random.Random(2)
    first: Counter[int] = Counter()
    for _ in range(4000):
        data = obfuscate(PING, rng, node_id=ID)
        assert not is_plain(data)
        first[data[0]] += 1
        data = obfuscate(PING, rng, receiver_key=1)
        assert not is_plain(data)
        first[data[0]] += 1
    assert len(first) == 128 - 3  # even ones, without E4, B2, D4
    assert {is_plain(bytes((byte,))) for byte in (0xA3, 0xB2, 0xC5, 0xD4, 0xE4, 0xE5)} == {True}


def test_without_a_secret() -> None:
    with pytest.raises(ValueError, match="needs the receiver's ID"):
        obfuscate(PING, random.Random(1))


def test_same_seed_same_bytes() -> None:
    assert obfuscate(PING, random.Random(5), node_id=ID) == obfuscate(PING, random.Random(5), node_id=ID)


@given(st.binary(max_size=100))
def test_junk_is_not_opened(data: bytes) -> None:
    assert reveal(data, ID, 7) is None
    assert reveal(data, b"", 0) is None


@given(st.binary(min_size=2, max_size=300), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_there_and_back(packet: bytes, receiver_key: int, sender_key: int) -> None:
    rng = random.Random(3)
    data = obfuscate(packet, rng, node_id=ID, receiver_key=receiver_key, sender_key=sender_key)
    assert reveal(data, ID, receiver_key) == (packet, receiver_key, sender_key, True)


def test_datagrams_of_real_nodes(
    datagrams: Sequence[tuple[bytes, str, bytes, int, str]], packets: dict[str, bytes]
) -> None:
    by_id = []
    for data, source, receiver_id, udp_key, packet in datagrams:
        key = verify_key(ip_number(source), udp_key.to_bytes(4, "little"))
        revealed = reveal(data, receiver_id, key)
        assert revealed is not None
        assert revealed.packet == packets[packet]
        assert revealed.sender_key
        if not revealed.by_id:
            assert revealed.receiver_key == key
        by_id.append(revealed.by_id)
    assert by_id == [True, True, False, True, False, False, True, False]
