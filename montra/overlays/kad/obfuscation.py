"""Obfuscated UDP of Kad (aMule `EncryptedDatagramSocket.cpp`; the one of eD2k is left alone).

    marker u8 | random 2 | RC4{ magic u32, padding length u8, padding, receiver's key u32, sender's key u32, packet }

The RC4 key is the MD5 of a secret and the two random bytes. The secret is either the receiver's ID as in packets (the
marker ends in bits 00), or the verify key that the receiver has for the sender's address (10). It hides, and no more:
everybody who knows an ID can read what is sent to it.
"""

from __future__ import annotations

import random
import struct
from hashlib import md5
from typing import Final, NamedTuple

from Crypto.Cipher import ARC4

from montra.overlays.kad.ids import to_wire
from montra.overlays.kad.opcodes import PROTOCOLS

MAGIC: Final = 0x395F2EC1
_HEAD: Final = struct.Struct("<IBII")  # without padding, as all clients write it
_START: Final = struct.Struct("<IB")
_KEYS: Final = struct.Struct("<II")
_KEY: Final = struct.Struct("<I")
#: Marker, random bytes, magic, padding length, keys, and a packet of two bytes.
SHORTEST: Final = 3 + _HEAD.size + 2
_MARKERS: Final = {
    bits: tuple(marker for marker in range(256) if marker & 3 == bits and marker not in PROTOCOLS) for bits in (0, 2)
}


class Revealed(NamedTuple):
    """A decrypted datagram: the packet (plain or packed), both verify keys, and whether the ID was its secret."""

    packet: bytes
    receiver_key: int
    sender_key: int
    by_id: bool


def is_plain(data: bytes) -> bool:
    """Tell whether a datagram (not empty) says by its first byte that it is not obfuscated."""
    return data[0] in PROTOCOLS


def obfuscate(
    packet: bytes, rng: random.Random, *, node_id: bytes = b"", receiver_key: int = 0, sender_key: int = 0
) -> bytes:
    """Return the datagram that carries a packet (plain or packed).

    node_id: canonical ID of the receiver, the secret if given; else it is receiver_key, which must not be 0 then.
    receiver_key: what the receiver expects from our address, 0 if unknown; sender_key: what we expect from its.
    Raises ValueError if there is no secret.
    """
    if not (node_id or receiver_key):
        raise ValueError("obfuscation needs the receiver's ID or its verify key")
    secret, bits = (to_wire(node_id), 0) if node_id else (_KEY.pack(receiver_key), 2)
    marker = rng.choice(_MARKERS[bits])
    salt = rng.randbytes(2)
    cipher = ARC4.new(_rc4_key(secret, salt))
    return bytes((marker,)) + salt + cipher.encrypt(_HEAD.pack(MAGIC, 0, receiver_key, sender_key) + packet)


def reveal(data: bytes, node_id: bytes, verify_key: int) -> Revealed | None:
    """Decrypt a datagram that is not plain; None if neither secret opens it. Never raises over `data`.

    node_id: canonical ID of the receiver, b"" if unknown; verify_key: what the receiver expects from the sender's
    address (`ids.verify_key`), 0 if unknown.
    """
    return reveal_wire(data, to_wire(node_id) if node_id else b"", verify_key)


def reveal_wire(data: bytes, wire_id: bytes, verify_key: int) -> Revealed | None:
    """Do what `reveal` does for an ID in the form of packets."""
    # The sender's marker is odd for eD2k alone, and tells which secret is likelier.
    if len(data) < SHORTEST or data[0] & 1:
        return None
    by_key_first = bool(data[0] & 2)
    for by_key in (by_key_first, not by_key_first):
        secret = (_KEY.pack(verify_key) if verify_key else b"") if by_key else wire_id
        if not secret:
            continue
        plain = ARC4.new(_rc4_key(secret, data[1:3])).decrypt(data[3:])
        magic, padding = _START.unpack_from(plain)
        at = _HEAD.size + padding
        if magic == MAGIC and at < len(plain):
            receiver_key, sender_key = _KEYS.unpack_from(plain, at - _KEYS.size)
            return Revealed(plain[at:], receiver_key, sender_key, not by_key)
    return None


def _rc4_key(secret: bytes, salt: bytes) -> bytes:
    return md5(secret + salt, usedforsecurity=False).digest()
