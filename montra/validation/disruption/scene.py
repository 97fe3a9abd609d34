"""One network with real clients in a namespace of its own, searched in once: without monitors or beside a window.

Every policy gets a fresh network, so that nothing that clients remember of monitors carries over.
"""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from montra.datagrams import ip_number
from montra.lab.clients.client import PORT, Client
from montra.lab.clients.drivers import Libtorrent, Webtorrent
from montra.lab.clients.namespace import Namespace, namespace
from montra.lab.clients.programs import Aria2, RTorrent, Transmission
from montra.lab.clients.wire import Packet, Wire
from montra.lab.events import NodeUp
from montra.lab.mixed.monitoring import Monitoring
from montra.lab.process import LabProcess
from montra.lab.settings import LabError, LabSettings
from montra.validation.disruption.measures import ROUND_S, Endpoint, Search, nearest, search_of
from montra.validation.disruption.strays import Strays, strays
from montra.validation.disruption.summary import NONE

#: Clients by name.
KINDS: dict[str, type[Client]] = {kind.name: kind for kind in (Libtorrent, Transmission, Aria2, RTorrent, Webtorrent)}
#: How many of the closest nodes each announces to; those not named, eight (BEP 5).
ANNOUNCES_TO = {"rtorrent": 3}
CLOSEST = 8
#: Where monitors speak from, each in a /24 of its own, and the crawler.
MONITORS = "10.100.0.0/17"
CRAWLER = "10.99.0.1:20880"
_SUBNET = "10.10"
_PUBLISHER = "10.240.1.1"
_ROUTER = f"{_SUBNET}.1.1"
_CONVERGE_S, _READY_S, _VISIBLE_S = 120.0, 40.0, 90.0
#: A fleet that has not grown for so long is whole.
_STEADY_S = 15.0
_POLL_S = 0.2
_PUBLISH_S = 3.0


@dataclass(frozen=True, slots=True)
class Setting:
    """clients: names of KINDS; nodes: libtorrent nodes around them; trials: searches of each client, gap_s apart;
    patience_s: how long the last may take to announce, after which the wire is watched for tail_s more; settle_s: how
    long clients look for their neighbours first; config: of the window, without bootstrap, zone and replies.
    """

    clients: Sequence[str]
    nodes: int
    trials: int
    seed: int
    gap_s: float
    patience_s: float
    out: Path
    config: Mapping[str, object]
    settle_s: float = 20.0
    tail_s: float = ROUND_S + 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """searches: by client; strays: monitors in tables of others; dropped: packets that the wire missed."""

    searches: dict[str, list[Search]]
    strays: Strays
    visible: int
    dropped: int


class _Stage:
    """A running network: lab, clients, publisher."""

    def __init__(self, inside: Namespace, setting: Setting, folder: Path, stack: ExitStack) -> None:
        self.node_ids: dict[Endpoint, bytes] = {}
        self.wire = stack.enter_context(Wire(inside))
        settings = LabSettings(
            out=str(folder / "lab"),
            nodes=setting.nodes,
            zone="0/0",
            zone_share=1.0,
            subnet=_SUBNET,
            port=PORT,
            seed=setting.seed,
            converge_timeout_s=_CONVERGE_S,
        )
        self.lab = stack.enter_context(LabProcess(settings, inside.command()))
        wait_for(self._converged, _CONVERGE_S, "the lab does not converge")
        ready = self.lab.ready
        if ready is None:
            raise LabError("the lab has no nodes")
        self.entries = ready.bootstrap
        self.clients: dict[str, Client] = {}
        places = [(name, f"10.{201 + i}.1.1") for i, name in enumerate(setting.clients)]
        for name, ip in [*places, ("", _PUBLISHER)]:
            kind = KINDS[name] if name else Libtorrent
            client = kind(inside, ip, folder / (name or "publisher"), self.entries)
            stack.callback(client.stop)
            self.clients[name] = client
        self.publisher = self.clients.pop("")
        everybody = [*self.clients.values(), self.publisher]
        wait_for(lambda: all(client.ready() for client in everybody), _READY_S, "the clients do not take orders")
        time.sleep(setting.settle_s)

    def _converged(self) -> bool:
        for event in self.lab.poll():
            if isinstance(event, NodeUp):
                self.node_ids[ip_number(event.ip), event.port] = bytes.fromhex(event.id)
        return self.lab.converged is not None

    def own_id(self, client: Client) -> bytes:
        """Return the ID that a client's packets carried last, b"" if it sent none."""
        source = _endpoint(client)
        for packet in reversed(self.wire.packets):
            at = packet.payload.find(b"2:id20:")
            if at >= 0 and (packet.source_ip, packet.source_port) == source:
                return packet.payload[at + 7 : at + 27]
        return b""


