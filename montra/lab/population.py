"""Who is in the network: IDs inside and outside the zone, addresses in distinct /24s."""

from __future__ import annotations

import heapq
import ipaddress
import math
import random
from collections.abc import Iterable
from typing import NamedTuple

from montra.lab.settings import SUBNETS_PER_OCTET, LabError, LabSettings
from zone_store.keyspace.zone import Zone

ID_BITS = 160


class Placement(NamedTuple):
    """Where one node stands: 20-byte ID, dotted address, port, whether its ID is in the zone."""

    node_id: bytes
    ip: str
    port: int
    in_zone: bool

    @property
    def number(self) -> int:
        """The ID as an integer, for XOR distances."""
        return int.from_bytes(self.node_id, "big")


class Placements:
    """Hands out a new ID and a new /24 for each node that ever comes; none is used twice.

    libtorrent takes one node for each /24 into a bucket and asks one for each /24 in a lookup, so nodes that shared
    a /24 would be half invisible to each other.
    """

    def __init__(self, settings: LabSettings, rng: random.Random) -> None:
        self._zone = Zone.parse(settings.zone)
        self._share = settings.zone_share
        self._first, self._second = ipaddress.IPv4Address(f"{settings.subnet}.1.1").packed[:2]
        self._port = settings.port
        self._rng = rng
        self._given = 0

    def first(self, n: int) -> list[Placement]:
        """Return placements of a starting population, the zone's share of them in the zone (rounded to nearest).

        Those outside come first, so the lab's first addresses, which never leave, stand outside the zone if any do.
        """
        inside = math.floor(n * self._share + 0.5)
        return [self.place(i >= n - inside) for i in range(n)]

    def place(self, in_zone: bool) -> Placement:
        """Return a new placement on this side of the zone's border; raises LabError when the addresses are used up."""
        block, row = divmod(self._given, SUBNETS_PER_OCTET)
        second = self._second + block
        if second > 255:
            raise LabError("the lab has used up its /24s; choose a lower subnet or longer sessions")
        self._given += 1
        ip = f"{self._first}.{second}.{1 + row}.1"
        return Placement(random_key(self._zone, in_zone, self._rng), ip, self._port, in_zone)


def random_key(zone: Zone, inside: bool, rng: random.Random) -> bytes:
    """Return a random ID or key inside, or outside, the zone."""
    if inside:
        return zone.random_id(rng)
    while True:
        key = rng.randbytes(ID_BITS // 8)
        if not zone.contains(key):
            return key


def closest(numbers: Iterable[int], target: int, k: int) -> list[int]:
    """Return the `k` of `numbers` nearest to `target` by XOR, nearest first."""
    return heapq.nsmallest(k, numbers, key=target.__xor__)
