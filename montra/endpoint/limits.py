"""How fast we may send: token buckets for everything, for each target and for each /24; others for strangers.

A bucket is one integer, the "theoretical arrival time" of the generic cell rate algorithm (ITU-T I.371, annex A), which
admits exactly what a token bucket of the same rate and burst admits. A bucket that is full again is forgotten.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from montra.datagrams import Datagram
from montra.endpoint.plan import CRAWLER

#: Buckets held before idle ones are looked for.
_SWEEP_AT = 4096


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` datagrams at once and `per_s` a second in the long run; math.inf a second is no limit.

    So in any window of w seconds at most burst + per_s * w. Raises ValueError unless per_s > 0 and burst >= 1.
    """

    per_s: float
    burst: int

    def __post_init__(self) -> None:
        if not self.per_s > 0 or self.burst < 1:
            raise ValueError(f"a rate needs per_s above 0 and a burst of at least 1, not {self.per_s}/s, {self.burst}")

    @property
    def interval_ns(self) -> int:
        """Time between two datagrams, rounded up so that the rate is never exceeded."""
        return 0 if math.isinf(self.per_s) else math.ceil(1e9 / self.per_s)


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """The limits of a run.

    total: all datagrams; target: to one (ip, port), far below the 50 in 10 s after which libtorrent blocks a source
    (dos_blocker); subnet: to one /24. scheduled_share: of `total`, what may go to crawling, introducing and keeping
    alive; the rest is kept free for answers, which must not wait behind a crawl.

    Replies to strangers pass none of these gates, so that whoever asks us much, or forges who asks, takes nothing from
    the rest. replies: all of them; requester: to one (ip, port); to one /24 as many as `subnet` says. Each is caused by
    a query that is no shorter. requester lets the copies of a lookup be answered at once, and stays below the 50 in
    10 s even where all monitors have one IP.

    Raises ValueError unless 0 < scheduled_share <= 1.
    """

    total: Rate = field(default=Rate(2000, 500))
    target: Rate = field(default=Rate(4, 16))
    subnet: Rate = field(default=Rate(40, 80))
    scheduled_share: float = 0.75
    replies: Rate = field(default=Rate(10_000, 2_500))
    requester: Rate = field(default=Rate(1, 32))

    @property
    def scheduled_per_s(self) -> float:
        """Datagrams a second for crawling, introducing and keeping alive together."""
        return self.scheduled_share * self.total.per_s

    def __post_init__(self) -> None:
        if not 0 < self.scheduled_share <= 1:
            raise ValueError(f"scheduled_share must lie above 0 and at most at 1, not at {self.scheduled_share}")


class Buckets:
    """The token buckets of one rate, by key."""

    def __init__(self, rate: Rate) -> None:
        self._interval_ns = rate.interval_ns
        self._slack_ns = (rate.burst - 1) * self._interval_ns
        self._full_at: dict[int, int] = {}  # key -> when the bucket is full again
        self._sweep_at = _SWEEP_AT

    def __len__(self) -> int:
        return len(self._full_at)

    def next_ns(self, key: int) -> int:
        """Return the time from which a bucket has a token (0: it is full)."""
        full_at = self._full_at.get(key)
        return 0 if full_at is None else full_at - self._slack_ns

    def take(self, now_ns: int, key: int) -> None:
        """Take a token out of a bucket that has one now."""
        full_at = self._full_at.get(key, 0)
        self._full_at[key] = (full_at if full_at > now_ns else now_ns) + self._interval_ns
        if len(self._full_at) > self._sweep_at:
            self._full_at = {k: at for k, at in self._full_at.items() if at > now_ns}
            # a sweep must free half of what was looked at, so its cost for each datagram is constant
            self._sweep_at = max(_SWEEP_AT, 2 * len(self._full_at))


#: A gate is one bucket: (number of the limit in NAMES, key).
Gate = tuple[int, int]
_SCHEDULED: Gate = (2, 0)
_TOTAL: Gate = (3, 0)


class Limits:
    """All buckets of a run. A datagram must pass the gates of its target, its /24, its class and the total."""

    #: Names of the limits, the narrowest first; the scheduled share is part of the total.
    NAMES = ("target", "subnet", "total", "total")

    def __init__(self, settings: LimitSettings) -> None:
        share, total = settings.scheduled_share, settings.total
        scheduled = Rate(settings.scheduled_per_s, max(1, int(share * total.burst)))
        rates = (settings.target, settings.subnet, scheduled, total)
        strangers = (settings.requester, settings.subnet, settings.replies)
        self._buckets = tuple(map(Buckets, rates))
        self._requester, self._requester_subnet, self._replies = map(Buckets, strangers)

    def gates(self, datagram: Datagram, answer: bool) -> tuple[Gate, ...]:
        """Return the gates of a datagram. What the crawler sends is never an answer."""
        local, ip, port, _ = datagram
        if answer and local != CRAWLER:
            return (0, ip << 16 | port), (1, ip >> 8), _TOTAL
        return (0, ip << 16 | port), (1, ip >> 8), _SCHEDULED, _TOTAL

    def refuse_reply(self, now_ns: int, ip: int, port: int) -> str:
        """Take the tokens of a reply to a stranger; or return the name of the limit that does not let it out now."""
        requester, subnet = ip << 16 | port, ip >> 8
        if self._requester.next_ns(requester) > now_ns:
            return "requester"
        if self._requester_subnet.next_ns(subnet) > now_ns:
            return "subnet"
        if self._replies.next_ns(0) > now_ns:
            return "total"
        self._requester.take(now_ns, requester)
        self._requester_subnet.take(now_ns, subnet)
        self._replies.take(now_ns, 0)
        return ""

    def next_ns(self, gate: Gate) -> int:
        """Return the time from which a gate is open."""
        return self._buckets[gate[0]].next_ns(gate[1])

    def shut(self, now_ns: int, gates: tuple[Gate, ...]) -> Gate | None:
        """Return the first gate that is not open, None if all are."""
        for gate in gates:
            if self._buckets[gate[0]].next_ns(gate[1]) > now_ns:
                return gate
        return None

    def take(self, now_ns: int, gates: tuple[Gate, ...]) -> None:
        """Pass gates that are open now."""
        for number, key in gates:
            self._buckets[number].take(now_ns, key)

    def __len__(self) -> int:
        """Return the buckets in memory."""
        return sum(map(len, (*self._buckets, self._requester, self._requester_subnet, self._replies)))