def play(setting: Setting, policy: str, say: Callable[[str], None]) -> Outcome:
    """Search in a fresh network, with monitors that reply by `policy` or without any; raises LabError."""
    folder = setting.out / policy
    with ExitStack() as stack:
        inside = stack.enter_context(namespace(f"montra-disrupt-{os.getpid()}", router=_ROUTER))
        stage = _Stage(inside, setting, folder, stack)
        say(f"{policy}: {setting.nodes} nodes know each other, {', '.join(stage.clients)} are in")
        keys = _keys(stage, setting)
        for of_client in keys.values():
            for key in of_client:
                stage.publisher.search(key)
        time.sleep(_PUBLISH_S)
        monitors: dict[int, tuple[bytes, Endpoint]] = {}
        if policy != NONE:
            monitors = _monitor(stage, setting, policy, inside, folder, stack)
            say(f"{policy}: {len(monitors)} monitors are handed out")
        begin = len(stage.wire.packets)
        _search(stage, setting, keys)
        stage.wire.close()
        packets = stage.wire.packets[begin:]
        held = dict.fromkeys(stage.node_ids, "libtorrent")
        held |= {_endpoint(client): name for name, client in stage.clients.items()}
        return Outcome(
            _measure(stage, keys, packets, frozenset(monitors)),
            strays(packets, monitors, held),
            len(monitors),
            stage.wire.dropped,
        )


def wait_for(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Wait until a condition holds; raises LabError with `otherwise` if it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise LabError(otherwise)
        time.sleep(_POLL_S)


def wanted_of(client: str) -> int:
    """Return how many of the closest nodes a client announces to."""
    return ANNOUNCES_TO.get(client, CLOSEST)


def _keys(stage: _Stage, setting: Setting) -> dict[str, list[bytes]]:
    """Draw keys whose closest nodes are all the lab's: no other program under test takes a place among them."""
    rng = random.Random(f"{setting.seed} keys")
    others = [*stage.clients.values(), stage.publisher]
    everybody = stage.node_ids | {_endpoint(client): stage.own_id(client) for client in others}
    everybody = {endpoint: node_id for endpoint, node_id in everybody.items() if node_id}
    keys: dict[str, list[bytes]] = {name: [] for name in stage.clients}
    for drawn in keys.values():
        while len(drawn) < setting.trials:
            key = rng.randbytes(20)
            if all(endpoint in stage.node_ids for endpoint in nearest(everybody, key, CLOSEST)):
                drawn.append(key)
    return keys


def _monitor(
    stage: _Stage, setting: Setting, policy: str, inside: Namespace, folder: Path, stack: ExitStack
) -> dict[int, tuple[bytes, Endpoint]]:
    """Start a window; return ID and target of the monitor at each IP once nearly all are visible."""
    bootstrap = [f"{ip}:{port}" for ip, port in stage.entries]
    config = {**setting.config, "bootstrap": bootstrap, "zone": "0/0", "replies": {"mode": policy}}
    monitoring = Monitoring(inside, folder, config)
    stack.callback(monitoring.kill)
    expected = len(stage.node_ids) + len(stage.clients) + 1
    end = time.monotonic() + _VISIBLE_S
    visible, since = 0, time.monotonic()
    while time.monotonic() < end:
        monitoring.check()
        now = sum(bool(a.visible) for a in monitoring.attachments() if a.monitor_ip)
        if now != visible:
            visible, since = now, time.monotonic()
        if visible >= expected or (visible and time.monotonic() > since + _STEADY_S):  # a thin fleet has fewer
            break
        time.sleep(1.0)
    attached = [a for a in monitoring.attachments() if a.monitor_ip]
    if not attached:
        raise LabError("no monitor found its target")
    return {a.monitor_ip: (a.monitor_id, (a.target_ip, a.target_port)) for a in attached}


def _search(stage: _Stage, setting: Setting, keys: Mapping[str, Sequence[bytes]]) -> None:
    """Give all orders, then watch until each search has announced, or for as long as one may take."""
    for trial in range(setting.trials):
        for name, client in stage.clients.items():
            client.search(keys[name][trial])
        time.sleep(setting.gap_s)
    # the publisher announces the same keys again, so who announces counts too
    sources = {_endpoint(client): set(keys[name]) for name, client in stage.clients.items()}
    end = time.monotonic() + setting.patience_s
    at = 0
    while any(sources.values()) and time.monotonic() < end:
        packets = stage.wire.packets[at:]
        at += len(packets)
        for packet in packets:
            waiting = sources.get((packet.source_ip, packet.source_port))
            if waiting and b"1:q13:announce_peer" in packet.payload:
                begin = packet.payload.find(b"9:info_hash20:") + 14
                waiting.discard(packet.payload[begin : begin + 20])
        time.sleep(_POLL_S)
    time.sleep(setting.tail_s)


def _measure(
    stage: _Stage, keys: Mapping[str, Sequence[bytes]], packets: Sequence[Packet], monitors: frozenset[int]
) -> dict[str, list[Search]]:
    of_client: defaultdict[Endpoint, list[Packet]] = defaultdict(list)
    for packet in packets:
        of_client[packet.source_ip, packet.source_port].append(packet)
        of_client[packet.ip, packet.port].append(packet)
    searches: dict[str, list[Search]] = {}
    for name, client in stage.clients.items():
        me = _endpoint(client)
        found = [
            search_of(of_client[me], me, key, nearest(stage.node_ids, key, wanted_of(name)), stage.node_ids, monitors)
            for key in keys[name]
        ]
        searches[name] = [search for search in found if search is not None]
    return searches


def _endpoint(client: Client) -> Endpoint:
    ip, port = client.address
    return ip_number(ip), port
