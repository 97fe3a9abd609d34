"""Targets that wait for a monitor: attached in ID order, at a limited rate.

The address pool spreads neighbours in ID space over different /24s if it sees them in order (measured on 16 /24s:
all destinations are told right, 80-85 % with random placement). So targets are handed out in sweeps: all that wait are
sorted, the sweep goes up the ID space, and whoever comes meanwhile waits for the next one.
"""

from __future__ import annotations

from montra.monitors.roster import Target
from montra.monitors.wheel import NEVER

_ROUND_NS = 100_000_000


class WaitingList:
    """Waiting targets, one for each address; `rate` handed out a second, in rounds about 100 ms apart."""

    def __init__(self, rate: float, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._round = max(1, int(rate * _ROUND_NS / 1e9))
        self._pause_ns = round(self._round / rate * 1e9)
        self._targets: dict[int, Target] = {}
        self._sweep: list[Target] = []  # descending, so that the next one is popped
        self._next_ns = 0
        self._blocked = False

    def __len__(self) -> int:
        return len(self._targets)

    def get(self, address: int) -> Target | None:
        """Return who waits at this address."""
        return self._targets.get(address)

    def add(self, now_ns: int, target: Target) -> bool:
        """Let a target wait, in place of any other at its address; False when too many wait."""
        if len(self._targets) >= self._max_waiting and target.address not in self._targets:
            return False
        if not self._targets:  # a crawl reply names several at once: sort those that come together
            self._next_ns = max(self._next_ns, now_ns + _ROUND_NS)
        self._targets[target.address] = target
        return True

    def discard(self, address: int) -> None:
        """Forget who waits at this address."""
        self._targets.pop(address, None)

    def clear(self) -> None:
        """Forget all."""
        self._targets.clear()
        self._sweep.clear()

    def due_ns(self) -> int:
        """Return when the next round may be taken, NEVER if nobody waits or there is no room for them."""
        return self._next_ns if self._targets and not self._blocked else NEVER

    def take(self, now_ns: int) -> list[Target]:
        """Return the next round's targets in ID order; empty before its time."""
        taken: list[Target] = []
        if now_ns < self.due_ns():
            return taken
        self._next_ns = now_ns + self._pause_ns
        while self._targets and len(taken) < self._round:
            if not self._sweep:
                self._sweep = sorted(self._targets.values(), key=lambda t: (t.node_id, t.address), reverse=True)
            target = self._sweep.pop()
            if self._targets.get(target.address) is target:
                del self._targets[target.address]
                taken.append(target)
        return taken

    def block(self, targets: list[Target]) -> None:
        """Take back targets that found no room, and hand out none until `unblock`."""
        for target in targets:
            self._targets.setdefault(target.address, target)
        self._sweep.extend(reversed(targets))
        self._blocked = True

    def unblock(self) -> None:
        """Hand out targets again: there is room."""
        self._blocked = False
