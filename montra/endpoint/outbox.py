"""What waits to be sent: lets out what the limits allow, keeps the rest for a while, counts what it gives up.

Pure: the time is an argument.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush

from montra.datagrams import Counters, Datagram
from montra.endpoint.blocklist import Blocklist
from montra.endpoint.limits import Gate, Limits

#: "No wake-up needed", as a time.
NEVER_NS = (1 << 63) - 1


@dataclass(slots=True)
class _Waiting:
    datagram: Datagram
    gates: tuple[Gate, ...]
    expires_ns: int
    line: Gate  # the gate it waits at


class Outbox:
    """A bounded queue before the limits (`montra.endpoint.limits`).

    A datagram whose limit is exhausted stands in line at that gate alone, so it holds up nothing that goes elsewhere;
    within a line the oldest goes first, and newcomers stand behind it. Answers do not need the scheduled share, so a
    crawl that uses up its part of the total never keeps them waiting. Every datagram offered is returned by `ready`,
    or waits (`len`), or is counted: blocklisted, outbox_full, rate_limited_target, rate_limited_subnet,
    rate_limited_total (waited max_wait_s in vain), outbox_discarded.
    """

    def __init__(
        self, limits: Limits, blocklist: Blocklist, max_wait_s: float, max_waiting: int, counters: Counters
    ) -> None:
        self._limits = limits
        self._blocklist = blocklist
        self._max_wait_ns = int(max_wait_s * 1e9)
        self._max_waiting = max_waiting
        self._counters = counters
        self._fresh: list[tuple[int, Datagram, bool]] = []  # offered since the last `ready`: (time, datagram, answer)
        self._waiting: OrderedDict[int, _Waiting] = OrderedDict()  # by sequence number, the oldest first
        self._lines: dict[Gate, list[int]] = {}  # heaps of sequence numbers
        self._wakes: list[tuple[int, Gate]] = []  # heap, one entry for each line
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._fresh) + len(self._waiting)

    def offer(self, now_ns: int, datagrams: Iterable[Datagram], answers: bool = False) -> None:
        """Take datagrams to send. `answers`: they answer what just came in (the crawler's never count as such)."""
        for datagram in datagrams:
            if datagram.ip in self._blocklist:
                self._counters.add("blocklisted")
            elif len(self) >= self._max_waiting:
                self._counters.add("outbox_full")
            else:
                self._fresh.append((now_ns, datagram, answers))

    def ready(self, now_ns: int) -> list[Datagram]:
        """Return what may be sent now, and count what has waited too long."""
        self._expire(now_ns)
        out: list[Datagram] = []
        while self._wakes and self._wakes[0][0] <= now_ns:
            self._drain(now_ns, heappop(self._wakes)[1], out)
        for offered_ns, datagram, answer in self._fresh:
            gates = self._limits.gates(datagram, answer)
            shut = self._shut(now_ns, gates, None)
            if shut is None:
                self._limits.take(now_ns, gates)
                out.append(datagram)
            else:
                self._sequence += 1
                self._waiting[self._sequence] = _Waiting(datagram, gates, offered_ns + self._max_wait_ns, shut)
                self._stand(shut, self._sequence)
        self._fresh.clear()
        return out

    def due(self) -> int:
        """Return when `ready` should be called next; NEVER_NS if nothing waits."""
        due = NEVER_NS
        if self._fresh:
            due = self._fresh[0][0]
        if self._waiting:
            due = min(due, self._wakes[0][0], next(iter(self._waiting.values())).expires_ns)
        return due

    def discard(self) -> None:
        """Give up all that waits, counted as outbox_discarded: the run is over."""
        self._counters.add("outbox_discarded", len(self))
        self._fresh.clear()
        self._waiting.clear()
        self._lines.clear()
        self._wakes.clear()

    def _shut(self, now_ns: int, gates: tuple[Gate, ...], draining: Gate | None) -> Gate | None:
        """Return the first gate that is shut, or has a line that this datagram must not overtake."""
        for gate in gates:
            if (gate != draining and self._lines.get(gate)) or self._limits.next_ns(gate) > now_ns:
                return gate
        return None

    def _stand(self, gate: Gate, sequence: int) -> None:
        line = self._lines.get(gate)
        if line is None:
            line = self._lines[gate] = []
            heappush(self._wakes, (self._limits.next_ns(gate), gate))
        heappush(line, sequence)

    def _drain(self, now_ns: int, gate: Gate, out: list[Datagram]) -> None:
        """Let the line of a gate move while the gate is open.

        Ends: each step sends, or moves one datagram to the line of another gate, and a gate is drained once for one
        `now_ns`: afterwards its line is gone, or it has no token left and its next wake-up lies in the future.
        """
        line = self._lines[gate]
        while line and self._limits.next_ns(gate) <= now_ns:
            sequence = heappop(line)
            item = self._waiting[sequence]
            shut = self._shut(now_ns, item.gates, gate)
            if shut is None:
                self._limits.take(now_ns, item.gates)
                out.append(item.datagram)
                del self._waiting[sequence]
            else:
                item.line = shut
                self._stand(shut, sequence)
        if line:
            heappush(self._wakes, (self._limits.next_ns(gate), gate))
        else:
            del self._lines[gate]

    def _expire(self, now_ns: int) -> None:
        while self._waiting:
            item = next(iter(self._waiting.values()))
            if item.expires_ns > now_ns:
                return
            self._waiting.popitem(last=False)
            # the oldest of all is the oldest of its line
            heappop(self._lines[item.line])
            self._counters.add(f"rate_limited_{Limits.NAMES[item.line[0]]}")
