"""One real DHT node: a libtorrent session of its own, with a chosen ID, on a chosen address."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Set
from typing import Any, TypeVar

import libtorrent as lt

from montra.lab.packets import Packet, direction, wanted
from montra.lab.population import Placement
from montra.lab.settings import LabError

T = TypeVar("T")

LIBTORRENT_VERSION = str(lt.__version__)
#: Alerts a node may log between two reads. A node sees a few packets a second, but each brings about ten log lines.
ALERT_QUEUE = 20_000
#: libtorrent's announce flag "as a seed".
_SEED = 1
#: The TCP port announced; nobody ever connects.
_ANNOUNCED_PORT = 6881

_QUIET = lt.alert.category_t.dht_notification
_LOGGING = lt.alert.category_t.dht_notification | lt.alert.category_t.dht_log_notification
# All that is not the DHT is off. What shapes the DHT's own behaviour stays at libtorrent's defaults, so that the nodes
# behave as those outside do.
_BASE: lt.settings_pack = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_tcp": False,
    "enable_outgoing_tcp": False,
    "dht_bootstrap_nodes": "",
    "aio_threads": 0,
    "hashing_threads": 0,
    "alert_queue_size": ALERT_QUEUE,
}


class AlertsLostError(Exception):
    """The log of node `index` overflowed, or cannot be read, so packets are missing from the truth."""

    def __init__(self, index: int, what: str = "overflowed") -> None:
        super().__init__(f"the log of node {index} {what}")
        self.index = index


class LabNode:
    """A running node. `known` are addresses saved by its last session: it bootstraps from them.

    Raises LabError when its address is taken.
    """

    def __init__(self, index: int, place: Placement, known: Iterable[tuple[str, int]], logging: bool) -> None:
        self.index = index
        self.place = place
        #: IDs in the live routing table, as of the last answer to `ask_table`; None while it is awaited.
        self.table: set[bytes] | None = None
        _require_free(place)
        mask = _LOGGING if logging else _QUIET
        settings: lt.settings_pack = {**_BASE, "listen_interfaces": f"{place.ip}:{place.port}", "alert_mask": mask}
        self._session = lt.session(settings)
        # The ID can only be chosen through the saved state, and only before the DHT starts; read_session_params, which
        # replaces load_state, loses it.
        saved: Any = {
            b"dht state": {
                b"node-id": [place.node_id + socket.inet_aton(place.ip)],
                b"nodes": [socket.inet_aton(ip) + port.to_bytes(2, "big") for ip, port in known],
            }
        }
        self._session.load_state(saved)
        self._session.apply_settings({"enable_dht": True})

    def meet(self, ip: str, port: int) -> None:
        """Ask this node for contacts, and take it into the table when it answers (what BEP 5's PORT message does)."""
        self._session.add_dht_node((ip, port))

    def look_up(self, key: bytes) -> None:
        """Start a get_peers lookup."""
        self._session.dht_get_peers(lt.sha1_hash(key))

    def announce(self, key: bytes, seed: bool) -> None:
        """Start a get_peers lookup that ends in announce_peer."""
        self._session.dht_announce(lt.sha1_hash(key), _ANNOUNCED_PORT, _SEED if seed else 0)

    def set_logging(self, on: bool) -> None:
        """Log packets, or not: the log costs CPU."""
        self._session.apply_settings({"alert_mask": _LOGGING if on else _QUIET})

    def ask_table(self) -> None:
        """Ask for the live routing table; `table` has it after one of the next calls of `drain`."""
        self.table = None
        self._session.dht_live_nodes(lt.sha1_hash(self.place.node_id))

    def drain(self, keys: Set[bytes]) -> list[Packet]:
        """Return the queries for one of `keys` logged since the last call; raises AlertsLostError."""
        return [Packet(*end, *found) for end, found in self.read(lambda payload: wanted(payload, keys))]

    def read(self, reader: Callable[[bytes], T | None]) -> list[tuple[tuple[bool, str, int], T]]:
        """Return what `reader` makes of each packet logged since the last call, but for None.

        With each goes (sent, ip, port): whether the node sent it, and to whom, or got it from whom. Raises
        AlertsLostError.
        """
        packets = []
        for alert in self._session.pop_alerts():
            if isinstance(alert, lt.dht_pkt_alert):
                found = reader(alert.pkt_buf)
                if found is None:
                    continue
                end = direction(alert.message())
                if end is None:
                    raise AlertsLostError(self.index, "holds a packet of unknown form")
                packets.append((end, found))
            elif isinstance(alert, lt.dht_live_nodes_alert):
                self.table = {bytes.fromhex(str(node["nid"])) for node in alert.nodes}
            elif isinstance(alert, lt.alerts_dropped_alert):
                raise AlertsLostError(self.index)
        return packets

    def close(self) -> None:
        """Fall silent at once, without a goodbye (the DHT has none)."""
        del self._session


def _require_free(place: Placement) -> None:
    # libtorrent would go on without a socket, or share the port with another lab's node
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((place.ip, place.port))
        except OSError as error:
            raise LabError(f"cannot use {place.ip}:{place.port} ({error.strerror}): is another lab running?") from error
