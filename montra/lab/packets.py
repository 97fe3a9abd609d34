"""Reads the packets in a libtorrent log: whether they ask for a key of the workload, and from or to whom they went."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import NamedTuple

from montra.lab.events import ANNOUNCE_PEER, GET_PEERS

_INFO_HASH = b"9:info_hash20:"
_METHODS = {b"1:q9:get_peers": GET_PEERS, b"1:q13:announce_peer": ANNOUNCE_PEER}
# what dht_pkt_alert::message() begins with; the alert has no other way to tell direction and address
_HEAD = re.compile(r"(<==|==>) \[(\d+\.\d+\.\d+\.\d+):(\d+)\]")


class Packet(NamedTuple):
    """A query for a key of the workload: sent to, or received from, (ip, port)."""

    sent: bool
    ip: str
    port: int
    method: str
    key: bytes


def wanted(payload: bytes, keys: Set[bytes]) -> tuple[str, bytes] | None:
    """Return (method, key) if this is a query for one of `keys`.

    A plain search of the bytes: what libtorrent writes is canonical (BEP 3), and a chance hit inside an ID would need
    to be followed by a workload key.
    """
    at = payload.find(_INFO_HASH)
    if at < 0 or b"1:y1:q" not in payload:
        return None
    begin = at + len(_INFO_HASH)
    key = payload[begin : begin + 20]
    if key not in keys:
        return None
    for mark, method in _METHODS.items():
        if mark in payload:
            return method, key
    return None


def direction(message: str) -> tuple[bool, str, int] | None:
    """Return (sent, ip, port) from the text of a dht_pkt_alert, None if it is not of the known form.

    A packet that cannot be placed is missing from the truth, so the caller must not pass over it.
    """
    head = _HEAD.match(message)
    return (head[1] == "==>", head[2], int(head[3])) if head else None
