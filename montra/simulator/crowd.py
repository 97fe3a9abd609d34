"""Those who look something up, in whatever DHT: nodes of the zone, and strangers from outside it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np

from montra.simulator.latency import Wire
from montra.simulator.population import Nodes, Strangers
from montra.simulator.settings import NetworkSettings

Lookup = TypeVar("Lookup")
Place = tuple[int, int]
"""An address: IP (host order) and port."""


class Crowd(Generic[Lookup]):
    """What is known of them, in lists: a lookup goes through single nodes, for which arrays are slow.

    ends_ns: access delay of each node; draws: for strangers' addresses and clients. searching: the lookups that go on
    at each address.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        nodes: Nodes,
        ends_ns: Sequence[int],
        wire: Wire,
        rng: random.Random,
        draws: np.random.Generator,
    ) -> None:
        self.searching: dict[Place, list[Lookup]] = {}
        self._ends_ns = ends_ns
        self._wire = wire
        self._rng = rng
        self._n = len(nodes)
        self._zone = settings.zone
        self._inside = settings.zone.share if settings.inside is None else settings.inside
        self._ups: list[int] = nodes.up_ns.tolist()
        self._downs: list[int] = nodes.down_ns.tolist()
        self._ips: list[int] = nodes.ip.tolist()
        self._ports: list[int] = nodes.port.tolist()
        self._reachable: list[bool] = nodes.reachable.tolist()
        self._ids = [int.from_bytes(node_id) for node_id in nodes.node_id]
        self._strangers = Strangers(settings.clients, draws)
        self._lasts_s = (settings.lookups_until_s or settings.duration_s) - settings.lookups_from_s
        self._from_ns = settings.start_ns + round(settings.lookups_from_s * 1e9)
        self._until_ns = settings.start_ns + round((settings.lookups_until_s or settings.duration_s) * 1e9)

    def _is_up(self, row: int, at_ns: int) -> bool:
        return self._ups[row] <= at_ns and (not self._downs[row] or at_ns < self._downs[row])

    def _enter(self, place: Place, lookup: Lookup) -> None:
        self.searching.setdefault(place, []).append(lookup)

    def _leave(self, place: Place, lookup: Lookup) -> None:
        left = [other for other in self.searching.get(place, ()) if other is not lookup]
        if left:
            self.searching[place] = left
        else:
            self.searching.pop(place, None)

    def _outside_id(self) -> bytes:
        """Draw an ID outside the zone."""
        size = self._zone.id_bits // 8
        while self._zone.contains(node_id := self._rng.randbytes(size)):
            pass
        return node_id
