"""Packets of Kad by which nodes find out who can reach them, and firewalled ones find a helper ("buddy").

Written and read as those in `messages` (aMule `KademliaUDPListener.cpp`).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from montra.overlays.kad.ids import to_wire
from montra.overlays.kad.messages import packet, reader_of
from montra.overlays.kad.opcodes import Op


class Firewalled2(NamedTuple):
    """FIREWALLED2_REQ: a node asks to be called back at a TCP port. options: of its eD2k connections."""

    tcp_port: int
    user_hash: bytes
    options: int = 0


class FindBuddy(NamedTuple):
    """FINDBUDDY_REQ. key: what the lookup before it looked for, every bit of the sender's own ID inverted."""

    key: bytes
    user_hash: bytes
    tcp_port: int


class Callback(NamedTuple):
    """CALLBACK_REQ: asks a buddy to have its friend call at a TCP port, about a file."""

    buddy_key: bytes
    file_id: bytes
    tcp_port: int


def firewalled(tcp_port: int) -> bytes:
    """Return FIREWALLED_REQ."""
    return packet(Op.FIREWALLED_REQ, struct.pack("<H", tcp_port))


def firewalled2(message: Firewalled2) -> bytes:
    """Return FIREWALLED2_REQ."""
    body = struct.pack("<H", message.tcp_port) + to_wire(message.user_hash) + bytes((message.options,))
    return packet(Op.FIREWALLED2_REQ, body)


def read_firewalled2(data: bytes) -> Firewalled2:
    """Read FIREWALLED2_REQ."""
    reader = reader_of(data)
    return Firewalled2(reader.u16(), reader.id(), reader.u8())


def firewalled_result(ip: int) -> bytes:
    """Return FIREWALLED_RES, which tells a node its IPv4 address (host-order integer)."""
    return packet(Op.FIREWALLED_RES, struct.pack("<I", ip))


def read_firewalled_result(data: bytes) -> int:
    """Read FIREWALLED_RES: the address."""
    return reader_of(data).u32()


def find_buddy(message: FindBuddy) -> bytes:
    """Return FINDBUDDY_REQ."""
    body = to_wire(message.key) + to_wire(message.user_hash) + struct.pack("<H", message.tcp_port)
    return packet(Op.FINDBUDDY_REQ, body)


def read_find_buddy(data: bytes) -> FindBuddy:
    """Read FINDBUDDY_REQ."""
    reader = reader_of(data)
    return FindBuddy(reader.id(), reader.id(), reader.u16())


def callback(message: Callback) -> bytes:
    """Return CALLBACK_REQ."""
    body = to_wire(message.buddy_key) + to_wire(message.file_id) + struct.pack("<H", message.tcp_port)
    return packet(Op.CALLBACK_REQ, body)


def read_callback(data: bytes) -> Callback:
    """Read CALLBACK_REQ."""
    reader = reader_of(data)
    return Callback(reader.id(), reader.id(), reader.u16())
