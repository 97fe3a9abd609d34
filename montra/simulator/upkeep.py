"""How tables are kept: newcomers make themselves known, contacts that fell silent are noticed, neighbours meet again.

Steps of `STEP_S`: arrays of nodes at once, no packet of its own. What passes between nodes and the instrument is
elsewhere.
"""

from __future__ import annotations

import numpy as np

from montra.simulator.changes import Changes, Due, Steps
from montra.simulator.population import Nodes
from montra.simulator.rules import QUARANTINE_S, RULES, Entry
from montra.simulator.settings import Family, SimSettings
from montra.simulator.tables import Rows, Tables

STEP_S = 10.0
#: How often a node asks its neighbours, who take it in again if they had lost it: libtorrent's turn through its table
#: takes half an hour, and both ends ask; others refresh a bucket that is quiet for 15 minutes (BEP 5).
MEET_AGAIN_S = 900.0
#: Each node's contacts are gone through once in so many steps.
SWEEP_STEPS = 6
#: Peers that wait beside a bucket of libtorrent (routing_table.cpp) [S].
REPLACEMENTS = 8
#: Where the wait for a newcomer is not that for a ping.
_ENTRY_S = {Entry.AT_ONCE: (0.0, 0.0), Entry.QUARANTINE: (QUARANTINE_S, QUARANTINE_S + STEP_S)}


class Upkeep:
    """Lives through the time of the tables, from `begin_ns` on."""

    def __init__(self, nodes: Nodes, tables: Tables, settings: SimSettings, rng: np.random.Generator) -> None:
        self._nodes = nodes
        self._tables = tables
        self._rng = rng
        begin_ns = settings.start_ns - round(settings.warm_up_s * 1e9)
        self._loss = settings.loss
        self._steps = Steps(begin_ns, STEP_S)
        self._phase = rng.integers(0, round(MEET_AGAIN_S / STEP_S), len(nodes))
        self._due = Due(STEP_S)
        self._changes = Changes(nodes)
        waits = np.array([_ENTRY_S.get(RULES[family].entry, RULES[family].ping_s) for family in Family])
        self._wait_s = waits[nodes.client]  # [n, 2]
        tables.survey(begin_ns)
        everybody = np.flatnonzero(nodes.alive(begin_ns))
        if settings.introduced:
            rows, contacts = tables.introduce(everybody)
            # all ask at once, and of those a node has not asked itself it keeps no more than its replacements hold
            kept = rng.random(len(rows)) < REPLACEMENTS * len(everybody) / max(len(rows), 1)
            self._take_in(rows[kept], contacts[kept])
        else:
            tables.settle(everybody)

    @property
    def next_ns(self) -> int:
        """Return when the next step is due."""
        return self._steps.next_ns

    def step(self) -> Rows:
        """Do the step due; return the rows of the nodes that have left in it."""
        from_ns, now_ns = self._steps.take()
        tables = self._tables
        tables.survey(now_ns)
        gone = self._changes.gone(from_ns, now_ns)
        tables.clear(gone)
        born = self._changes.born(from_ns, now_ns)
        alive = self._nodes.alive(now_ns)
        born = born[alive[born]]
        tables.settle(born)
        self._announce(born)
        turn = self._steps.done % round(MEET_AGAIN_S / STEP_S)
        self._meet(np.flatnonzero((self._phase == turn) & alive))
        for rows, contacts in self._due.at(self._steps.done):
            tables.add(rows, contacts)
        live = np.flatnonzero(alive)
        tables.sweep(live[live % SWEEP_STEPS == self._steps.done % SWEEP_STEPS], STEP_S * SWEEP_STEPS)
        tables.promote()
        return gone

    def _announce(self, born: Rows) -> None:
        """Newcomers look up their own ID, so their neighbours hear of them, and take them in by their rules."""
        self._take_in(*self._pairs(born))

    def _take_in(self, rows: Rows, contacts: Rows) -> None:
        """Nodes take in those who have asked them, after the time their rules say."""
        low, high = self._wait_s[rows].T
        wait_s = low + self._rng.random(len(rows)) * (high - low)
        self._due.enter(self._steps.done, wait_s, rows, contacts)

    def _meet(self, rows: Rows) -> None:
        """Nodes that ask their neighbours are known to these again, and know them."""
        others, contacts = self._pairs(rows)
        self._tables.meet(others, contacts)

    def _pairs(self, rows: Rows) -> tuple[Rows, Rows]:
        """Return (neighbours, rows) of nodes that have exchanged a query and an answer."""
        near = self._tables.neighbours(rows)
        heard = (near >= 0) & (self._rng.random(near.shape) < (1 - self._loss) ** 2)
        at, place = np.nonzero(heard)
        return near[at, place], rows[at]
