"""One opened datagram as a `Message`: what montra needs of it, whatever kind of packet it is.

Opened is what `wire.KadWire.open` makes of a datagram: a head (`head`) and the plain packet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from montra.overlays.base import Message
from montra.overlays.kad import messages
from montra.overlays.kad.head import HEAD, HEAD_BYTES, OPCODE_AT, PROTOCOL_AT, Opening
from montra.overlays.kad.messages import Contact, wire_id_at
from montra.overlays.kad.opcodes import KAD, MOST_COUNT, SEARCH_COUNT, STORE_COUNT, Misc, Op
from montra.overlays.kad.reader import KadError
from zone_store.captures import Kind

#: What stands for transactions: replies without a target have these.
HELLO: Final = b"hello"
BOOTSTRAP: Final = b"bootstrap"
PONG: Final = b"pong"

#: Addresses that a node can have, from the first up to the one before `_BEYOND_IP`.
_FIRST_IP: Final = 0x01000000  # 0.0.0.0/8 is "this network"; from 224.0.0.0 on: multicast, reserved, broadcast
_BEYOND_IP: Final = 0xE0000000
_STATUS: Final = int(Misc.UDP_FIREWALLED | Misc.TCP_FIREWALLED)


def lookup_kind(count: int) -> Kind:
    """Return what a lookup is for by the count byte of REQ, which asks for nothing if it is OTHER."""
    asked = count & MOST_COUNT
    if asked == SEARCH_COUNT:
        return Kind.SEARCH
    if asked == STORE_COUNT:
        return Kind.PUBLISH
    return Kind.NODE_LOOKUP if asked else Kind.OTHER


def parse(data: bytes) -> Message:
    """Read one opened datagram whole. Never raises; what is no packet of Kad is "malformed" with a `reader.Reason`.

    Queries are named bootstrap, hello, hello_ack, req, search_key, search_source, search_notes, publish_key,
    publish_source, publish_notes, publish_ack, firewalled, find_buddy, callback, ping. Of those that follow a lookup
    only the key is read. The transaction of REQ and RES is the target, of what names a content its key. Contacts at
    unusable addresses and of Kad 1 are left out. `port` is the UDP port that a hello names for its sender.
    """
    try:
        return _read(data)
    except KadError as error:
        return Message("malformed", reason=error.reason)


def _read(data: bytes) -> Message:
    if len(data) < HEAD_BYTES:
        raise KadError("too_short")
    flags, peer_key = HEAD.unpack_from(data)
    if flags & Opening.UNREADABLE:
        raise KadError("unreadable")
    if len(data) <= OPCODE_AT:
        raise KadError("too_short")
    if data[PROTOCOL_AT] != KAD:
        raise KadError("not_kad")
    layout = _LAYOUTS.get(data[OPCODE_AT])
    if layout is None:
        raise KadError("unknown_opcode")
    packet = data[HEAD_BYTES:]
    if len(packet) < 2 + layout.shortest:
        raise KadError("too_short")
    message = layout.read(packet, layout, flags)
    message.peer_key = peer_key
    message.verified = bool(flags & Opening.VERIFIED)
    return message


class _Layout(NamedTuple):
    """How to read one kind of packet. shortest: bytes of body; id_at: where in the packet sender or key stands."""

    read: Callable[[bytes, _Layout, int], Message]
    shortest: int
    method: str = ""
    transaction: bytes = b""
    id_at: int = 2


def _bare(packet: bytes, layout: _Layout, flags: int) -> Message:  # noqa: ARG001
    """Nothing to read but what it is."""
    return Message("query" if layout.method else "reply", layout.method, layout.transaction)


def _keyed(packet: bytes, layout: _Layout, flags: int) -> Message:  # noqa: ARG001
    """A key, which stands for the transaction."""
    key = wire_id_at(packet, layout.id_at)
    return Message("query", layout.method, key, key=key) if layout.method else Message("reply", transaction=key)


def _hello(packet: bytes, layout: _Layout, flags: int) -> Message:  # noqa: ARG001
    hello = messages.read_hello(packet)
    return Message(
        "query" if layout.method else "reply",
        layout.method,
        HELLO,
        hello.node_id,
        version=bytes((hello.version,)),
        port=hello.udp_port,
        status=hello.misc & _STATUS,
        wants_confirmation=messages.wants_ack(hello),
    )


def _hello_ack(packet: bytes, layout: _Layout, flags: int) -> Message:  # noqa: ARG001
    return Message("query", layout.method, HELLO, wire_id_at(packet, layout.id_at))


def _request(packet: bytes, layout: _Layout, flags: int) -> Message:
    if not packet[2] & MOST_COUNT:
        raise KadError("bad_count")
    if flags & Opening.WRONG_RECIPIENT:
        raise KadError("wrong_recipient")
    return _keyed(packet, layout, flags)


def _response(packet: bytes, layout: _Layout, flags: int) -> Message:  # noqa: ARG001
    response = messages.read_response(packet)
    return _named(Message("reply", transaction=response.target), response.contacts)


def _bootstrap(packet: bytes, layout: _Layout, flags: int) -> Message:  # noqa: ARG001
    bootstrap = messages.read_bootstrap(packet)
    message = Message("reply", "", BOOTSTRAP, bootstrap.node_id, version=bytes((bootstrap.version,)))
    return _named(message, bootstrap.contacts)


def _named(message: Message, contacts: tuple[Contact, ...]) -> Message:
    """Put the usable contacts in."""
    usable = [
        contact
        for contact in contacts
        if contact.port and _FIRST_IP <= contact.ip < _BEYOND_IP and contact.version >= messages.FIRST_VERSION
    ]
    message.contacts = tuple(contact[:3] for contact in usable)
    message.contact_versions = tuple(bytes((contact.version,)) for contact in usable)
    return message


_LAYOUTS: Final[Mapping[int, _Layout]] = {
    Op.BOOTSTRAP_REQ: _Layout(_bare, 0, "bootstrap", BOOTSTRAP),
    Op.BOOTSTRAP_RES: _Layout(_bootstrap, 21),
    Op.HELLO_REQ: _Layout(_hello, 20, "hello"),
    Op.HELLO_RES: _Layout(_hello, 20),
    Op.HELLO_RES_ACK: _Layout(_hello_ack, 17, "hello_ack"),
    Op.REQ: _Layout(_request, 33, "req", id_at=3),
    Op.RES: _Layout(_response, 17),
    Op.SEARCH_KEY_REQ: _Layout(_keyed, 18, "search_key"),
    Op.SEARCH_SOURCE_REQ: _Layout(_keyed, 26, "search_source"),
    Op.SEARCH_NOTES_REQ: _Layout(_keyed, 24, "search_notes"),
    Op.SEARCH_RES: _Layout(_keyed, 34, id_at=18),
    Op.PUBLISH_KEY_REQ: _Layout(_keyed, 18, "publish_key"),
    Op.PUBLISH_SOURCE_REQ: _Layout(_keyed, 33, "publish_source"),
    Op.PUBLISH_NOTES_REQ: _Layout(_keyed, 33, "publish_notes"),
    Op.PUBLISH_RES: _Layout(_keyed, 17),
    Op.PUBLISH_RES_ACK: _Layout(_bare, 0, "publish_ack"),
    Op.FIREWALLED_REQ: _Layout(_bare, 2, "firewalled"),
    Op.FINDBUDDY_REQ: _Layout(_keyed, 34, "find_buddy"),
    Op.CALLBACK_REQ: _Layout(_bare, 34, "callback"),
    Op.FIREWALLED2_REQ: _Layout(_bare, 19, "firewalled"),
    Op.FIREWALLED_RES: _Layout(_bare, 4, transaction=b"firewalled"),
    Op.FIREWALLED_ACK_RES: _Layout(_bare, 0, transaction=b"firewalled"),
    Op.FINDBUDDY_RES: _Layout(_keyed, 34),
    Op.PING: _Layout(_bare, 0, "ping", PONG),
    Op.PONG: _Layout(_bare, 2, transaction=PONG),
    Op.FIREWALLUDP: _Layout(_bare, 3, transaction=b"firewalludp"),
}
