"""All nodes together: started, made to know each other, measured, replaced when they leave."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Set

from montra.lab.events import EventLog, NodeDown, NodeUp, Received, Sent
from montra.lab.node import LabNode
from montra.lab.population import Placement, closest

#: A node counts as settled when it knows this many of its true neighbours: libtorrent's bucket size and lookup width.
NEIGHBOURS = 8
#: Contacts each node is given at the start: its true neighbours and some more, and random others. Two full buckets'
#: worth, as a node that has been up for a while has.
NEAR_CONTACTS = 12
RANDOM_CONTACTS = 12
#: Contacts that an arriving node remembers from its last session.
REMEMBERED_CONTACTS = 12
#: Own-ID lookups keep this many bytes of the ID, as libtorrent's own bootstrap does.
OWN_PREFIX_BYTES = 16
_TABLE_TIMEOUT_S = 5.0


class Network:
    """The live nodes by index. `pause(seconds)` is the caller's way to let time pass, and may raise to end it all."""

    def __init__(self, rng: random.Random, log: EventLog, pause: Callable[[float], None]) -> None:
        self.live: dict[int, LabNode] = {}
        self.started: dict[int, float] = {}
        self._rng = rng
        self._log = log
        self._pause = pause
        self._next_index = 0
        self._logging = False

    def add(self, place: Placement, known: Iterable[tuple[str, int]] = ()) -> int:
        """Start a node, log it as up and return its index."""
        index = self._next_index
        self._next_index += 1
        self.live[index] = LabNode(index, place, known, self._logging)
        self.started[index] = time.monotonic()
        up = NodeUp(t_ns=time.time_ns(), index=index, id=place.node_id.hex(), ip=place.ip, port=place.port)
        self._log.write(up)
        return index

    def remove(self, index: int) -> Placement:
        """Stop a node, log it as down and return where it was."""
        node = self.live.pop(index)
        del self.started[index]
        place = node.place
        node.close()
        down = NodeDown(t_ns=time.time_ns(), index=index, id=place.node_id.hex(), ip=place.ip, port=place.port)
        self._log.write(down)
        return place

    def replace(self, index: int, place: Placement) -> int:
        """Stop a node and start another, which remembers some of the live ones; return the new index."""
        self.remove(index)
        known = self._rng.sample(sorted(self.live), min(REMEMBERED_CONTACTS, len(self.live)))
        return self.add(place, [(self.live[i].place.ip, self.live[i].place.port) for i in known])

    def introduce(self, indices: Iterable[int]) -> None:
        """Give these nodes their true neighbours and some random others as contacts.

        Nodes that only bootstrap need a minute or more to find each other: most of it is spent waiting out libtorrent's
        15 s timeout for nodes that were not up yet. With everybody up, one round of contacts settles all tables.
        """
        by_number = {node.place.number: node for node in self.live.values()}
        for index in indices:
            node = self.live[index]
            near = closest(by_number.keys(), node.place.number, NEAR_CONTACTS + 1)
            others = self._rng.sample(sorted(by_number), min(RANDOM_CONTACTS, len(by_number)))
            for number in dict.fromkeys(near + others):
                if number != node.place.number:
                    node.meet(by_number[number].place.ip, by_number[number].place.port)

    def look_around(self, index: int, own: bool) -> None:
        """Let a node look up its own neighbourhood, or a place anywhere among the nodes, as clients do all the time."""
        centre = index if own else self._rng.choice(sorted(self.live))
        prefix = self.live[centre].place.node_id[:OWN_PREFIX_BYTES]
        self.live[index].look_up(prefix + self._rng.randbytes(20 - OWN_PREFIX_BYTES))

    def recall(self) -> dict[int, float]:
        """Measure, for each live node, which share of its true neighbours its routing table holds."""
        for node in self.live.values():
            node.ask_table()
        end = time.monotonic() + _TABLE_TIMEOUT_S
        while time.monotonic() < end and any(node.table is None for node in self.live.values()):
            self._pause(0.05)
        by_number = {node.place.number: node for node in self.live.values()}
        shares = {}
        for node in self.live.values():
            true = closest(by_number.keys(), node.place.number, NEIGHBOURS + 1)
            true = [number for number in true if number != node.place.number][:NEIGHBOURS]
            known = node.table or set()
            shares[node.index] = sum(by_number[number].place.node_id in known for number in true) / len(true)
        return shares

    def set_logging(self, on: bool) -> None:
        """Log the packets of all nodes, present and to come, or not."""
        self._logging = on
        for node in self.live.values():
            node.set_logging(on)

    def drain(self, keys: Set[bytes]) -> None:
        """Read all nodes' logs and write what concerns the keys; raises AlertsLostError."""
        for node in self.live.values():
            packets = node.drain(keys)
            t_ns = time.time_ns()
            for packet in packets:
                event = Sent if packet.sent else Received
                key = packet.key.hex()
                self._log.write(
                    event(t_ns=t_ns, index=node.index, ip=packet.ip, port=packet.port, key=key, method=packet.method)
                )

    def close(self) -> None:
        """Stop all nodes."""
        for index in list(self.live):
            self.live.pop(index).close()
