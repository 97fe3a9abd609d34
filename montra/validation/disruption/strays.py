"""In whose tables monitors stay: nodes that name a monitor which is not beside them, and for how long they do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from montra.lab.clients.wire import Packet
from montra.validation.disruption.measures import Endpoint

_CONTACT_BYTES = 26
_NODES = b"5:nodes"
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Strays:
    """holders: nodes that named a foreign monitor, by client; pairs: of a holder and a monitor; seconds: from the first
    time to the last that each pair was seen, the longest; far: pairs under another ID than the monitor's own.
    """

    holders: dict[str, int]
    pairs: int
    seconds: float
    far: int


def strays(
    packets: Iterable[Packet], monitors: Mapping[int, tuple[bytes, Endpoint]], clients: Mapping[Endpoint, str]
) -> Strays:
    """Find monitors named in replies by others than their targets.

    monitors: ID and target of the monitor at each IP; clients: the name of each real node's client.
    """
    seen: dict[tuple[Endpoint, int], tuple[int, int]] = {}
    far = set()
    for packet in packets:
        holder = (packet.source_ip, packet.source_port)
        if holder not in clients:
            continue
        for node_id, ip in _contacts(packet.payload):
            monitor = monitors.get(ip)
            if monitor is None or (node_id == monitor[0] and holder == monitor[1]):
                continue
            first_ns, _ = seen.get((holder, ip), (packet.time_ns, 0))
            seen[holder, ip] = first_ns, packet.time_ns
            if node_id != monitor[0]:
                far.add((holder, ip))
    holders: dict[str, int] = {}
    for endpoint in {holder for holder, _ in seen}:
        holders[clients[endpoint]] = holders.get(clients[endpoint], 0) + 1
    longest_ns = max((last_ns - first_ns for first_ns, last_ns in seen.values()), default=0)
    return Strays(dict(sorted(holders.items())), len(seen), longest_ns / _NS, len(far))


def _contacts(payload: bytes) -> Iterable[tuple[bytes, int]]:
    """Yield ID and IP of each contact in a reply's `nodes` (BEP 5)."""
    at = payload.find(_NODES)
    if at < 0 or b"1:y1:r" not in payload:
        return
    length, colon, rest = payload[at + len(_NODES) :].partition(b":")
    if not colon or not length.isdigit():
        return
    nodes = rest[: int(length[:5])]
    for start in range(0, len(nodes) - _CONTACT_BYTES + 1, _CONTACT_BYTES):
        yield nodes[start : start + 20], int.from_bytes(nodes[start + 20 : start + 24], "big")
