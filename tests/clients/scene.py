"""One scene that all tests of real clients look at: a network, the clients in it, a window on it, searches, the end.

The network is a small lab of libtorrent nodes; the zone is the whole ID space, so the clients are in it whatever their
IDs. What the tests compare the sealed run with comes from elsewhere: from the lab's log, which knows its nodes' IDs,
and from the packets on the wire.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import bencodepy
import numpy as np
import tomli_w

from montra.datagrams import ip_number
from montra.lab.clients.client import PORT, Client
from montra.lab.clients.namespace import Namespace
from montra.lab.clients.wire import Packet, Wire
from montra.lab.events import NodeUp
from montra.lab.process import LabProcess
from montra.lab.settings import LabSettings
from montra.window import shipped
from montra.window.analyze import attribute_run
from zone_store.captures import Attachment, Captures, Lookups
from zone_store.run.folder import Manifest, RunError
from zone_store.run.reader import RunReader

NODES = 32
KEYS_PER_CLIENT = 4
CRAWLER = "10.99.0.1"
MONITORS = "10.100.0.0/17"
#: How long each act may take; all are over sooner when all goes well. What did not happen by then, the tests report.
CONVERGE_S, READY_S, VISIBLE_S, SEARCH_S = 60.0, 20.0, 60.0, 60.0

Endpoint = tuple[int, int]


@dataclass(frozen=True)
class Evidence:
    """What is known when the scene is over.

    clients: by program, each with the keys it was told to search for in `keys`; node_ids: the true ID of each node and
    client by its address; packets: all on the wire; dropped: packets that the wire missed; the rest is the sealed run.
    """

    clients: dict[str, Client]
    keys: dict[str, list[bytes]]
    node_ids: dict[Endpoint, bytes]
    packets: list[Packet]
    dropped: int
    manifest: Manifest
    attachments: list[Attachment]
    captures: Captures
    lookups: Lookups

    def attachments_at(self, endpoint: Endpoint) -> list[Attachment]:
        """Return the attachments of the target at this address."""
        return [a for a in self.attachments if (a.target_ip, a.target_port) == endpoint]


class Monitoring:
    """`montra monitor` as a process in the namespace."""

    def __init__(self, inside: Namespace, folder: Path, bootstrap: Sequence[str]) -> None:
        self._runs = folder / "runs"
        config = tomllib.loads(shipped.text("lab"))
        # nobody is spoken to but targets: what is asserted here is what a window needs at least
        config |= {"zone": "0/0", "bootstrap": list(bootstrap), "replies": {"mode": "paper"}}
        config["addresses"] |= {"crawler": f"{CRAWLER}:20880", "monitors": [MONITORS]}
        config["storage"]["runs"] = str(self._runs)
        del config["canaries"]  # at addresses of another network
        path = folder / "window.toml"
        path.write_text(tomli_w.dumps(config))
        with (folder / "monitor.out").open("wb") as out:
            self._process = subprocess.Popen(
                inside.command(sys.executable, "-m", "montra.cli.main", "monitor", "-c", str(path)),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    @property
    def run(self) -> Path:
        """The run folder."""
        (run,) = self._runs.iterdir()
        return run

    def attachments(self) -> list[Attachment]:
        """Return the attachments as far as they are stored."""
        try:
            with RunReader(self.run) as reader:
                return reader.attachments()
        except (RunError, OSError, ValueError):  # it has only just begun
            return []

    def end(self) -> int:
        """End the window and return the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def play(inside: Namespace, folder: Path, kinds: Sequence[type[Client]]) -> Evidence:
    """Play the scene with these clients."""
    with ExitStack() as stack:
        wire = stack.enter_context(Wire(inside))
        settings = LabSettings(
            out=str(folder / "lab"), nodes=NODES, zone="0/0", zone_share=1.0, subnet="10.10", port=PORT, max_life_s=600
        )
        lab = stack.enter_context(LabProcess(settings, inside.command()))
        node_ids: dict[Endpoint, bytes] = {}

        def converged() -> bool:
            for event in lab.poll():
                if isinstance(event, NodeUp):
                    node_ids[ip_number(event.ip), event.port] = bytes.fromhex(event.id)
            return lab.converged is not None

        assert wait_for(converged, CONVERGE_S), "the lab does not converge"
        assert lab.ready is not None
        clients = stack.enter_context(_started(inside, folder, kinds, lab.ready.bootstrap))
        monitoring = Monitoring(inside, folder, [f"{ip}:{port}" for ip, port in lab.ready.bootstrap])
        stack.callback(monitoring.end)

        wait_for(lambda: sum(bool(a.visible) for a in monitoring.attachments()) == NODES + len(clients), VISIBLE_S)
        for client in clients.values():
            node_ids[endpoint(client)] = _own_id(list(wire.packets), endpoint(client))
        keys = _draw_keys(clients, node_ids)
        for program, client in clients.items():
            for key in keys[program]:
                client.search(key)
        beside = {(a.target_ip, a.target_port): (a.monitor_ip, a.monitor_port) for a in monitoring.attachments()}
        wanted = {
            key: (endpoint(clients[program]), beside.get(nearest(node_ids, key), (0, 0)))
            for program, drawn in keys.items()
            for key in drawn
        }
        wait_for(lambda: _all_reached(list(wire.packets), wanted), SEARCH_S)
        assert monitoring.end() == 130, (folder / "monitor.out").read_text()
        run = monitoring.run
    attribute_run(run)
    with RunReader(run) as reader:
        return Evidence(
            clients,
            keys,
            node_ids,
            wire.packets,
            wire.dropped,
            reader.manifest,
            reader.attachments(),
            Captures.concat(list(reader.captures()), reader.manifest.id_bytes),
            _concat(list(reader.lookups())),
        )


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition holds; tell whether it did in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def endpoint(client: Client) -> Endpoint:
    """Return a client's address as numbers."""
    ip, port = client.address
    return ip_number(ip), port


