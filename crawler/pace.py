"""How fast packets may leave: over all, and to one address."""

from __future__ import annotations

from collections import deque

from crawler.settings import SECOND_NS

#: An IPv4 address (host order) and UDP port.
Address = tuple[int, int]

#: Packets may leave together in bursts of so much time's worth: fewer wake-ups, still smooth for a queue.
_BURST_NS = 20_000_000


class Pace:
    """Packets a second over all, as a virtual scheduling clock (GCRA: the leaky bucket kept as one time)."""

    def __init__(self, per_second: float) -> None:
        self._interval_ns = max(1, round(SECOND_NS / per_second))
        self._slack_ns = max(0, _BURST_NS - self._interval_ns)
        self._next_ns = 0

    def allows(self, now_ns: int) -> int:
        """Return how many packets may leave now."""
        spare_ns = now_ns + self._slack_ns - max(self._next_ns, now_ns)
        return spare_ns // self._interval_ns + 1 if spare_ns >= 0 else 0

    def spend(self, now_ns: int, packets: int = 1) -> None:
        """Note packets that left."""
        self._next_ns = max(self._next_ns, now_ns) + packets * self._interval_ns

    def due(self, now_ns: int) -> int:
        """Return when to send on: now if a packet may leave, else when a whole burst may."""
        return now_ns if self.allows(now_ns) else self._next_ns


class Spacing:
    """The least time between two packets to one address, remembered only while it binds."""

    def __init__(self, spacing_ns: int) -> None:
        self._spacing_ns = spacing_ns
        self._ready_ns: dict[Address, int] = {}
        self._order: deque[tuple[int, Address]] = deque()  # the oldest first

    def __len__(self) -> int:
        return len(self._ready_ns)

    def ready_ns(self, address: Address) -> int:
        """Return when the next packet to this address may leave; 0 if at any time."""
        return self._ready_ns.get(address, 0)

    def spend(self, now_ns: int, address: Address) -> None:
        """Note a packet to this address; forgets those whose time has passed."""
        ready_ns = self._ready_ns[address] = now_ns + self._spacing_ns
        order = self._order
        order.append((ready_ns, address))
        while order[0][0] <= now_ns:
            then_ns, idle = order.popleft()
            if self._ready_ns.get(idle) == then_ns:  # otherwise it was sent to again since
                del self._ready_ns[idle]
            if not order:
                break
