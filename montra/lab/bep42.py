"""Node IDs that fit their address, as BEP 42 asks of nodes on the Internet."""

from __future__ import annotations

import ipaddress
import random

from zone_store.keyspace.zone import Zone

#: BEP 42: of an address these bits count, and the first 21 bits of an ID follow from them and from three more.
_MASK = 0x030F3FFF
_FIXED_BITS = 21
_ID_BITS = 160
_POLYNOMIAL = 0x82F63B78  # CRC-32C (Castagnoli), reflected


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of some bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def prefix(ip: int, rand: int) -> int:
    """Return the 21 leading bits of IDs at an address (host order) whose last byte is `rand`."""
    return crc32c((ip & _MASK | (rand & 7) << 29).to_bytes(4, "big")) >> 32 - _FIXED_BITS


def exempt(ip: int) -> bool:
    """Tell whether any ID will do: at addresses that are no public ones."""
    return not ipaddress.IPv4Address(ip).is_global


def node_id(ip: int, zone: Zone, rng: random.Random) -> bytes | None:
    """Return a random ID in the zone that is valid at an address, None where the address allows none.

    An address allows 8 prefixes, so a zone of 6 bits fits one address in eight.
    """
    if exempt(ip):
        return zone.random_id(rng)
    order = list(range(256))
    rng.shuffle(order)
    for rand in order:
        head = prefix(ip, rand) << _ID_BITS - _FIXED_BITS
        if zone.length > _FIXED_BITS:
            return None
        if zone.contains(head.to_bytes(_ID_BITS // 8, "big")):
            return (head | rng.getrandbits(_ID_BITS - _FIXED_BITS) & ~0xFF | rand).to_bytes(_ID_BITS // 8, "big")
    return None
