"""The swarm answers as the nodes of its tables would, and counts everything."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.common.compiler import compile_program
from bench.crawl import network, swarm_log
from bench.crawl.network import K, Network
from montra.datagrams import ip_text
from montra.overlays.mainline import bencode, messages
from zone_store.keyspace.ids import xor_distance
from zone_store.keyspace.zone import Zone

ZONE = Zone.parse("a4/6")
PORT = 22_100
SOURCE = Path(network.__file__).with_name("swarm.c")
OWN_ID = b"\x5c" * 20

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


class Swarm:
    """A running swarm and a socket to talk to it."""

    def __init__(self, net: Network, folder: Path) -> None:
        self.net = net
        self.log = folder / "log"
        net.write(folder / "network")
        command = [compile_program(SOURCE, folder), folder / "network", self.log, "-1"]
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.160.0.2", 0))
        self.socket.settimeout(2.0)

    def ask(self, node: int, query: bytes) -> bytes:
        """Send a query to a node and return the reply, which must come from its address."""
        ip, port = self.net.address(node)
        self.socket.sendto(query, (ip_text(ip), port))
        reply, source = self.socket.recvfrom(2048)
        assert source == (ip_text(ip), port)
        return reply

    def close(self) -> None:
        self.socket.close()
        with self.process:
            self.process.kill()

    def end(self) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        counts: dict[str, Any] = json.loads(self.process.stdout.readline())
        return counts


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Swarm]:
    made = Swarm(network.make(ZONE, 400, 40, 0.1, PORT, 3, np.random.default_rng(2)), tmp_path)
    try:
        yield made
    finally:
        made.close()


def expected(net: Network, node: int, target: bytes) -> list[tuple[bytes, int, int]]:
    """The K contacts of a node's table nearest to a target, the nearest first."""
    listed = [other for other in net.table[node].flatten().tolist() if other >= 0]
    listed.sort(key=lambda other: xor_distance(net.ids[other].tobytes(), target))
    return [(net.ids[other].tobytes(), *net.address(other)) for other in listed[:K]]


def test_find_node_names_the_nearest_of_the_table(swarm: Swarm) -> None:
    rng = np.random.default_rng(3)
    living = np.flatnonzero(swarm.net.alive)
    for node in rng.choice(living, 150).tolist():
        own = swarm.net.ids[node].tobytes()
        for target in (own, rng.bytes(20), own[:2] + rng.bytes(18), own[:19] + b"\0"):
            message = messages.parse(swarm.ask(node, messages.find_node(OWN_ID, target, b"abcd", read_only=True)))
            assert (message.type, message.transaction, message.sender_id) == ("reply", b"abcd", own)
            assert list(message.contacts) == expected(swarm.net, node, target)
    counts = swarm.end()
    assert counts["received"] == counts["answered"] == counts["find_node"] == 600


def test_get_peers_and_ping(swarm: Swarm) -> None:
    node = int(np.flatnonzero(swarm.net.alive)[7])
    key = swarm.net.ids[9].tobytes()
    query = {b"a": {b"id": OWN_ID, b"info_hash": key}, b"q": b"get_peers", b"t": b"xy", b"y": b"q"}
    reply = bencode.decode(swarm.ask(node, bencode.encode(query)))
    values = reply[b"r"]
    assert isinstance(values, dict)
    assert (len(values[b"nodes"]), values[b"token"], reply[b"t"]) == (208, b"swarmtok", b"xy")
    pong = messages.parse(swarm.ask(node, messages.ping(OWN_ID, b"1")))
    assert (pong.sender_id, pong.transaction, pong.contacts) == (swarm.net.ids[node].tobytes(), b"1", ())


def test_the_dead_the_strange_and_nobody_are_counted_and_not_answered(swarm: Swarm) -> None:
    net = swarm.net
    dead, living = int(np.flatnonzero(~net.alive)[0]), int(np.flatnonzero(net.alive)[0])
    query = messages.find_node(OWN_ID, OWN_ID, b"abcd")
    for node, data in ((dead, query), (dead, query), (living, query[:-1]), (living, b"d1:ai1e-6:"), (living, b"")):
        ip, port = net.address(node)
        swarm.socket.sendto(data, (ip_text(ip), port))
    ip, port = net.address(len(net))  # one beyond the last
    swarm.socket.sendto(query, (ip_text(ip), port))
    swarm.ask(living, query)  # so that all before has arrived
    counts = swarm.end()
    found = {name: counts[name] for name in ("received", "answered", "silent", "malformed", "foreign", "dropped")}
    assert found == {"received": 7, "answered": 1, "silent": 2, "malformed": 3, "foreign": 1, "dropped": 0}
    swarm.process.wait(5)
    assert sorted(swarm_log.read(swarm.log)["node"].tolist()) == sorted([dead, dead, living, living, living, living])
