"""Reading bytes from the network: every step is checked, every failure is a `KadError` with a short reason."""

from __future__ import annotations

import struct
from typing import Final, Literal

from montra.overlays.kad.ids import ID_BYTES, from_wire

Reason = Literal[
    "unreadable",  # could not be decrypted or unpacked
    "too_short",  # ends before its last field
    "not_kad",  # of another protocol
    "unknown_opcode",  # not in `opcodes.Op`
    "bad_count",  # REQ for no contacts
    "wrong_recipient",  # REQ for an ID that is not ours
    "wrong_size",  # more or fewer contacts than announced, more files than clients send
    "bad_version",  # a node of Kad 1 or of no version
    "bad_tag",  # a tag of unknown type
    "bad_tree",  # a search expression of unknown structure, or too deep
]

_U16: Final = struct.Struct("<H")
_U32: Final = struct.Struct("<I")
_U64: Final = struct.Struct("<Q")


class KadError(ValueError):
    """What was read is no such message; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Reader:
    """Reads one field after the other; raises KadError "too_short" at the end of the data."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        end = self.at + size
        if end > len(self.data):
            raise KadError("too_short")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def u8(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Return the next two bytes as little-endian number."""
        number: int = _U16.unpack(self.take(2))[0]
        return number

    def u32(self) -> int:
        """Return the next four bytes as little-endian number."""
        number: int = _U32.unpack(self.take(4))[0]
        return number

    def u64(self) -> int:
        """Return the next eight bytes as little-endian number."""
        number: int = _U64.unpack(self.take(8))[0]
        return number

    def id(self) -> bytes:
        """Return the next ID in canonical form."""
        return from_wire(self.take(ID_BYTES))

    def string(self) -> bytes:
        """Return a string behind its length of two bytes."""
        return self.take(self.u16())
