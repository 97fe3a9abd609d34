"""Queries that monitors get and that are no lookups: libtorrent looks after its table.

A libtorrent node that refreshes its last bucket is named its neighbours' monitors, keeps them as replacements and asks
each whether it lives. Asked is for an ID that shares one bit more with its own than the monitor does (node.cpp,
`send_single_refresh`) [S].
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from montra.simulator import wording
from montra.simulator.keepers import Keepers
from montra.simulator.population import Nodes
from montra.simulator.rules import LIBTORRENT_CONTACTS, LIBTORRENT_TICK_S
from montra.simulator.settings import Family, SimSettings
from montra.simulator.tables import Tables

#: How often a node is named a monitor that it does not know yet, at most: the eight contacts of its last bucket are
#: asked once in its turn through its table, and the name stays for some time.
_EVERY_S = LIBTORRENT_CONTACTS / 8 * LIBTORRENT_TICK_S


class Noise:
    """The share `settings.noise` of that traffic, at random times."""

    def __init__(
        self,
        settings: SimSettings,
        nodes: Nodes,
        tables: Tables,
        keepers: Keepers,
        rng: random.Random,
        later: Callable[[int, Callable[[int], None]], None],
        tell: Callable[[int, int, int, int, bytes], None],
    ) -> None:
        self._nodes = nodes
        self._tables = tables
        self._keepers = keepers
        self._rng = rng
        self._later = later
        self._tell = tell
        self._number = 0
        asking = np.count_nonzero(nodes.alive(settings.start_ns) & (nodes.client == Family.LIBTORRENT))
        self._rate = asking * settings.noise / _EVERY_S
        if self._rate:
            self._wait(settings.start_ns)

    def _wait(self, now_ns: int) -> None:
        self._later(now_ns + round(self._rng.expovariate(self._rate) * 1e9), self._ask)

    def _ask(self, now_ns: int) -> None:
        self._wait(now_ns)
        known = self._tables.known
        if not len(known):
            return
        row = int(known[self._rng.randrange(len(known))])
        if self._nodes.client[row] != Family.LIBTORRENT:
            return
        near = self._tables.neighbours(np.array([row]))[0].tolist()
        other = self._rng.choice(near)
        if other < 0 or not self._tables.listed[other]:
            return
        met = self._keepers.met[other]
        own = int.from_bytes(self._nodes.node_id[row])
        tail = max((own ^ int.from_bytes(met.monitor_id)).bit_length() - 1, 0)
        key = own >> tail << tail | self._rng.getrandbits(tail)
        self._number += 1
        payload = wording.query(Family.LIBTORRENT, "get_peers", own.to_bytes(20), key.to_bytes(20), self._number)
        self._tell(now_ns, row, met.ip, met.port, payload)
