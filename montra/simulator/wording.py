"""What simulated nodes write: queries and replies in the layouts of their clients, as bytes on the wire."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from montra.overlays.mainline import messages, replies
from montra.simulator.rules import RULES, Rules
from montra.simulator.settings import Family

#: Queries as the instrument writes them (`messages.ping`, `messages.find_node`); others are parsed whole.
_USUAL: Final = re.compile(
    rb"d1:ad2:id20:(.{20})(?:6:target20:(.{20}))?e1:q(?:4:ping|9:find_node)(2:roi1e)?"
    rb"1:t(?:4:(.{4})|2:(.{2})|8:(.{8}))1:v4:.{4}1:y1:qe",
    re.DOTALL,
)


class Heard(NamedTuple):
    """A datagram of the instrument as a node reads it.

    kind: "query", "reply", "error" or "" for none; key: what it asks contacts for, empty for a ping; token: the reply
    lets its receiver announce.
    """

    kind: str
    sender_id: bytes
    key: bytes
    read_only: bool
    transaction: bytes
    token: bool = False


def read(payload: bytes) -> Heard:
    """Read a datagram; never raises."""
    usual = _USUAL.fullmatch(payload)
    if usual is not None:
        sender_id, key, read_only, *transactions = usual.groups()
        return Heard("query", sender_id, key or b"", read_only is not None, next(filter(None, transactions)))
    message = replies.read(payload) or messages.parse(payload)
    if message.type == "query":
        return Heard("query", message.sender_id, message.key, bool(message.flags & 1), message.transaction)
    if message.type in ("reply", "error"):
        token = b"5:token" in payload
        return Heard(message.type, message.sender_id, b"", False, message.transaction, token)
    return Heard("", b"", b"", False, b"")


def reply(family: Family, node_id: bytes, nodes: bytes | None, transaction: bytes) -> bytes:
    """Return a reply: with contacts (26 bytes each) or, `nodes` None, to a ping."""
    named = b"" if nodes is None else b"5:nodes%d:%b" % (len(nodes), nodes)
    return b"d1:rd2:id20:%b%be1:t%d:%b%b1:y1:re" % (node_id, named, len(transaction), transaction, _version(family))


def query(family: Family, method: str, node_id: bytes, key: bytes, number: int) -> bytes:
    """Return a query of one of the methods ping, find_node, get_peers; `number` makes its transaction."""
    rules = RULES[family]
    transaction = _transaction(rules, method, number)
    if method == "ping":
        named = b""
    elif method == "find_node":
        named = b"6:target20:" + key
    else:
        named = b"9:info_hash20:" + key
    return b"d1:ad2:id20:%b%be1:q%d:%b1:t%d:%b%b1:y1:qe" % (
        node_id,
        named,
        len(method),
        method.encode(),
        len(transaction),
        transaction,
        _version(family),
    )


def announcement(family: Family, node_id: bytes, key: bytes, port: int, token: bytes, number: int) -> bytes:
    """Return an announce_peer."""
    transaction = _transaction(RULES[family], "announce_peer", number)
    return b"d1:ad2:id20:%b9:info_hash20:%b4:porti%de5:token%d:%be1:q13:announce_peer1:t%d:%b%b1:y1:qe" % (
        node_id,
        key,
        port,
        len(token),
        token,
        len(transaction),
        transaction,
        _version(family),
    )


def token_of(payload: bytes) -> bytes:
    """Return the token of a reply, empty if it has none."""
    found = re.search(rb"5:token(\d{1,2}):", payload)
    return payload[found.end() : found.end() + int(found[1])] if found else b""


_JECH: Final = {"ping": b"pn", "find_node": b"fn", "get_peers": b"gp", "announce_peer": b"ap"}


def _transaction(rules: Rules, method: str, number: int) -> bytes:
    if rules is RULES[Family.JECH]:  # its pings have no number (dht.c, `send_ping`)
        return _JECH[method] + (b"\0\0" if method == "ping" else (number & 0xFFFF).to_bytes(2))
    size = rules.transaction_bytes
    return (number & (1 << 8 * size) - 1).to_bytes(size)


def _version(family: Family) -> bytes:
    version = RULES[family].version
    return b"1:v4:" + version if version else b""
