"""How a received datagram looks once it is opened: a head of five bytes, then the plain packet.

Head: flags (`Opening`) u8, the verify key by which its sender knows us u32 little-endian, 0 for none.
"""

from __future__ import annotations

import struct
from enum import IntFlag
from typing import Final

from montra.overlays.kad.ids import ID_BYTES

HEAD: Final = struct.Struct("<BI")
HEAD_BYTES: Final = HEAD.size
#: Where the sender's key lies.
HEAD_KEY: Final = slice(1, HEAD_BYTES)
#: Where protocol, opcode and, in a REQ, count, target and recipient lie, and how long a REQ is at least.
PROTOCOL_AT: Final = HEAD_BYTES
OPCODE_AT: Final = PROTOCOL_AT + 1
COUNT_AT: Final = OPCODE_AT + 1
TARGET_AT: Final = COUNT_AT + 1
RECIPIENT_AT: Final = TARGET_AT + ID_BYTES
REQ_BYTES: Final = RECIPIENT_AT + ID_BYTES


class Opening(IntFlag):
    """Flags of the head."""

    OBFUSCATED = 1
    VERIFIED = 2  # carries the verify key that we gave to its source, or was encrypted by it
    UNREADABLE = 4  # could not be opened; nothing follows the head
    WRONG_RECIPIENT = 8  # a REQ for another ID than that of our node
    CUT = 16  # the packet is longer than its row


def opened(packet: bytes, flags: int = 0, peer_key: int = 0) -> bytes:
    """Return a plain packet behind such a head."""
    return HEAD.pack(flags, peer_key) + packet
