"""One clock for a run: it counts evenly, whatever happens to the machine's wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable


class AnchoredClock:
    """Nanoseconds since the Unix epoch: the wall clock once, at the start, and the monotonic clock from then on.

    A step of the wall clock (NTP, an operator) neither repeats nor skips times here: captures stay in order and
    intervals true. `offset_ns` tells how far the two have come apart, so that the run can record it.
    """

    def __init__(
        self, wall: Callable[[], int] = time.time_ns, monotonic: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        # the closest of a few readings: a thread switch between the two clocks would shift the whole run
        readings = []
        for _ in range(5):
            before = monotonic()
            at = wall()
            after = monotonic()
            readings.append((after - before, at - (before + after) // 2))
        self._epoch_ns = min(readings)[1]

    @property
    def epoch_ns(self) -> int:
        """When the monotonic clock stood at 0: what another process of this host needs to tell the same time."""
        return self._epoch_ns

    @classmethod
    def of(cls, epoch_ns: int) -> AnchoredClock:
        """Return a clock with the anchor of another process of this host."""
        clock = cls()
        clock._epoch_ns = epoch_ns
        return clock

    def now_ns(self) -> int:
        """Return the time."""
        return self._epoch_ns + self._monotonic()

    def offset_ns(self) -> int:
        """Return wall clock minus this clock: 0 at the start, later the steps and the slewing since."""
        return self._wall() - self.now_ns()
