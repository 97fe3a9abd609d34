"""Who is in the zone of a Kad network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from montra.simulator.kad.settings import VERSIONS, KadSettings
from montra.simulator.population import Nodes, populate

_SECRET_BYTES = 4


@dataclass(slots=True)
class KadNodes(Nodes):
    """As `Nodes`; `reachable` are those that UDP reaches, and hence all that stand in tables.

    version: uint8[n], of Kad; open_to_tcp: bool[n]; secret: uint8[n, 4], makes a node's verify keys (CryptoKadUDPKey).
    """

    version: NDArray[np.uint8]
    open_to_tcp: NDArray[np.bool_]
    secret: NDArray[np.uint8]


def populate_kad(settings: KadSettings, rng: np.random.Generator) -> KadNodes:
    """Draw the zone's share of the network's nodes; bootstrap nodes are not among them."""
    nodes = populate(settings, rng)
    n = len(nodes)
    versions = np.array([VERSIONS.get(client, 0) for client in range(max(VERSIONS) + 1)], np.uint8)
    return KadNodes(
        node_id=nodes.node_id,
        head=nodes.head,
        ip=nodes.ip,
        port=nodes.port,
        up_ns=nodes.up_ns,
        down_ns=nodes.down_ns,
        client=nodes.client,
        reachable=nodes.reachable,
        version=versions[nodes.client],
        open_to_tcp=nodes.reachable & (rng.random(n) >= settings.tcp_firewalled),
        secret=rng.integers(0, 256, (n, _SECRET_BYTES), np.uint8),
    )
