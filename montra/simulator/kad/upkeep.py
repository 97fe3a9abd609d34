"""How tables are kept: newcomers make themselves known, contacts that fell silent are dropped, neighbours meet again.

Steps of `STEP_S`: arrays of nodes at once, no packet of its own. What passes between nodes and the instrument is
elsewhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from montra.simulator.changes import Changes, Due, Steps
from montra.simulator.kad.rules import BIN_CONTACTS, HELLO_WAIT_NS, MINUTE_NS, RETURNED_TYPE, TYPES
from montra.simulator.kad.settings import KadSettings
from montra.simulator.kad.tables import KadTables
from montra.simulator.population import Nodes
from montra.simulator.tables import Rows

STEP_S = 10.0
#: Each node's contacts are gone through once in so many steps, a minute: the table's timer.
SWEEP_STEPS = 6
#: A node looks around in its leaves once an hour (RoutingZone.cpp, `OnBigTimer`), so neighbours that have lost each
#: other meet again.
MEET_AGAIN_S = 3600.0
#: Minutes until a node has said HELLO to a contact of a bin, and until that one says it back, which makes the node type
#: 2 there: one contact of a bin a minute, and it is the last of up to ten (RoutingZone.cpp, `OnSmallTimer`).
_TURN_MIN = (1.0, float(BIN_CONTACTS))


class Upkeep:
    """Lives through the time of the tables, from the warm-up's begin on."""

    def __init__(self, nodes: Nodes, tables: KadTables, settings: KadSettings, rng: np.random.Generator) -> None:
        self._nodes = nodes
        self._tables = tables
        self._rng = rng
        begin_ns = settings.start_ns - round(settings.warm_up_s * 1e9)
        self._steps = Steps(begin_ns, STEP_S)
        self._phase = rng.integers(0, round(MEET_AGAIN_S / STEP_S), len(nodes))
        self._due = Due(STEP_S)
        self._changes = Changes(nodes)
        self._stay = _stay_minutes(nodes)
        tables.survey(begin_ns)
        everybody = np.flatnonzero(nodes.alive(begin_ns))
        if settings.introduced:
            tables.introduce(everybody, settings.introduced)
        else:
            tables.settle(everybody)

    @property
    def next_ns(self) -> int:
        """Return when the next step is due."""
        return self._steps.next_ns

    def step(self) -> tuple[Rows, Rows]:
        """Do the step due; return the rows of the nodes that have left in it, and of those that have come."""
        from_ns, now_ns = self._steps.take()
        tables = self._tables
        tables.survey(now_ns)
        gone = self._changes.gone(from_ns, now_ns)
        tables.clear(gone)
        born = self._changes.born(from_ns, now_ns)
        alive = self._nodes.alive(now_ns)
        born = born[alive[born]]
        tables.settle(born)
        self._announce(born[self._nodes.reachable[born]])
        turn = self._steps.done % round(MEET_AGAIN_S / STEP_S)
        self._meet(np.flatnonzero((self._phase == turn) & alive & self._nodes.reachable))
        due = self._due.at(self._steps.done)
        if due:
            rows, contacts = (np.concatenate(part) for part in zip(*due, strict=True))
            there = alive[rows] & alive[contacts]
            tables.add(rows[there], contacts[there])
        live = np.flatnonzero(alive)
        now_min = 1 + round(self._steps.done * STEP_S / 60)
        tables.sweep(live[live % SWEEP_STEPS == self._steps.done % SWEEP_STEPS], now_min, self._stay)
        return gone, born

    def _announce(self, born: Rows) -> None:
        """Newcomers say HELLO to all whom they have heard of; these take them in after the turns of both tables."""
        at, place = np.nonzero(self._tables.slots[born] >= 0)
        rows = self._tables.slots[born[at], place].astype(np.int64)
        self._take_in(rows, born[at], turns=2)

    def _meet(self, rows: Rows) -> None:
        """Nodes that look around near themselves hear of their neighbours again, and these of them."""
        near = self._tables.neighbours(rows)
        at, place = np.nonzero(near >= 0)
        others, rows = near[at, place], rows[at]
        self._take_in(rows, others, turns=1)
        self._take_in(others, rows, turns=2)

    def _take_in(self, rows: Rows, contacts: Rows, turns: int) -> None:
        if not len(rows):
            return
        low, high = _TURN_MIN
        each = (low + self._rng.random(len(rows)) * (high - low) for _ in range(turns))
        wait_s = 60 * sum(each, start=np.zeros(len(rows)))
        self._due.enter(self._steps.done, wait_s, rows, contacts)


def _stay_minutes(nodes: Nodes) -> NDArray[np.float64]:
    """Return for how many minutes, at most, a node that has left is still handed out: until its type's time is over,
    and as many HELLOs more as its type is below the last that is returned. Others know it for as long as it was up.
    """
    age_ns = np.where(nodes.down_ns > 0, nodes.down_ns - nodes.up_ns, 0)
    hours = np.minimum(age_ns // (60 * MINUTE_NS), len(TYPES) - 1)
    stay = [trusted + (RETURNED_TYPE - kind) * HELLO_WAIT_NS for kind, trusted in TYPES]
    minutes: NDArray[np.float64] = np.array(stay, np.float64)[hours] / MINUTE_NS
    return minutes
