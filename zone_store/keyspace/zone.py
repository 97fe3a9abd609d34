"""Zones: the part of the keyspace whose IDs share a prefix."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: `split` refuses more parts than this many bits give.
_MAX_SPLIT_BITS = 16


class ZoneError(ValueError):
    """Text or numbers that name no zone; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Zone:
    """All IDs of `id_bits` bits whose first `length` bits are `prefix` (an integer of `length` bits).

    Raises ZoneError when the numbers do not fit each other or IDs are not whole bytes.
    """

    prefix: int
    length: int
    id_bits: int = 160

    def __post_init__(self) -> None:
        if self.id_bits < 8 or self.id_bits % 8:
            raise ZoneError(f"IDs of {self.id_bits} bits are not whole bytes")
        if not 0 <= self.length <= self.id_bits:
            raise ZoneError(f"zone length {self.length} is not between 0 and {self.id_bits}")
        if not 0 <= self.prefix < 1 << self.length:
            raise ZoneError(f"zone prefix {self.prefix:#x} does not fit {self.length} bits")

    @classmethod
    def parse(cls, text: str, id_bits: int = 160) -> Zone:
        """Read "a4/6", "0xa4/8" (the top bits of the hex digits) or plain bits "101001"; raises ZoneError."""
        stripped = text.strip()
        if stripped and set(stripped) <= {"0", "1"}:
            if len(stripped) > id_bits:
                raise ZoneError(f"zone {text!r}: {len(stripped)} bits, but IDs have {id_bits}")
            return cls(int(stripped, 2), len(stripped), id_bits)
        digits, slash, bits = stripped.partition("/")
        if not slash:
            raise ZoneError(f"zone {text!r}: write it as hex prefix and bits (a4/6) or as bits (101001)")
        digits = digits.removeprefix("0x").removeprefix("0X")
        if not digits or not set(digits) <= set("0123456789abcdefABCDEF"):
            raise ZoneError(f"zone {text!r}: {digits!r} is no hex prefix")
        if not (bits.isascii() and bits.isdigit() and len(bits) <= 4):
            raise ZoneError(f"zone {text!r}: {bits!r} is no number of bits")
        length, given = int(bits), 4 * len(digits)
        if given > id_bits:
            raise ZoneError(f"zone {text!r}: {given} bits of hex, but IDs have {id_bits}")
        if length > given:
            raise ZoneError(f"zone {text!r}: {length} bits asked, but the hex prefix has {given}")
        return cls(int(digits, 16) >> (given - length), length, id_bits)

    def __str__(self) -> str:
        """Return the canonical form: as many hex digits as the length needs, at least one ("a4/6", "0/0")."""
        digits = max(1, -(-self.length // 4))
        return f"{self.prefix << (4 * digits - self.length):0{digits}x}/{self.length}"

    @property
    def slug(self) -> str:
        """The form for file names, "a4-6"."""
        return str(self).replace("/", "-")

    @property
    def share(self) -> float:
        """The zone's share of the keyspace, 2 ** -length."""
        return 2.0**-self.length

    @property
    def id_bytes(self) -> int:
        """Bytes of an ID."""
        return self.id_bits // 8

    def low(self) -> bytes:
        """Return the lowest ID of the zone."""
        return (self.prefix << (self.id_bits - self.length)).to_bytes(self.id_bytes, "big")

    def high(self) -> bytes:
        """Return the highest ID of the zone."""
        free = self.id_bits - self.length
        return (((self.prefix + 1) << free) - 1).to_bytes(self.id_bytes, "big")

    def contains(self, node_id: bytes) -> bool:
        """Tell whether an ID lies in the zone; an ID of another length does not."""
        if len(node_id) != self.id_bytes:
            return False
        return int.from_bytes(node_id, "big") >> (self.id_bits - self.length) == self.prefix

    def contains_many(self, ids: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return which rows of uint8[N, L] lie in the zone, bool[N]; raises ValueError for IDs of another length."""
        if ids.ndim != 2 or ids.shape[1] != self.id_bytes:
            raise ValueError(f"IDs of shape {ids.shape} for a zone of {self.id_bytes}-byte IDs")
        used = -(-self.length // 8)
        mask = np.full(used, 0xFF, np.uint8)
        if self.length % 8:
            mask[-1] = 0xFF << (8 - self.length % 8) & 0xFF
        low = np.frombuffer(self.low(), np.uint8)[:used]
        return np.asarray((ids[:, :used] & mask == low).all(axis=1), np.bool_)

    def random_id(self, rng: random.Random) -> bytes:
        """Draw an ID of the zone, each with the same chance."""
        free = self.id_bits - self.length
        return (self.prefix << free | rng.getrandbits(free)).to_bytes(self.id_bytes, "big")

    def split(self, bits: int) -> list[Zone]:
        """Return the 2**bits equal parts in ascending order; raises ZoneError for too many or below single IDs."""
        if not 0 <= bits <= _MAX_SPLIT_BITS:
            raise ZoneError(f"zone {self} cannot be split by {bits} bits (0 to {_MAX_SPLIT_BITS})")
        return [Zone(self.prefix << bits | part, self.length + bits, self.id_bits) for part in range(1 << bits)]

    def overlaps(self, other: Zone) -> bool:
        """Tell whether some ID lies in both; zones of other ID lengths never meet."""
        shorter = min(self.length, other.length)
        return self.id_bits == other.id_bits and self.prefix >> (self.length - shorter) == other.prefix >> (
            other.length - shorter
        )

    @staticmethod
    def cover(zones: Iterable[Zone]) -> Zone:
        """Return the smallest zone that holds all of these; raises ZoneError for none or for mixed ID lengths."""
        parts = list(zones)
        if len({zone.id_bits for zone in parts}) != 1:
            raise ZoneError("zones of one ID length are needed to find the zone that covers them")
        id_bits = parts[0].id_bits
        low = int.from_bytes(min(zone.low() for zone in parts), "big")
        high = int.from_bytes(max(zone.high() for zone in parts), "big")
        length = id_bits - (low ^ high).bit_length()
        return Zone(low >> (id_bits - length), length, id_bits)
