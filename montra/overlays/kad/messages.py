"""Packets of Kad that find and keep nodes: hello, bootstrap, lookups, ping. Each written and read.

A packet is `E4 opcode body`, plain and unpacked. Functions that read take it whole, do not look at its first two bytes,
ignore what follows the last field as clients do, and raise KadError. IDs are canonical. Source of all layouts: aMule
`KademliaUDPListener.cpp`. `phase_two` has the packets of searches and publishes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from montra.overlays.kad import tags
from montra.overlays.kad.ids import ID_BYTES, from_wire, to_wire
from montra.overlays.kad.opcodes import KAD, OUR_VERSION, Misc, Op, TagName
from montra.overlays.kad.reader import KadError, Reader

_CONTACT: Final = struct.Struct("<4IIHHB")
_BIG: Final = struct.Struct(">4I")
#: The first version of Kad 2; clients take no contacts of an earlier one.
FIRST_VERSION: Final = 2


class Contact(NamedTuple):
    """A node as another names it: IPv4 as host-order integer, UDP port, TCP port, Kad version."""

    node_id: bytes
    ip: int
    port: int
    tcp_port: int
    version: int


class Hello(NamedTuple):
    """HELLO_REQ and HELLO_RES. udp_port: the port that the sender believes to have, 0 if it names none."""

    node_id: bytes
    tcp_port: int = 0
    version: int = OUR_VERSION
    misc: int = 0  # bits of `Misc`
    udp_port: int = 0


class Request(NamedTuple):
    """REQ: asks `recipient` for `wanted` contacts near `target`. wanted: clients look at five bits."""

    wanted: int
    target: bytes
    recipient: bytes


class Response(NamedTuple):
    """RES: contacts near the target of a REQ."""

    target: bytes
    contacts: tuple[Contact, ...] = ()


class Bootstrap(NamedTuple):
    """BOOTSTRAP_RES: who answers, and some of its contacts."""

    node_id: bytes
    tcp_port: int
    version: int
    contacts: tuple[Contact, ...] = ()


def packet(op: Op, body: bytes = b"") -> bytes:
    """Return a packet with any body; those without one are BOOTSTRAP_REQ, PING, PUBLISH_RES_ACK."""
    return bytes((KAD, op)) + body


def reader_of(data: bytes) -> Reader:
    """Return a reader of a packet's body."""
    return Reader(data, 2)


def hello(op: Op, message: Hello) -> bytes:
    """Return HELLO_REQ or HELLO_RES; fields that are zero get no tag, as clients do."""
    fields: list[tags.Tag] = []
    if message.udp_port:
        fields.append((TagName.SOURCE_UDP_PORT, message.udp_port))
    if message.misc:
        fields.append((TagName.MISC, message.misc))
    head = to_wire(message.node_id) + struct.pack("<HB", message.tcp_port, message.version)
    return packet(op, head + tags.write_tags(fields))


def read_hello(data: bytes) -> Hello:
    """Read HELLO_REQ or HELLO_RES."""
    reader = reader_of(data)
    node_id, tcp_port, version = reader.id(), reader.u16(), reader.u8()
    if version < FIRST_VERSION:
        raise KadError("bad_version")
    found = tags.read_tags(reader)
    udp_port = tags.number(found, TagName.SOURCE_UDP_PORT)
    misc = tags.number(found, TagName.MISC) & 0xFF
    return Hello(node_id, tcp_port, version, misc, udp_port if udp_port <= 0xFFFF else 0)


def hello_ack(node_id: bytes) -> bytes:
    """Return HELLO_RES_ACK, with which a node proves that it got a HELLO_RES."""
    return packet(Op.HELLO_RES_ACK, to_wire(node_id) + b"\0")


def read_hello_ack(data: bytes) -> bytes:
    """Read HELLO_RES_ACK: the sender's ID."""
    reader = reader_of(data)
    node_id = reader.id()
    reader.u8()
    return node_id


def request(count: int, target: bytes, recipient: bytes) -> bytes:
    """Return REQ; `recipient` must be the ID of who is asked, or it keeps silent."""
    return packet(Op.REQ, bytes((count,)) + to_wire(target) + to_wire(recipient))


def read_request(data: bytes) -> Request:
    """Read REQ."""
    reader = reader_of(data)
    return Request(reader.u8(), reader.id(), reader.id())


def response(target: bytes, contacts: Sequence[Contact] = ()) -> bytes:
    """Return RES."""
    return packet(Op.RES, to_wire(target) + bytes((len(contacts),)) + _write_contacts(contacts))


def read_response(data: bytes) -> Response:
    """Read RES; its length must be exactly that of its contacts, as clients demand."""
    reader = reader_of(data)
    target, count = reader.id(), reader.u8()
    if reader.left != count * _CONTACT.size:
        raise KadError("wrong_size")
    return Response(target, read_contacts(reader, count))


def bootstrap(message: Bootstrap) -> bytes:
    """Return BOOTSTRAP_RES."""
    head = to_wire(message.node_id) + struct.pack("<HBH", message.tcp_port, message.version, len(message.contacts))
    return packet(Op.BOOTSTRAP_RES, head + _write_contacts(message.contacts))


def read_bootstrap(data: bytes) -> Bootstrap:
    """Read BOOTSTRAP_RES."""
    reader = reader_of(data)
    node_id, tcp_port, version, count = reader.id(), reader.u16(), reader.u8(), reader.u16()
    return Bootstrap(node_id, tcp_port, version, read_contacts(reader, count))


def read_contacts(reader: Reader, count: int) -> tuple[Contact, ...]:
    """Read so many contacts."""
    pack = _BIG.pack
    return tuple(
        Contact(pack(a, b, c, d), ip, port, tcp_port, version)
        for a, b, c, d, ip, port, tcp_port, version in _CONTACT.iter_unpack(reader.take(count * _CONTACT.size))
    )


def _write_contacts(contacts: Sequence[Contact]) -> bytes:
    return b"".join(
        to_wire(contact.node_id) + struct.pack("<IHHB", contact.ip, contact.port, contact.tcp_port, contact.version)
        for contact in contacts
    )


def pong(port: int) -> bytes:
    """Return PONG, which tells a node the UDP port that its PING came from."""
    return packet(Op.PONG, struct.pack("<H", port))


def wire_id_at(data: bytes, at: int) -> bytes:
    """Return the canonical form of the ID that begins at this place of a packet, which must hold it whole."""
    return from_wire(data[at : at + ID_BYTES])


def wants_ack(message: Hello) -> bool:
    """Tell whether the sender of a HELLO_RES wants a HELLO_RES_ACK (versions before 8 know none)."""
    return bool(message.misc & Misc.ACK_WANTED) and message.version >= OUR_VERSION
