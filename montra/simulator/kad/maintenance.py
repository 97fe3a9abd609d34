"""Nodes' lookups for their own tables: of their own IDs every four hours and soon after they came (Kademlia.cpp), of
random ones in their deepest leaves every hour (RoutingZone.cpp, `OnBigTimer`).

That is where most of the lookups with count 11 come from that monitors hear, and how they hear of newcomers.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import numpy as np

from montra.simulator.kad.population import KadNodes
from montra.simulator.kad.rules import SEARCHES, SECOND_NS
from montra.simulator.kad.settings import KadSettings, Purpose
from montra.simulator.kad.users import Users

#: A newcomer looks itself up this long after its start (Kademlia.cpp, `m_nextSelfLookup`).
_FIRST_NS = 180 * SECOND_NS
#: Leaves that a node looks around in each hour [assumed: those left of the last split, and the empty ones beside them].
_LEAVES = 5
#: Random IDs share at least so many bits less with the node than its nearest neighbours do [assumed].
_AROUND_BITS = 5


class Maintenance:
    """The share `settings.maintenance` of these lookups, at random times, and all first ones of newcomers."""

    def __init__(
        self,
        settings: KadSettings,
        nodes: KadNodes,
        users: Users,
        rng: random.Random,
        later: Callable[[int, Callable[[int], None]], None],
    ) -> None:
        self._nodes = nodes
        self._users = users
        self._rng = rng
        self._later = later
        live = int(np.count_nonzero(nodes.alive(settings.start_ns)))
        self._near = max(int(live).bit_length() + settings.zone.length - _AROUND_BITS, settings.zone.length)
        if settings.introduced:  # all have just come
            self.born(settings.start_ns, np.flatnonzero(nodes.alive(settings.start_ns)).tolist())
        for purpose, times in ((Purpose.OWN_ID, 1), (Purpose.NEARBY, _LEAVES)):
            rate = len(nodes) * settings.maintenance * times / SEARCHES[purpose].interval_s
            if rate:
                self._arrive(settings.start_ns, purpose, rate)

    def born(self, now_ns: int, rows: list[int]) -> None:
        """Nodes have come."""
        for row in rows:
            self._later(now_ns + _FIRST_NS, partial(self._look, row=row, purpose=Purpose.OWN_ID))

    def _arrive(self, from_ns: int, purpose: Purpose, rate: float) -> None:
        """Let sessions look around, `rate` of all a second; those that are not up do nothing."""

        def wait(now_ns: int) -> None:
            self._later(now_ns + round(self._rng.expovariate(rate) * 1e9), look)

        def look(now_ns: int) -> None:
            wait(now_ns)
            self._look(now_ns, self._rng.randrange(len(self._nodes)), purpose)

        wait(from_ns)

    def _look(self, now_ns: int, row: int, purpose: Purpose) -> None:
        nodes = self._nodes
        if not nodes.up_ns[row] <= now_ns or 0 < nodes.down_ns[row] <= now_ns:
            return
        key = nodes.node_id[row].tobytes()
        if purpose is Purpose.NEARBY:
            tail = 128 - self._near
            key = (int.from_bytes(key) >> tail << tail | self._rng.getrandbits(tail)).to_bytes(16)
        self._users.look_up(now_ns, row, key, purpose)
