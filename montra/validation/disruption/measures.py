"""What one client did about one key, read from the packets on the wire and from nothing else.

Only the client's own queries that hold the key, and the replies they got, are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bencodepy

from montra.lab.clients.wire import Packet

#: An (ip, port), the ip as a host-order integer.
Endpoint = tuple[int, int]

#: Announces so long after the first belong to the same lookup; clients repeat themselves later (aria2 for minutes).
ROUND_S = 15.0
_LOOKUP_MARKS = (b"1:q9:get_peers", b"1:q9:find_node")
_ANNOUNCE_MARK = b"1:q13:announce_peer"
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Search:
    """One client's lookup for one key, times in seconds from its first query.

    first_announce_s: to the first announce_peer, None if there was none while we watched; lookup_s: to the last query
    of the search that led there; announced: real nodes announced to; displaced: of the nodes that it should announce
    to, those it did not; to_monitors: monitors announced to; asked, monitors_asked: queries, and monitors among those
    asked; sent: packets for the key, announces included; found: distinct peers in the replies; first_found_s: until
    the first reply with peers, None if there was none.
    """

    first_announce_s: float | None
    lookup_s: float
    announced: frozenset[Endpoint]
    displaced: frozenset[Endpoint]
    to_monitors: int
    asked: int
    monitors_asked: int
    sent: int
    found: int
    first_found_s: float | None


def nearest(nodes: Mapping[Endpoint, bytes], key: bytes, count: int) -> list[Endpoint]:
    """Return the endpoints of the nodes with the nearest IDs to a key by XOR distance, nearest first."""
    number = int.from_bytes(key, "big")
    return sorted(nodes, key=lambda endpoint: int.from_bytes(nodes[endpoint], "big") ^ number)[:count]


def search_of(
    packets: Iterable[Packet],
    client: Endpoint,
    key: bytes,
    wanted: Sequence[Endpoint],
    real: Mapping[Endpoint, bytes],
    monitors: frozenset[int],
) -> Search | None:
    """Measure one search; None if the client sent no query for the key.

    wanted: the nodes it announces to where there are no monitors; real: all real nodes; monitors: IPs of monitors.
    """
    packets = list(packets)
    queries = [p for p in packets if (p.source_ip, p.source_port) == client and key in p.payload]
    lookups = [p for p in queries if any(mark in p.payload for mark in _LOOKUP_MARKS)]
    if not lookups:
        return None
    begin_ns = lookups[0].time_ns
    announces = [p for p in queries if _ANNOUNCE_MARK in p.payload]
    first_ns = announces[0].time_ns if announces else None
    end_ns = packets[-1].time_ns if first_ns is None else first_ns + round(ROUND_S * _NS)
    announces = [p for p in announces if p.time_ns <= end_ns]
    of_round = [p for p in lookups if p.time_ns <= end_ns]
    before = [p for p in of_round if first_ns is None or p.time_ns <= first_ns]
    announced = frozenset((p.ip, p.port) for p in announces)
    peers, first_found_ns = _found(packets, client, of_round)
    return Search(
        first_announce_s=None if first_ns is None else (first_ns - begin_ns) / _NS,
        lookup_s=(before[-1].time_ns - begin_ns) / _NS,
        announced=announced & real.keys(),
        displaced=frozenset(wanted) - announced,
        to_monitors=len({endpoint for endpoint in announced if endpoint[0] in monitors}),
        asked=len(of_round),
        monitors_asked=len({p.ip for p in of_round} & monitors),
        sent=len(of_round) + len(announces),
        found=len(peers),
        first_found_s=None if first_found_ns is None else (first_found_ns - begin_ns) / _NS,
    )


def _found(packets: list[Packet], client: Endpoint, queries: Sequence[Packet]) -> tuple[set[bytes], int | None]:
    """Return the peers that these queries brought, and when the first came."""
    open_queries = {(p.ip, p.port, _transaction(p.payload)): p.time_ns for p in queries}
    peers: set[bytes] = set()
    first_ns: int | None = None
    for packet in packets:
        if (packet.ip, packet.port) != client or b"6:valuesl" not in packet.payload:
            continue
        asked_ns = open_queries.get((packet.source_ip, packet.source_port, _transaction(packet.payload)))
        if asked_ns is None or packet.time_ns < asked_ns:
            continue
        peers.update(value for value in _reply(packet.payload).get(b"values", []) if isinstance(value, bytes))
        first_ns = packet.time_ns if first_ns is None else first_ns
    return peers, first_ns


def _reply(payload: bytes) -> dict[bytes, Any]:
    reply = _message(payload).get(b"r")
    return reply if isinstance(reply, dict) else {}


def _transaction(payload: bytes) -> bytes:
    transaction = _message(payload).get(b"t")
    return transaction if isinstance(transaction, bytes) else b""


def _message(payload: bytes) -> dict[bytes, Any]:
    try:
        message = bencodepy.bdecode(payload)
    except (bencodepy.BencodeDecodeError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}
