"""What a simulated network is asked to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from zone_store.keyspace.zone import Zone


class Family(IntEnum):
    """Families of clients, by whose rules a node behaves; the numbers of the column `client`."""

    LIBTORRENT = 0
    UTORRENT = 1
    JECH = 2
    WEBTORRENT = 3
    ARIA2 = 4
    RTORRENT = 5
    MLDHT = 6
    ANACROLIX = 7


#: Assumed shares of clients, of nodes and of requesters: nobody publishes them. Every family of the facts is there;
#: libtorrent (qBittorrent, Deluge) leads, uTorrent and Transmission follow, as in the shares of downloads.
CLIENT_MIX: Mapping[int, float] = {
    Family.LIBTORRENT: 0.58,
    Family.UTORRENT: 0.14,
    Family.JECH: 0.13,
    Family.WEBTORRENT: 0.03,
    Family.ARIA2: 0.03,
    Family.RTORRENT: 0.03,
    Family.MLDHT: 0.05,
    Family.ANACROLIX: 0.01,
}


class SimSettingsError(ValueError):
    """A setting of the simulated network is impossible; one clear line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """A network of `nodes` live nodes, of which those of one zone are simulated: what is the same in every DHT.

    nodes: live at any time, in the whole network (the zone holds its share of them); start_ns, duration_s: the window;
    warm_up_s: lived through before the window, so that tables hold the dead and newcomers of a settled network;
    clients: shares of the families of clients, by number.
    churn: whether nodes come and go; session_median_s, session_long_s, session_long_share: half of the sessions are
    shorter than the first, `session_long_share` longer than the second; unreachable: share of nodes behind a NAT that
    lets in only those just spoken to.
    loss: chance that a datagram is lost; delay_s: median one-way delay; jitter: sigma of the logarithm of a node's part
    of it.
    lookups: mean number of lookups in the window, keys in the zone; lookups_from_s, lookups_until_s: seconds after the
    start in which they begin (until 0: the whole window); inside: share of them whose requester is a node of the zone
    (None: the zone's share of all).
    keys: content of the zone that lookups are for; zipf: exponent of its popularity; keys_seed: windows of a zone that
    have the same share their keys (0: they share none), but for a share of `keys_new` that each has of its own.
    seed: of everything else random.
    """

    clients: Mapping[int, float]
    zone: Zone
    seed: int = 1
    nodes: int = 2_000_000
    start_ns: int = 1_700_000_000 * 10**9
    duration_s: float = 21_600.0
    warm_up_s: float = 3_600.0
    churn: bool = True
    session_median_s: float = 200 * 60.0
    session_long_s: float = 9_000 * 60.0
    session_long_share: float = 0.03
    unreachable: float = 1 / 3
    loss: float = 0.01
    delay_s: float = 0.05
    jitter: float = 0.5
    lookups: float = 25_000.0
    lookups_from_s: float = 0.0
    lookups_until_s: float = 0.0
    inside: float | None = None
    keys: int = 0
    zipf: float = 0.6
    keys_seed: int = 0
    keys_new: float = 0.0

    def __post_init__(self) -> None:
        if not all(0 <= share <= 1 for share in self._shares()):
            raise SimSettingsError("shares must lie between 0 and 1")
        if self.nodes < 2 or self.duration_s <= 0 or self.warm_up_s < 0 or self.delay_s <= 0 or self.lookups < 0:
            raise SimSettingsError("nodes, duration_s and delay_s must be positive, warm_up_s and lookups not negative")
        if self.keys < 0 or self.zipf < 0:
            raise SimSettingsError("keys and zipf must not be negative")
        if not self.clients or min(self.clients.values()) < 0 or sum(self.clients.values()) <= 0:
            raise SimSettingsError("clients: some family must have a share, none a negative one")
        if not 0 < self.session_median_s < self.session_long_s or not 0 < self.session_long_share < 0.5:
            raise SimSettingsError(
                "sessions: the median must be positive and less than the long session, rarer than half"
            )

    def _shares(self) -> tuple[float, ...]:
        return self.unreachable, self.loss, self.session_long_share, self.inside or 0.0, self.keys_new


@dataclass(frozen=True, slots=True, kw_only=True)
class SimSettings(NetworkSettings):
    """A Mainline network.

    introduced: begin with tables of the twelve nearest and twelve others, as the lab's real nodes do, instead of those
    of a network long at work; announces: share of lookups that end in announce_peer; noise: share simulated of the
    queries by which nodes ask others' monitors whether they live (1 = all of them). Without `keys` each lookup is for
    one of its own.
    """

    clients: Mapping[int, float] = field(default_factory=lambda: dict(CLIENT_MIX))
    zone: Zone = field(default_factory=lambda: Zone.parse("a4/8"))
    introduced: bool = False
    announces: float = 0.4
    noise: float = 0.02

    def _shares(self) -> tuple[float, ...]:
        return *NetworkSettings._shares(self), self.announces, self.noise
