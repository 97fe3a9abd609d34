"""Lookups as real clients write them: our own recordings, and how many of all lookups each stands for.

A recording is the packet as it was on the wire, but for what differs between lookups: the requester's ID is twenty
times I, the key (info-hash or target) twenty times K, the transaction as many T as it has bytes. Two tests record them
again from the clients of the machine at hand: `tests/clients/test_mix.py` and `tests/bench/ingest/test_layouts.py`.
The shares are assumed, see README.md: how many clients of a kind there are is what a window is to find out.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ID, _KEY = b"I" * 20, b"K" * 20
_TRANSACTION = re.compile(rb"1:t(\d+):")
_VARIABLE = ((b"2:id20:", _ID), (b"9:info_hash20:", _KEY), (b"6:target20:", _KEY))


class Layout(NamedTuple):
    """How a client writes a query. client: name and version recorded; share: of all lookups, assumed."""

    client: str
    share: float
    packet: bytes

    @property
    def id_at(self) -> int:
        """Return where the requester's ID begins."""
        return self.packet.index(_ID)

    @property
    def key_at(self) -> int:
        """Return where the key begins."""
        return self.packet.index(_KEY)

    @property
    def transaction(self) -> slice:
        """Return where the transaction is."""
        found = _TRANSACTION.search(self.packet)
        assert found is not None
        return slice(found.end(), found.end() + int(found[1]))


LAYOUTS = (
    Layout(
        "libtorrent 2.1.1",
        0.30,
        b"d1:ad2:id20:IIIIIIIIIIIIIIIIIIII9:info_hash20:KKKKKKKKKKKKKKKKKKKKe1:q9:get_peers1:t2:TT1:v4:LT\x02\x111:y1:qe",
    ),
    Layout(
        "libtorrent 2.0.11",
        0.15,
        b"d1:ad2:id20:IIIIIIIIIIIIIIIIIIII9:info_hash20:KKKKKKKKKKKKKKKKKKKKe1:q9:get_peers1:t2:TT1:v4:LT\x02\x0b1:y1:qe",
    ),
    Layout(
        "libtorrent 2.1.1, a seed",
        0.10,
        b"d1:ad2:id20:IIIIIIIIIIIIIIIIIIII9:info_hash20:KKKKKKKKKKKKKKKKKKKK6:noseedi1ee1:q9:get_peers1:t2:TT"
        b"1:v4:LT\x02\x111:y1:qe",
    ),
    Layout(
        "libtorrent 2.1.1, its table still empty",
        0.04,
        b"d1:ad2:bsi1e2:id20:IIIIIIIIIIIIIIIIIIII9:info_hash20:KKKKKKKKKKKKKKKKKKKKe1:q9:get_peers1:t2:TT"
        b"1:v4:LT\x02\x111:y1:qe",
    ),
    Layout(  # its IPv6 side asks IPv4 nodes for company while it knows nobody
        "libtorrent 2.1.1, its IPv6 side",
        0.04,
        b"d1:ad2:id20:IIIIIIIIIIIIIIIIIIII9:info_hash20:KKKKKKKKKKKKKKKKKKKK4:wantl2:n6ee1:q9:get_peers1:t2:TT"
        b"1:v4:LT\x02\x111:y1:qe",
    ),
    Layout(
        "libtorrent 2.1.1, its IPv6 side, its table still empty",
        0.02,
        b"d1:ad2:bsi1e2:id20:IIIIIIIIIIIIIIIIIIII9:info_hash20:KKKKKKKKKKKKKKKKKKKK4:wantl2:n6ee1:q9:get_peers"
        b"1:t2:TT1:v4:LT\x02\x111:y1:qe",
    ),
    Layout(
        "Transmission 3.00",
        0.15,
        b"d1:ad2:id20:IIIIIIIIIIIIIIIIIIII9:info_hash20:KKKKKKKKKKKKKKKKKKKKe1:q9:get_peers1:t4:TTTT1:y1:qe",
    ),
    Layout(
        "webtorrent (bittorrent-dht 11.0.12)",
        0.10,
        b"d1:ad2:id20:IIIIIIIIIIIIIIIIIIII9:info_hash20:KKKKKKKKKKKKKKKKKKKKe1:q9:get_peers1:t2:TT1:y1:qe",
    ),
    Layout(
        "aria2 1.36.0",
        0.05,
        b"d1:ad2:id20:IIIIIIIIIIIIIIIIIIII9:info_hash20:KKKKKKKKKKKKKKKKKKKKe1:q9:get_peers1:t4:TTTT"
        b"1:v4:A2\x00\x031:y1:qe",
    ),
    Layout(  # it searches by find_node, and asks only the nodes nearest to the key for peers
        "rTorrent 0.9.8",
        0.05,
        b"d1:ad2:id20:IIIIIIIIIIIIIIIIIIII6:target20:KKKKKKKKKKKKKKKKKKKKe1:q9:find_node1:t1:T1:v4:lt\x0d\x801:y1:qe",
    ),
)


def blank(packet: bytes) -> bytes:
    """Return a recorded query with ID, key and transaction blanked as in the layouts; other packets as they are."""
    out = bytearray(packet)
    for field, mark in _VARIABLE:
        at = packet.find(field)
        if at >= 0:
            out[at + len(field) : at + len(field) + len(mark)] = mark
    found = _TRANSACTION.search(bytes(out))
    if found:
        out[found.end() : found.end() + int(found[1])] = b"T" * int(found[1])
    return bytes(out)
