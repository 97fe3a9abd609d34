"""What happens when, in virtual time: callbacks, and datagrams under way between the network and the instrument."""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections.abc import Callable

from montra.simulator.drive import Arrival

NEVER = 2**63 - 1

Sent = tuple[int, tuple[int, int], int, int, bytes]
"""A datagram of the instrument: time_ns, its own (ip, port), destination's IP and port, payload."""


class Calendar(ABC):
    """Events and arrivals in order of time; those of one time in the order in which they were entered."""

    def __init__(self) -> None:
        self._sequence = 0
        self._events: list[tuple[int, int, Callable[[int], None]]] = []
        self._arrivals: list[tuple[int, int, int, int, int, int, bytes]] = []
        self._sent: list[Sent] = []

    @abstractmethod
    def take(self, sent: list[Sent]) -> None:
        """Take what the instrument has sent since the last time, at least one datagram."""

    def send(self, now_ns: int, source: tuple[int, int], ip: int, port: int, payload: bytes) -> None:
        """Put a datagram of the instrument on the wire; `source` is its own (ip, port)."""
        self._sent.append((now_ns, source, ip, port, payload))

    def next_ns(self) -> int:
        """Return when anything happens next, NEVER for never."""
        self._hand_over()
        first = self._events[0][0] if self._events else NEVER
        return min(first, self._arrivals[0][0]) if self._arrivals else first

    def later(self, at_ns: int, call: Callable[[int], None]) -> None:
        """Call back at a time."""
        self._sequence += 1
        heapq.heappush(self._events, (at_ns, self._sequence, call))

    def deliver(self, at_ns: int, own: tuple[int, int], source: tuple[int, int], payload: bytes) -> None:
        """Let a datagram arrive at the instrument."""
        self._sequence += 1
        heapq.heappush(self._arrivals, (at_ns, self._sequence, *own, *source, payload))

    def advance(self, until_ns: int) -> list[Arrival]:
        """Let time pass up to and including `until_ns`; return what arrives at the instrument, in order of time."""
        self._hand_over()
        events = self._events
        while events and events[0][0] <= until_ns:
            at_ns, _, call = heapq.heappop(events)
            call(at_ns)
        arrived = []
        while self._arrivals and self._arrivals[0][0] <= until_ns:
            at_ns, _, own_ip, own_port, ip, port, payload = heapq.heappop(self._arrivals)
            arrived.append((at_ns, own_ip, own_port, ip, port, payload))
        return arrived

    def _hand_over(self) -> None:
        if self._sent:
            sent, self._sent = self._sent, []
            self.take(sent)
