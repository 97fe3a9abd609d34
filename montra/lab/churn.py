"""When nodes leave: exponential sessions, so at any time every node has the same chance to go."""

from __future__ import annotations

import heapq
import random


class Departures:
    """The departure time of each node that may leave. Times are seconds of the caller's clock."""

    def __init__(self, mean_session_s: float, rng: random.Random) -> None:
        self._mean_s = mean_session_s
        self._rng = rng
        self._heap: list[tuple[float, int]] = []

    def enter(self, index: int, now_s: float) -> None:
        """Draw the session of a node; nothing where nobody leaves (mean 0)."""
        if self._mean_s:
            heapq.heappush(self._heap, (now_s + self._rng.expovariate(1 / self._mean_s), index))

    def due(self, now_s: float) -> list[int]:
        """Take the nodes whose session is over."""
        gone = []
        while self._heap and self._heap[0][0] <= now_s:
            gone.append(heapq.heappop(self._heap)[1])
        return gone
