"""The simulated network of each DHT, behind one face."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from montra.overlays import base as overlays
from montra.simulator import truth as mainline_truth
from montra.simulator.drive import Network
from montra.simulator.kad import truth as kad_truth
from montra.simulator.kad.network import KadNetwork
from montra.simulator.kad.settings import KadSettings
from montra.simulator.network import SimNetwork
from montra.simulator.population import Nodes
from montra.simulator.settings import NetworkSettings, SimSettings
from montra.validation.truth import Truth
from zone_store.keyspace.zone import Zone


class Simulated(Network, Protocol):
    """A simulated network. nodes: all sessions ever of the zone; bootstrap: (ip, port) of nodes that never leave."""

    bootstrap: list[tuple[int, int]]

    @property
    def nodes(self) -> Nodes:
        """All sessions."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """A network and what is known of it: the truth about a window (begin_ns, end_ns), names of families of clients."""

    settings: NetworkSettings
    network: Simulated
    truth: Callable[[int, int], Truth]
    family_name: Callable[[int], str]


def make(overlay: str, **settings: Any) -> World:
    """Make a network by settings of SimSettings or KadSettings; raises SimSettingsError, and KeyError (overlay)."""
    return _MAKERS[overlay](**settings)


def zone_of(overlay: str, text: str) -> Zone:
    """Return a zone of a DHT's IDs; raises ZoneError."""
    return Zone.parse(text, overlays.load(overlay).id_bytes * 8)


def usual_nodes(overlay: str) -> int:
    """Return how many live nodes a simulated network has where nobody says."""
    return _SETTINGS[overlay]().nodes


def _mainline(**given: Any) -> World:
    settings = SimSettings(**given)
    network = SimNetwork(settings)

    def truth(begin_ns: int, end_ns: int) -> Truth:
        return mainline_truth.truth_of(
            network.nodes, network.lookups, zone=str(settings.zone), begin_ns=begin_ns, end_ns=end_ns
        )

    return World(settings, network, truth, mainline_truth.family_name)


def _kad(**given: Any) -> World:
    settings = KadSettings(**given)
    network = KadNetwork(settings)

    def truth(begin_ns: int, end_ns: int) -> Truth:
        return kad_truth.truth_of(
            network.nodes, network.lookups, zone=str(settings.zone), begin_ns=begin_ns, end_ns=end_ns
        )

    return World(settings, network, truth, kad_truth.family_name)


_SETTINGS: dict[str, Callable[[], NetworkSettings]] = {"mainline": SimSettings, "kad": KadSettings}
_MAKERS: dict[str, Callable[..., World]] = {"mainline": _mainline, "kad": _kad}
