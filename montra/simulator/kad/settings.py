"""What a simulated Kad network is asked to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from montra.simulator.settings import NetworkSettings, SimSettingsError
from zone_store.keyspace.zone import Zone

ID_BITS = 128


class Family(IntEnum):
    """Families of clients; the numbers of the column `client`."""

    EMULE = 0
    AMULE = 1
    AMULE_NEXT = 2


class Purpose(IntEnum):
    """What a lookup is for: the searches of the client (aMule, Search.h)."""

    KEYWORD = 0
    SOURCE = 1
    STORE_KEYWORD = 2
    STORE_SOURCE = 3
    STORE_NOTES = 4
    OWN_ID = 5
    NEARBY = 6


#: Kad versions that the families name: 0.50 of eMule, 0.49b of aMule (`KADEMLIA_VERSION`).
VERSIONS: Mapping[int, int] = {Family.EMULE: 9, Family.AMULE: 8, Family.AMULE_NEXT: 8}
#: Assumed: nobody publishes shares of clients; aMule's development version, which asks five at once, is rare.
CLIENT_MIX: Mapping[int, float] = {Family.EMULE: 0.75, Family.AMULE: 0.23, Family.AMULE_NEXT: 0.02}
#: Assumed shares of what users' lookups are for. Files are republished five times as often as keywords.
PURPOSE_MIX: Mapping[int, float] = {
    Purpose.KEYWORD: 0.15,
    Purpose.SOURCE: 0.25,
    Purpose.STORE_KEYWORD: 0.15,
    Purpose.STORE_SOURCE: 0.42,
    Purpose.STORE_NOTES: 0.03,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KadSettings(NetworkSettings):
    """A Kad network.

    unreachable: share of nodes that know their UDP to be firewalled, so that nobody takes them into a table [assumed];
    tcp_firewalled: share of the others that no TCP reaches.
    introduced: random contacts that each node begins with beside its neighbours, as in a lab; 0 = tables of a network
    long at work.
    purposes: shares of what users' lookups are for; keys: keywords and files of the zone, so many each;
    popular: share of searches that each node answers with a hundred results,
    so that they end early.
    maintenance: share simulated of nodes' lookups of their own IDs and of random ones near them (1 = all of them).
    """

    clients: Mapping[int, float] = field(default_factory=lambda: dict(CLIENT_MIX))
    zone: Zone = field(default_factory=lambda: Zone.parse("a4/8", ID_BITS))
    nodes: int = 400_000
    # contacts that fell silent stay for up to two hours, so two hours make a settled table
    warm_up_s: float = 9_000.0
    unreachable: float = 0.25
    tcp_firewalled: float = 0.2
    introduced: int = 0
    purposes: Mapping[int, float] = field(default_factory=lambda: dict(PURPOSE_MIX))
    keys: int = 4_000
    popular: float = 0.1
    maintenance: float = 0.05

    def __post_init__(self) -> None:
        NetworkSettings.__post_init__(self)
        if self.zone.id_bits != ID_BITS or not self.zone.length:
            raise SimSettingsError(f"zone: IDs of Kad have {ID_BITS} bits, and a zone is a part of them")
        if self.keys < 1 or self.introduced < 0:
            raise SimSettingsError("keys must be positive, introduced not negative")
        if not self.purposes or min(self.purposes.values()) < 0 or not sum(self.purposes.values()):
            raise SimSettingsError("purposes: some must have a share, none a negative one")

    def _shares(self) -> tuple[float, ...]:
        return *NetworkSettings._shares(self), self.tcp_firewalled, self.popular, self.maintenance
