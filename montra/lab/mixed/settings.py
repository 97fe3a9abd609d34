"""What a mixed network is asked to be."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from montra.lab.settings import LabError

#: So many libtorrent nodes at least: they are what the others live in, and some of them never leave.
LEAST_LIBTORRENT = 8


class Weather(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to each datagram once on its way, as tc-netem(8) means it.

    loss: probability that it is lost; delay_s: how long it takes, evenly within `jitter_s` to both sides; reorder:
    probability that it overtakes, with no delay at all.
    """

    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    reorder: float = 0.0

    def __post_init__(self) -> None:
        _require(0 <= self.loss < 1 and 0 <= self.reorder <= 1, "loss and reorder are probabilities")
        _require(self.delay_s < math.inf, "the delay must be finite")
        _require(0 <= self.jitter_s <= self.delay_s, "jitter must not be negative or larger than the delay")
        _require(self.reorder == 0 or self.delay_s > 0, "nothing overtakes where there is no delay")

    @property
    def calm(self) -> bool:
        """Whether nothing happens."""
        return not (self.loss or self.delay_s)


class MixedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mixed network.

    out: an empty folder for all files; nodes: real nodes in all, those that no other number counts are libtorrent's;
    aria2, transmission, rtorrent, webtorrent: of them; nat: of them, behind a NAT each, the kinds of NATs in turn;
    median_session_s: exponential sessions of this median for all but the first three and those behind NATs, each
    departure replaced at once (0: nobody leaves); duration_s: how long lookups begin; lookups_per_minute: by
    libtorrent nodes, a quarter of them announces; searches_per_minute: by each other node; rest_s: how long the network
    is watched after the last of them; seed: of all random choices but those of the programs.
    """

    out: Path
    nodes: int = 300
    aria2: int = 10
    transmission: int = 5
    rtorrent: int = 5
    webtorrent: int = 10
    nat: int = 8
    weather: Weather = msgspec.field(default_factory=Weather)
    median_session_s: float = 0.0
    duration_s: float = 90.0
    lookups_per_minute: float = 200.0
    searches_per_minute: float = 6.0
    rest_s: float = 25.0
    seed: int = 1

    def __post_init__(self) -> None:
        counts = (self.aria2, self.transmission, self.rtorrent, self.webtorrent, self.nat)
        _require(min(counts) >= 0, "no number of nodes may be negative")
        _require(max(counts) <= 99, "at most 99 nodes of a kind besides libtorrent")
        _require(
            self.libtorrent >= LEAST_LIBTORRENT,
            f"{self.nodes} nodes leave {self.libtorrent} for libtorrent, which needs {LEAST_LIBTORRENT}",
        )
        _require(self.duration_s > 0 and self.rest_s >= 0, "durations must be positive")
        rates = (self.lookups_per_minute, self.searches_per_minute)
        _require(all(0 <= rate < math.inf for rate in rates), "rates must be finite and not negative")
        _require(self.median_session_s >= 0, "the median session must not be negative")

    @property
    def libtorrent(self) -> int:
        """How many nodes are the lab's."""
        return self.nodes - self.aria2 - self.transmission - self.rtorrent - self.webtorrent - self.nat


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise LabError(message)
