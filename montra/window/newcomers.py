"""Nodes that have just come into the zone, told by their own lookups before any crawl hears of them.

A node that starts looks its own neighbourhood up, so monitors there hear of it within seconds; the next crawl comes up
to a minute later, and until it is found its lookups end elsewhere than they seem to. So whoever asks a monitor, is in
the zone by its own word and is not known is asked by the crawler, once in a while. What counts is its answer.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from zone_store.captures import Captures, Flag
from zone_store.keyspace.zone import Zone

#: Known and tried addresses kept. Beyond that the oldest is forgotten, and may be tried again.
MOST_KEPT = 1 << 18
#: Questions a second in the long run, and at once: a trifle beside a crawl.
PER_S, BURST = 20, 100
_INTERVAL_NS = 1_000_000_000 // PER_S
#: Read-only nodes are in nobody's table (BEP 43); targets are known.
_NOT_NEW = int(Flag.READ_ONLY | Flag.FROM_TARGET | Flag.OWN)


class Newcomers:
    """Picks, out of captures, those whom the crawler should ask."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._kept: OrderedDict[int, int] = OrderedDict()  # address -> head of the ID it was last known or tried under
        self._full_at_ns = 0

    def found(self, node_id: bytes, ip: int, port: int) -> None:
        """A node is known by this ID at this address."""
        self._keep(ip << 16 | port, _head(node_id))

    def gone(self, ip: int, port: int) -> None:
        """Nobody is known at this address any more."""
        self._kept.pop(ip << 16 | port, None)

    def take(self, now_ns: int, captures: Captures) -> list[tuple[int, int, bytes]]:
        """Return whom to ask: (ip, port, the ID they claim)."""
        rows = np.flatnonzero((captures.flags & _NOT_NEW == 0) & self._zone.contains_many(captures.requester_id))
        wanted = []
        for row in rows.tolist():
            ip, port = int(captures.source_ip[row]), int(captures.source_port[row])
            node_id = captures.requester_id[row].tobytes()
            if self._kept.get(ip << 16 | port) == _head(node_id):
                continue
            if self._full_at_ns - now_ns > (BURST - 1) * _INTERVAL_NS:
                break
            self._full_at_ns = max(self._full_at_ns, now_ns) + _INTERVAL_NS
            self._keep(ip << 16 | port, _head(node_id))
            wanted.append((ip, port, node_id))
        return wanted

    def _keep(self, address: int, head: int) -> None:
        self._kept[address] = head
        self._kept.move_to_end(address)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)


def _head(node_id: bytes) -> int:
    return int.from_bytes(node_id[:8], "big")
