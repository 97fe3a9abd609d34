"""The network that is crawled: who is in it, where, and whom each node lists. Written as one file for `swarm.c`.

Nodes have tables of k-buckets as BEP 5 nodes do. Where a bucket's part of the ID space holds at most k nodes, all of
them are listed: the neighbourhood of a node is complete. In the others k of them are, drawn evenly. Some nodes are
gone: others still list them, and they never answer. Addresses are spread over as many /24s as on the Internet, where
most have one node.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import ip_number, ip_text
from zone_store.keyspace.zone import Zone

#: Contacts in a bucket and in a reply (BEP 5).
K = 8
#: Buckets kept of a table: two of 40,000 nodes of a 6-bit zone share more bits with a chance of 1 in 1,000.
BUCKETS = 40
#: Where the nodes live: one /24 each until all have one, and so on.
BASE = ip_number("127.192.0.0")
SUBNETS = 16_384
#: Ways of writing a reply, see `swarm.c`: libtorrent, others with a version, others without.
_LAYOUTS = (0.70, 0.15, 0.15)
_MAGIC = b"swarm 1\0"


@dataclass(slots=True)
class Network:
    """n nodes in order of their IDs.

    ids: uint8[n, 20]; alive, inside: bool[n], they answer, are in the zone; layout: uint8[n]; table: int32[n, BUCKETS,
    K], numbers of nodes, -1 for none; port: UDP port of node i is port + i % ports.
    """

    ids: NDArray[np.uint8]
    alive: NDArray[np.bool_]
    inside: NDArray[np.bool_]
    layout: NDArray[np.uint8]
    table: NDArray[np.int32]
    port: int
    ports: int

    def __len__(self) -> int:
        return len(self.ids)

    def address(self, node: int) -> tuple[int, int]:
        """Return (ip, port) of a node."""
        return BASE + (node % SUBNETS << 8) + 1 + node // SUBNETS, self.port + node % self.ports

    def bootstrap(self) -> str:
        """Return "ip:port" of a living node outside the zone."""
        node = int(np.flatnonzero(self.alive & ~self.inside)[0])
        ip, port = self.address(node)
        return f"{ip_text(ip)}:{port}"

    def members(self) -> set[tuple[bytes, int, int]]:
        """Return (ID, ip, port) of the living nodes of the zone: what a crawl should find."""
        wanted = np.flatnonzero(self.alive & self.inside).tolist()
        return {(self.ids[node].tobytes(), *self.address(node)) for node in wanted}

    def write(self, path: Path) -> None:
        """Write the file that `swarm` reads (little-endian, packed)."""
        head = np.array([len(self), BASE, SUBNETS, self.port, self.ports, BUCKETS], "<u4")
        with path.open("wb") as file:
            file.write(_MAGIC + head.tobytes())
            file.write(self.table.astype("<i4").tobytes())
            file.write(self.ids.tobytes() + self.alive.astype(np.uint8).tobytes() + self.layout.tobytes())


def make(
    zone: Zone, inside: int, outside: int, gone: float, port: int, ports: int, rng: np.random.Generator
) -> Network:
    """Make a network of `inside` living nodes in the zone, `outside` elsewhere, and a share `gone` of dead ones more.

    Of the contacts in tables about the share `gone` is dead.
    """
    dead = round(inside * gone / (1 - gone))
    ids = rng.integers(0, 256, (inside + dead + outside, 20), np.uint8)
    low = np.frombuffer(zone.low(), np.uint8)
    mask = np.frombuffer(zone.high(), np.uint8) ^ low
    ids[: inside + dead] = ids[: inside + dead] & mask | low
    ids = ids[np.lexsort(ids.T[::-1])]
    within = zone.contains_many(ids)
    alive = np.ones(len(ids), np.bool_)
    members = np.flatnonzero(within)
    alive[rng.permutation(members)[: len(members) - inside]] = False
    layout = rng.choice(len(_LAYOUTS), len(ids), p=_LAYOUTS).astype(np.uint8)
    return Network(ids, alive, within, layout, _tables(ids, rng), port, ports)


def _tables(ids: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.int32]:
    """Return int32[n, BUCKETS, K]: bucket b of a node holds nodes that share exactly b bits with it."""
    heads = np.ascontiguousarray(ids[:, :8]).view(">u8")[:, 0].astype(np.uint64)
    table = np.full((len(ids), BUCKETS, K), -1, np.int32)
    for bucket in range(BUCKETS):
        tail = np.uint64(64 - bucket - 1)
        first = (heads >> tail ^ np.uint64(1)) << tail
        low = np.searchsorted(heads, first)
        high = np.searchsorted(heads, first | (np.uint64(1) << tail) - np.uint64(1), side="right")
        size = high - low
        # one of each eighth of the range, so that no two are the same
        edges = size[:, None] * np.arange(K + 1) // K
        drawn = edges[:, :-1] + (rng.random((len(ids), K)) * np.diff(edges)).astype(np.int64)
        place = np.where(size[:, None] > K, drawn, np.arange(K))
        table[:, bucket] = np.where(place < size[:, None], low[:, None] + place, -1)
    return table
