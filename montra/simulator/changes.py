"""Time in steps: who comes and goes in a network whose sessions are drawn, and who is known to whom after a wait."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from montra.simulator.population import Nodes
from montra.simulator.tables import Rows


class Steps:
    """Steps of so many seconds from `begin_ns` on. done: how many."""

    def __init__(self, begin_ns: int, step_s: float) -> None:
        self.done = 0
        self._begin_ns = begin_ns
        self._step_ns = round(step_s * 1e9)

    @property
    def next_ns(self) -> int:
        """Return when the next step is due."""
        return self._begin_ns + (self.done + 1) * self._step_ns

    def take(self) -> tuple[int, int]:
        """Do the step due; return the time it covers, (from, until]."""
        until_ns = self.next_ns
        self.done += 1
        return until_ns - self._step_ns, until_ns


class Changes:
    """Beginnings and ends of all sessions."""

    def __init__(self, nodes: Nodes) -> None:
        self._ups = np.argsort(nodes.up_ns, kind="stable")
        self._up_times = nodes.up_ns[self._ups]
        downs = np.flatnonzero(nodes.down_ns)
        self._downs = downs[np.argsort(nodes.down_ns[downs], kind="stable")]
        self._down_times = nodes.down_ns[self._downs]

    def born(self, from_ns: int, until_ns: int) -> Rows:
        """Return the rows of the nodes that come in (from_ns, until_ns], in order of time."""
        return _between(self._ups, self._up_times, from_ns, until_ns)

    def gone(self, from_ns: int, until_ns: int) -> Rows:
        """Return the rows of those that leave."""
        return _between(self._downs, self._down_times, from_ns, until_ns)


class Due:
    """Pairs of nodes and contacts that become known to them in a later step of so many seconds."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._pairs: dict[int, list[tuple[Rows, Rows]]] = {}

    def enter(self, now: int, wait_s: NDArray[np.float64], rows: Rows, contacts: Rows) -> None:
        """Let each pair become known `wait_s` after the step `now`."""
        step = now + np.ceil(wait_s / self._step_s).astype(np.int64)
        for number in np.unique(step).tolist():
            these = step == number
            self._pairs.setdefault(number, []).append((rows[these], contacts[these]))

    def at(self, step: int) -> list[tuple[Rows, Rows]]:
        """Return (nodes, contacts) that become known in a step, once."""
        return self._pairs.pop(step, [])


def _between(rows: Rows, times: NDArray[np.int64], from_ns: int, until_ns: int) -> Rows:
    """Return the rows whose time, sorted beside them, lies in (from_ns, until_ns]."""
    first, last = np.searchsorted(times, [from_ns, until_ns], side="right")
    return rows[first:last]