def nearest(node_ids: dict[Endpoint, bytes], key: bytes) -> Endpoint:
    """Return the address of the node whose ID is nearest to a key."""
    number = int.from_bytes(key, "big")
    return min(node_ids, key=lambda address: int.from_bytes(node_ids[address], "big") ^ number)


@contextmanager
def _started(
    inside: Namespace, folder: Path, kinds: Sequence[type[Client]], entries: list[tuple[str, int]]
) -> Iterator[dict[str, Client]]:
    """Start one client of each kind, wait until all take orders, and stop them in the end."""
    with ExitStack() as stack:
        clients: dict[str, Client] = {}
        for i, kind in enumerate(kinds):
            client = kind(inside, f"10.{201 + i}.1.1", folder / kind.program, entries)
            stack.callback(client.stop)
            clients[kind.program] = client
        for program, client in clients.items():
            assert _takes_orders(client), f"{program}: {(folder / program / 'out').read_text(errors='replace')}"
        yield clients


def _takes_orders(client: Client) -> bool:
    """Wait until a client can be told to search; tell whether it came to that."""
    return wait_for(lambda: client.ready() or not client.running(), READY_S) and client.running()


def _own_id(packets: list[Packet], address: Endpoint) -> bytes:
    """Return the ID that a client's own packets carry."""
    ids = set()
    for packet in packets:
        if (packet.source_ip, packet.source_port) == address:
            message = bencodepy.bdecode(packet.payload)
            values = message.get(b"a") or message.get(b"r") or {}
            ids |= {values[b"id"]} if b"id" in values else set()
    (own,) = ids
    return bytes(own)


def _draw_keys(clients: dict[str, Client], node_ids: dict[Endpoint, bytes]) -> dict[str, list[bytes]]:
    """Draw keys, each nearest to a node of the lab: no lookup is to end at the client that makes it."""
    rng = random.Random(2026)
    own = {endpoint(client) for client in clients.values()}
    keys: dict[str, list[bytes]] = {program: [] for program in clients}
    for drawn in keys.values():
        while len(drawn) < KEYS_PER_CLIENT:
            key = rng.randbytes(20)
            if nearest(node_ids, key) not in own:
                drawn.append(key)
    return keys


def _all_reached(packets: list[Packet], wanted: dict[bytes, tuple[Endpoint, Endpoint]]) -> bool:
    """Tell whether each search has come to its end, and one went on to announce.

    wanted: for each key, the client that searches for it and the monitor beside the nearest node.
    """
    searches = [(packet, key) for packet in packets for key in wanted if key in packet.payload]
    reached = {key for p, key in searches if ((p.source_ip, p.source_port), (p.ip, p.port)) == wanted[key]}
    return reached == wanted.keys() and any(is_announce(packet.payload) for packet, _ in searches)


def is_announce(payload: bytes) -> bool:
    """Tell whether this is an announce_peer query."""
    return b"1:q13:announce_peer" in payload


def _concat(parts: list[Lookups]) -> Lookups:
    return Lookups(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Lookups)))
