"""What a synthetic network is like: every number in it is known, and none is what an estimator assumes."""

from __future__ import annotations

from dataclasses import dataclass

from montra.validation.estimators.laws import Law, LogNormal, Popularity

HOUR_S = 3600.0
SECOND_NS = 1_000_000_000
START_NS = 1_795_273_200 * SECOND_NS
"""2026-11-21 15:00:00 UTC."""
_SHARED, _THERE = LogNormal(24 * HOUR_S, 1.0), LogNormal(2 * HOUR_S, 1.2)


@dataclass(frozen=True, slots=True)
class Publishing:
    """Keys that are published, where lookups tell: in a network of Kad's kind.

    publishers: clients of a key, a key's number drawn from the law; interval_s: after which a client publishes again,
    late by up to `late` of it; stay: how long a client goes on publishing a key; unpublished: share of keys that are
    only searched for; unsearched: that are only published.
    """

    publishers: Popularity
    interval_s: float
    late: float = 0.01
    stay: Law = _SHARED
    unpublished: float = 0.15
    unsearched: float = 0.5


@dataclass(frozen=True, slots=True)
class World:
    """A zone, who is in it, what is asked of it, and how much of that monitors hear.

    nodes: alive at a time, on average; stay: how long one stays; regulars: share of those alive that come again, away_s
    and five minutes later on average, under one ID; mute: share that no monitor attaches to; shared_ips: share that has
    an address with others; clients: (version, share) of nodes and requesters; firewalled: share of nodes behind a
    firewall.
    crawl_s: length of a crawl; discovered: chance that a crawl finds a node that none found before, sampled: that
    random questions name a node; early: share of newcomers that are heard of within seconds.
    lookups_a_minute: mean; keys: that exist; popularity: of keys, None for a tail that is scaled to the rate; repeats:
    mean further lookups of a requester for the same key, about repeat_s later; burst, burst_s: coefficient of variation
    of the rate over time, and how long bursts last; requesters: their number, of very unequal activity.
    miss: chance that a lookup is heard by no monitor, miss_spread its standard deviation over nodes; lost_copies: of
    single copies; reach: live nodes asked; told: how many test lookups measured the capture rate, 0 for none; gaps:
    (from, to) in hours in which nothing ran; daily: amplitude of the day's wave of the rate, of its mean.
    files, keywords: what is published, both None where lookups do not tell (Mainline's kind).
    """

    name: str
    overlay: str = "mainline"
    zone: str = "a4/8"
    start_ns: int = START_NS
    hours: float = 3.0
    nodes: float = 250.0
    stay: Law = _THERE
    regulars: float = 0.3
    away_s: float = HOUR_S
    mute: float = 0.02
    shared_ips: float = 0.08
    clients: tuple[tuple[int, float], ...] = ((0x4C540210, 0.45), (0x5554AB12, 0.3), (0x54520404, 0.2), (0, 0.05))
    firewalled: float = 0.3
    crawl_s: float = 60.0
    discovered: float = 0.9
    sampled: float = 0.5
    early: float = 0.5
    lookups_a_minute: float = 60.0
    keys: int = 2000
    popularity: Popularity | None = None
    repeats: float = 0.6
    repeat_s: float = 900.0
    burst: float = 0.25
    burst_s: float = 90.0
    requesters: int = 1500
    miss: float = 0.07
    miss_spread: float = 0.02
    lost_copies: float = 0.06
    reach: int = 5
    told: int = 600
    gaps: tuple[tuple[float, float], ...] = ()
    daily: float = 0.0
    files: Publishing | None = None
    keywords: Publishing | None = None

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return self.hours * HOUR_S

    @property
    def id_bytes(self) -> int:
        """Bytes of an ID."""
        return 16 if self.overlay == "kad" else 20

    def at_ns(self, seconds: float) -> int:
        """Return a time of the window in nanoseconds since the epoch."""
        return self.start_ns + round(seconds * SECOND_NS)

    def running(self, seconds: float) -> bool:
        """Tell whether the instrument ran at a time of the window."""
        return not any(begin * HOUR_S <= seconds < end * HOUR_S for begin, end in self.gaps)
