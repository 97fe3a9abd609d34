"""What waits to be sent: lets out what the limits allow, keeps the rest for a while, counts what it gives up.

Pure: the time is an argument.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from heapq import heappop, heappush

from montra.datagrams import Counters, Datagram, StrangerReply
from montra.endpoint.blocklist import Blocklist
from montra.endpoint.limits import Gate, Limits
from montra.endpoint.plan import CRAWLER

#: "No wake-up needed", as a time.
NEVER_NS = (1 << 63) - 1


class _Kind(IntEnum):
    """What is sent, as far as waiting is concerned."""

    ANSWER = 0
    SCHEDULED = 1
    CRAWL = 2  # scheduled, but soon of no use: the crawler's time-outs run from the hand-over


# looked up for every datagram
_ANSWER, _CRAWL = _Kind.ANSWER, _Kind.CRAWL


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
    crawl that uses up its part of the total never keeps them waiting, and has places of its own, so that a crawl that
    fills the queue never has them refused. Every datagram offered is returned by `ready`, or waits (`len`), or is
    counted: blocklisted, outbox_full, rate_limited_target, rate_limited_subnet, rate_limited_total (waited in vain),
    outbox_discarded. Replies to strangers have limits of their own and do not wait for them: reply_limited_requester,
    reply_limited_subnet, reply_limited_total (not let out at once), reply_limited_outbox (too many between two `ready`,
    or the run is over).

    max_wait_s: how long a datagram waits; crawl_wait_s: the same for the crawler's. max_waiting: scheduled datagrams
    kept; max_answers: answers kept; max_replies: replies to strangers taken between two `ready`. crawl_unsent:
    datagrams of the crawler refused or given up so far.
    """

    def __init__(
        self,
        limits: Limits,
        blocklist: Blocklist,
        max_wait_s: float,
        max_waiting: int,
        counters: Counters,
        *,
        crawl_wait_s: float = 1.0,
        max_answers: int = 2000,
        max_replies: int = 16_384,
    ) -> None:
        self.crawl_unsent = 0
        self._limits = limits
        self._blocklist = blocklist
        self._blocks = len(blocklist) > 0
        wait_ns, crawl_wait_ns = int(max_wait_s * 1e9), int(min(crawl_wait_s, max_wait_s) * 1e9)
        self._wait_ns = {_Kind.ANSWER: wait_ns, _Kind.SCHEDULED: wait_ns, _Kind.CRAWL: crawl_wait_ns}
        self._max_waiting = max_waiting
        self._max_answers = max_answers
        self._max_replies = max_replies
        self._counters = counters
        self._fresh: list[tuple[int, Datagram, _Kind]] = []  # offered since the last `ready`, with the time
        self._fresh_answers = 0
        self._replies: list[StrangerReply] = []  # offered since the last `ready`
        self._replies_ns = NEVER_NS  # when the first was
        # by sequence number, the oldest first, which is the first to expire of its kind
        self._waiting: dict[_Kind, OrderedDict[int, _Waiting]] = {kind: OrderedDict() for kind in _Kind}
        # heaps of (sequence number, kind); the first of a line waits, behind it may be some that have expired
        self._lines: dict[Gate, list[tuple[int, _Kind]]] = {}
        self._wakes: list[tuple[int, Gate]] = []  # heap, one entry for each line
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._fresh) + len(self._replies) + sum(map(len, self._waiting.values()))

    def offer(self, now_ns: int, datagrams: Iterable[Datagram], answers: bool = False) -> None:
        """Take datagrams to send. `answers`: they answer what just came in (the crawler's never count as such)."""
        held = self._fresh_answers + len(self._waiting[_Kind.ANSWER])
        room_for_answers = self._max_answers - held
        room = self._max_waiting - (len(self) - len(self._replies) - held)
        other = _Kind.ANSWER if answers else _Kind.SCHEDULED
        for datagram in datagrams:
            kind = _CRAWL if datagram.local == CRAWLER else other
            if self._blocks and datagram.ip in self._blocklist:
                self._counters.add("blocklisted")
            elif type(datagram) is StrangerReply:
                self._offer_reply(now_ns, datagram)
            elif (room_for_answers if kind is _ANSWER else room) <= 0:
                self._counters.add("outbox_full")
                self.crawl_unsent += kind is _CRAWL
            elif kind is _ANSWER:
                self._fresh.append((now_ns, datagram, kind))
                self._fresh_answers += 1
                room_for_answers -= 1
            else:
                self._fresh.append((now_ns, datagram, kind))
                room -= 1

    def _offer_reply(self, now_ns: int, reply: StrangerReply) -> None:
        if len(self._replies) >= self._max_replies:
            self._counters.add("reply_limited_outbox")
            return
        if not self._replies:
            self._replies_ns = now_ns
        self._replies.append(reply)

    def ready(self, now_ns: int) -> list[Datagram]:
        """Return what may be sent now, and count what has waited too long."""
        self._expire(now_ns)
        out: list[Datagram] = []
        while self._wakes and self._wakes[0][0] <= now_ns:
            self._drain(now_ns, heappop(self._wakes)[1], out)
        limits = self._limits
        for offered_ns, datagram, kind in self._fresh:
            gates = limits.gates(datagram, kind is _ANSWER)
            shut = self._shut(now_ns, gates, None) if self._lines else limits.shut(now_ns, gates)
            if shut is None:
                limits.take(now_ns, gates)
                out.append(datagram)
            else:
                self._sequence += 1
                item = _Waiting(datagram, gates, offered_ns + self._wait_ns[kind], shut)
                self._waiting[kind][self._sequence] = item
                self._stand(shut, self._sequence, kind)
        self._fresh.clear()
        self._fresh_answers = 0
        self._let_out_replies(now_ns, out)
        return out

    def _let_out_replies(self, now_ns: int, out: list[Datagram]) -> None:
        for reply in self._replies:
            refused = self._limits.refuse_reply(now_ns, reply.ip, reply.port)
            if refused:
                self._counters.add(f"reply_limited_{refused}")
            else:
                out.append(reply)
        self._replies.clear()
        self._replies_ns = NEVER_NS

    def due(self) -> int:
        """Return when `ready` should be called next; NEVER_NS if nothing waits."""
        due = self._replies_ns
        if self._fresh:
            due = min(due, self._fresh[0][0])
        for waiting in self._waiting.values():
            if waiting:
                due = min(due, self._wakes[0][0], next(iter(waiting.values())).expires_ns)
        return due

    def discard(self) -> None:
        """Give up all that waits, counted as outbox_discarded: the run is over."""
        self._counters.add("reply_limited_outbox", len(self._replies))
        self._replies.clear()
        self._replies_ns = NEVER_NS
        self._counters.add("outbox_discarded", len(self))
        self._fresh.clear()
        self._fresh_answers = 0
        for waiting in self._waiting.values():
            waiting.clear()
        self._lines.clear()
        self._wakes.clear()

    def _shut(self, now_ns: int, gates: tuple[Gate, ...], draining: Gate | None) -> Gate | None:
        """Return the first gate that is shut, or has a line that this datagram must not overtake."""
        for gate in gates:
            if (gate != draining and self._lines.get(gate)) or self._limits.next_ns(gate) > now_ns:
                return gate
        return None

    def _stand(self, gate: Gate, sequence: int, kind: _Kind) -> None:
        line = self._lines.get(gate)
        if line is None:
            line = self._lines[gate] = []
            heappush(self._wakes, (self._limits.next_ns(gate), gate))
        heappush(line, (sequence, kind))

    def _drain(self, now_ns: int, gate: Gate, out: list[Datagram]) -> None:
        """Let the line of a gate move while the gate is open.

        Ends: each step sends, or moves one datagram to the line of another gate, and a gate is drained once for one
        `now_ns`: afterwards its line is gone, or it has no token left and its next wake-up lies in the future.
        """
        line = self._lines[gate]
        while line and self._limits.next_ns(gate) <= now_ns:
            sequence, kind = heappop(line)
            item = self._waiting[kind][sequence]
            shut = self._shut(now_ns, item.gates, gate)
            if shut is None:
                self._limits.take(now_ns, item.gates)
                out.append(item.datagram)
                del self._waiting[kind][sequence]
            else:
                item.line = shut
                self._stand(shut, sequence, kind)
            self._close_up(line)
        if line:
            heappush(self._wakes, (self._limits.next_ns(gate), gate))
        else:
            del self._lines[gate]

    def _expire(self, now_ns: int) -> None:
        for kind, waiting in self._waiting.items():
            while waiting:
                item = next(iter(waiting.values()))
                if item.expires_ns > now_ns:
                    break
                waiting.popitem(last=False)
                self._close_up(self._lines[item.line])
                self._counters.add(f"rate_limited_{Limits.NAMES[item.line[0]]}")
                self.crawl_unsent += kind is _Kind.CRAWL

    def _close_up(self, line: list[tuple[int, _Kind]]) -> None:
        """Take the expired off the front of a line: it has somebody who waits, or nobody."""
        while line and line[0][0] not in self._waiting[line[0][1]]:
            heappop(line)
