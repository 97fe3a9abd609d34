"""The attributed lookups of a run, by requester address and key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from zone_store.captures import Kind, Lookups, Maintenance

#: Kinds that begin a lookup; an announce is its second phase and a row of its own.
_LOOKUP_KINDS = (Kind.LOOKUP, Kind.NODE_LOOKUP, Kind.SEARCH, Kind.PUBLISH)

Asker = tuple[int, int, bytes]
"""Source address (host order), source port, key."""


class Found(NamedTuple):
    """An attributed lookup: first copy, distinct monitors, attachment number of the destination.

    maintenance: whether attribution took it for no user's lookup, so that analysis leaves it out.
    """

    time_ns: int
    copies: int
    destination: int
    maintenance: bool


def index_lookups(tables: Iterable[Lookups], keys: Iterable[bytes]) -> dict[Asker, list[Found]]:
    """Return the lookups for `keys` (20 bytes each), in time order for each asker.

    Only these rows become objects, so a large run costs no more than its blocks.
    """
    wanted = np.array(sorted({bytes(key) for key in keys}), "V20")
    found: dict[Asker, list[Found]] = {}
    for table in tables:
        packed = np.ascontiguousarray(table.key).view("V20").ravel()
        rows = np.flatnonzero(np.isin(packed, wanted) & np.isin(table.kind, _LOOKUP_KINDS))
        for row in rows:
            asker = int(table.source_ip[row]), int(table.source_port[row]), table.key[row].tobytes()
            found.setdefault(asker, []).append(
                Found(
                    int(table.time_ns[row]),
                    int(table.copies[row]),
                    int(table.destination[row]),
                    bool(table.maintenance[row] != Maintenance.NONE),
                )
            )
    return found
