"""How fast packets may leave: over all, and to one address."""

from __future__ import annotations

from collections import OrderedDict

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

    def allows(self, now_ns: int) -> bool:
        """Tell whether one more packet may leave now."""
        return self._next_ns - self._slack_ns <= now_ns

    def spend(self, now_ns: int) -> None:
        """Note one packet that left."""
        self._next_ns = max(self._next_ns, now_ns) + self._interval_ns

    def due(self, now_ns: int) -> int:
        """Return when to send on: now if a packet may leave, else when a whole burst may."""
        return now_ns if self.allows(now_ns) else self._next_ns


class Spacing:
    """The least time between two packets to one address, remembered only while it binds."""

    def __init__(self, spacing_ns: int) -> None:
        self._spacing_ns = spacing_ns
        self._ready_ns: OrderedDict[Address, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ready_ns)

    def ready_ns(self, address: Address) -> int:
        """Return when the next packet to this address may leave; 0 if at any time."""
        return self._ready_ns.get(address, 0)

    def spend(self, now_ns: int, address: Address) -> None:
        """Note a packet to this address; forgets those whose time has passed."""
        self._ready_ns[address] = now_ns + self._spacing_ns
        self._ready_ns.move_to_end(address)
        while self._ready_ns and self._ready_ns[next(iter(self._ready_ns))] <= now_ns:
            self._ready_ns.popitem(last=False)
