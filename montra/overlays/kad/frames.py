"""Packing of packets by zlib: `E4 op body` and `E5 op packed` (aMule `KademliaUDPListener.cpp:SendPacket`)."""

from __future__ import annotations

import zlib
from typing import Final

from montra.overlays.kad.opcodes import KAD, KAD_PACKED
from montra.overlays.kad.reader import KadError

#: Bodies longer than this are packed by clients, if it makes them shorter.
PACK_ABOVE: Final = 200


def packed(packet: bytes) -> bytes:
    """Return a plain packet as clients send it: packed if it is long and that makes it shorter."""
    body = packet[2:]
    if len(body) <= PACK_ABOVE:
        return packet
    smaller = zlib.compress(body, 9)
    return bytes((KAD_PACKED, packet[1])) + smaller if len(smaller) < len(body) else packet


def unpacked(packet: bytes, most: int, *, cut: bool = False) -> tuple[bytes, bool]:
    """Return a packet in plain form, and whether it was cut.

    most: longest packet to make, from 3 bytes on, whatever a small one unpacks to: what is longer is cut there. cut: it
    was cut on its way here, so what there is of it is taken. Raises KadError for what is no packet, or no whole one.
    """
    if len(packet) < 2:
        raise KadError("too_short")
    if packet[0] == KAD:
        return packet[:most], cut or len(packet) > most
    if packet[0] != KAD_PACKED:
        raise KadError("not_kad")
    stream, room = zlib.decompressobj(), most - 2
    try:
        body = stream.decompress(packet[2:], room)
    except zlib.error as error:
        raise KadError("unreadable") from error
    if not stream.eof:
        if len(body) < room and not cut:  # not too long, but never finished
            raise KadError("unreadable")
        cut = True
    return bytes((KAD, packet[1])) + body, cut
