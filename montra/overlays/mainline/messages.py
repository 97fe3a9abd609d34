"""KRPC messages, read and written (BEP 5; with BEP 32 `want`, BEP 33 `noseed` `scrape` `seed`, BEP 43 `ro`).

Reading is lenient where clients differ and strict where a value is stored: IDs and keys have 20 bytes, `nodes` is a
whole number of contacts. Everything else that is absent or of a wrong type counts as not said.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, Literal

from montra.datagrams import SLOT_BYTES
from montra.overlays.base import Message
from montra.overlays.mainline import bencode
from zone_store.captures import Flag, Kind

ID_BYTES: Final = 20
#: No KRPC message is shorter than this: `d1:t0:1:y1:ee`.
SHORTEST: Final = 13
#: `v` of all our messages: client "mT", version 1.
OUR_VERSION: Final = b"mT\x00\x01"

Reason = (
    Literal[
        "too_short",  # under SHORTEST bytes
        "oversized",  # longer than a datagram slot, so not kept whole
        "no_transaction",  # `t` absent or no string
        "no_type",  # `y` absent or no string
        "unknown_type",  # `y` is none of q, r, e
        "no_method",  # a query without the string `q`
        "no_arguments",  # a query without the dictionary `a`
        "no_values",  # a reply without the dictionary `r`
        "bad_id",  # sender's ID absent or not of 20 bytes
        "bad_key",  # `target` or `info_hash` absent or not of 20 bytes
        "bad_nodes",  # `nodes` no string of whole contacts
    ]
    | bencode.Reason
)

#: Queries that are lookups: the name of their key, and their kind in a capture.
LOOKUPS: Final[Mapping[str, tuple[bytes, Kind]]] = {
    "find_node": (b"target", Kind.NODE_LOOKUP),
    "get_peers": (b"info_hash", Kind.LOOKUP),
    "announce_peer": (b"info_hash", Kind.ANNOUNCE),
}

# BEP 44 get and put, BEP 51 sample_infohashes and uTorrent's vote are named and never answered. Any other is "unknown":
# strangers do not get to choose names that end up in our counters.
_METHODS: Final = {name.encode(): name for name in ("ping", *LOOKUPS, "get", "put", "sample_infohashes", "vote")}
# Plain integers: combining enum members costs a microsecond each.
_ARGUMENT_FLAGS: Final = (
    (b"bs", int(Flag.BOOTSTRAP)),
    (b"noseed", int(Flag.NO_SEED)),
    (b"scrape", int(Flag.SCRAPE)),
    (b"seed", int(Flag.SEED)),
    (b"implied_port", int(Flag.IMPLIED_PORT)),
)
_WANT_FLAGS: Final = ((b"n4", int(Flag.WANT_V4)), (b"n6", int(Flag.WANT_V6)))
_FIND_NODE: Final = b"d1:ad2:id%d:%b6:target%d:%be1:q9:find_node%b1:t%d:%b1:v4:%b1:y1:qe"
CONTACT: Final = struct.Struct(">20sIH")  # BEP 5, "compact node info"
#: Addresses that a node can have, from the first up to the one before `BEYOND_IP`.
FIRST_IP: Final = 0x01000000  # 0.0.0.0/8 is "this network"; from 224.0.0.0 on: multicast, reserved, broadcast
BEYOND_IP: Final = 0xE0000000


class _MessageError(ValueError):
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def parse(data: bytes) -> Message:
    """Read one datagram whole. Never raises; what is no KRPC message is "malformed" with one of `Reason`.

    `method` is one of ping, find_node, get_peers, announce_peer, get, put, sample_infohashes, vote, or "unknown".
    Contacts at unusable addresses (port 0, 0.0.0.0/8, multicast and above) are left out, and so is all of `nodes6`
    (BEP 32): a run has one address family. `version` keeps at most 4 bytes of `v`. A port out of range reads as 0.
    """
    try:
        return _read(data)
    except (bencode.BencodeError, _MessageError) as error:
        return Message("malformed", reason=error.reason)


def _read(data: bytes) -> Message:
    if len(data) < SHORTEST:
        raise _MessageError("too_short")
    if len(data) > SLOT_BYTES:
        raise _MessageError("oversized")
    message = bencode.decode(data)
    transaction, kind, version = message.get(b"t"), message.get(b"y"), message.get(b"v")
    if not isinstance(transaction, bytes):
        raise _MessageError("no_transaction")
    if not isinstance(kind, bytes):
        raise _MessageError("no_type")
    version = version[:4] if isinstance(version, bytes) else b""
    if kind == b"q":
        return _read_query(message, transaction, version)
    if kind == b"r":
        return _read_reply(message, transaction, version)
    if kind == b"e":
        return Message("error", transaction=transaction, version=version)
    raise _MessageError("unknown_type")


def _read_query(message: Mapping[bytes, object], transaction: bytes, version: bytes) -> Message:
    name, arguments = message.get(b"q"), message.get(b"a")
    if not isinstance(name, bytes):
        raise _MessageError("no_method")
    if not isinstance(arguments, dict):
        raise _MessageError("no_arguments")
    method = _METHODS.get(name, "unknown")
    sender_id = _identifier(arguments, b"id", "bad_id")
    key = _identifier(arguments, LOOKUPS[method][0], "bad_key") if method in LOOKUPS else b""
    flags = int(Flag.READ_ONLY) if _is_set(message.get(b"ro")) else 0
    for argument, flag in _ARGUMENT_FLAGS:
        if _is_set(arguments.get(argument)):
            flags |= flag
    want = arguments.get(b"want")
    if isinstance(want, list):
        for family, flag in _WANT_FLAGS:
            if family in want:
                flags |= flag
    port = arguments.get(b"port") if method == "announce_peer" else 0
    return Message(
        "query",
        method,
        transaction,
        sender_id,
        key,
        version=version,
        flags=flags,
        port=port if isinstance(port, int) and 0 < port <= 0xFFFF else 0,
    )


def _read_reply(message: Mapping[bytes, object], transaction: bytes, version: bytes) -> Message:
    values = message.get(b"r")
    if not isinstance(values, dict):
        raise _MessageError("no_values")
    sender_id = _identifier(values, b"id", "bad_id")
    nodes = values.get(b"nodes", b"")
    if not isinstance(nodes, bytes) or len(nodes) % CONTACT.size:
        raise _MessageError("bad_nodes")
    contacts = tuple(
        (node_id, ip, port) for node_id, ip, port in CONTACT.iter_unpack(nodes) if port and FIRST_IP <= ip < BEYOND_IP
    )
    return Message("reply", "", transaction, sender_id, contacts=contacts, version=version)


def token(data: bytes) -> bytes:
    """Return the token of an announce_peer query, b"" where there is none. Never raises."""
    try:
        arguments = bencode.decode(data).get(b"a")
    except bencode.BencodeError:
        return b""
    value = arguments.get(b"token") if isinstance(arguments, dict) else b""
    return value if isinstance(value, bytes) else b""


def _identifier(values: Mapping[bytes, object], name: bytes, reason: Reason) -> bytes:
    value = values.get(name)
    if not isinstance(value, bytes) or len(value) != ID_BYTES:
        raise _MessageError(reason)
    return value


def _is_set(value: object) -> bool:
    return isinstance(value, int) and value != 0


def ping(own_id: bytes, transaction: bytes) -> bytes:
    """Return a ping query (BEP 5)."""
    return bencode.encode({b"a": {b"id": own_id}, b"q": b"ping", b"t": transaction, b"v": OUR_VERSION, b"y": b"q"})


def find_node(own_id: bytes, target: bytes, transaction: bytes, *, read_only: bool = False) -> bytes:
    """Return a find_node query (BEP 5); `read_only` asks the receiver not to take us into its table (BEP 43)."""
    # spelled out: crawling a zone writes hundreds of thousands, and the encoder takes ten times as long
    return _FIND_NODE % (
        len(own_id),
        own_id,
        len(target),
        target,
        b"2:roi1e" if read_only else b"",
        len(transaction),
        transaction,
        OUR_VERSION,
    )


def get_peers(own_id: bytes, key: bytes, transaction: bytes) -> bytes:
    """Return a read-only get_peers query (BEP 5, BEP 43)."""
    return bencode.encode(
        {
            b"a": {b"id": own_id, b"info_hash": key},
            b"q": b"get_peers",
            b"ro": 1,
            b"t": transaction,
            b"v": OUR_VERSION,
            b"y": b"q",
        }
    )


def reply(own_id: bytes, transaction: bytes, *, nodes: bool) -> bytes:
    """Return a reply that carries our ID and, if `nodes`, an empty list of contacts; never a token, never values."""
    values = {b"id": own_id, b"nodes": b""} if nodes else {b"id": own_id}
    return bencode.encode({b"r": values, b"t": transaction, b"v": OUR_VERSION, b"y": b"r"})
