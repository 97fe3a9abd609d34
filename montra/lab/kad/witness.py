"""Packets of a lab in the clear: no daemon's word and none of montra's, but what went over the wire.

Kad's obfuscation hides nothing from who knows the receiver's KadID and what its verify keys are made of, and the lab
gave each node both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from montra.datagrams import ip_number
from montra.lab.clients.wire import Packet
from montra.lab.kad.pcap import read_packets
from montra.lab.kad.record import PACKETS_NAME, KadRecord
from montra.lab.kad.sightings import Sighting, sighting
from montra.overlays.kad.frames import unpacked
from montra.overlays.kad.ids import to_wire, verify_key
from montra.overlays.kad.messages import read_hello
from montra.overlays.kad.obfuscation import is_plain, reveal_wire
from montra.overlays.kad.opcodes import Op
from montra.overlays.kad.reader import KadError

#: Longest packet in the clear; the longest that amuled makes are some 20 KB (50 files under a keyword).
_MOST_BYTES = 1 << 16


class Seen(NamedTuple):
    """A packet in the clear. Addresses are host-order integers; said: what matters of it for lookups, None if nothing
    does.
    """

    t_ns: int
    source_ip: int
    source_port: int
    ip: int
    port: int
    opcode: int
    said: Sighting | None


class Witness:
    """Reads the packets of a lab's folder once. unreadable: packets to real nodes that could not be read.

    Packets to others, such as monitors, are read as far as they are obfuscated by an ID that its owner told a node.
    """

    def __init__(self, folder: Path, record: KadRecord) -> None:
        self.unreadable = 0
        self._path = folder / PACKETS_NAME
        self._nodes = {ip_number(node.ip): node for node in record.nodes}
        self._ids = {ip: to_wire(node.node_id) for ip, node in self._nodes.items()}
        self._keys: dict[tuple[int, int], int] = {}
        self._told: defaultdict[tuple[int, int], list[bytes]] = defaultdict(list)

    def read(self) -> Iterator[Seen]:
        """Yield all packets that can be read, in the order they were seen; raises LabError for a damaged file."""
        for packet in read_packets(self._path):
            try:
                plain = self._clear(packet)
                if plain[1] == Op.HELLO_REQ and packet.source_ip not in self._nodes:
                    self._learn(packet, plain)
                yield Seen(*packet[:5], plain[1], sighting(plain[1], plain))
            except KadError:
                self.unreadable += packet.ip in self._nodes

    def _clear(self, packet: Packet) -> bytes:
        """Return the packet from `E4 opcode` on; raises KadError."""
        data = packet.payload
        return unpacked(data if data and is_plain(data) else self._decrypted(packet), _MOST_BYTES)[0]

    def _decrypted(self, packet: Packet) -> bytes:
        node = self._nodes.get(packet.ip)
        if node is None:
            secrets = [(wire_id, 0) for wire_id in reversed(self._told.get((packet.ip, packet.port), []))]
        else:
            pair = packet.ip, packet.source_ip
            key = self._keys.get(pair) or verify_key(packet.source_ip, node.udp_key.to_bytes(4, "little"))
            self._keys[pair] = key
            secrets = [(self._ids[packet.ip], key)]
        for wire_id, key in secrets:
            revealed = reveal_wire(packet.payload, wire_id, key)
            if revealed is not None:
                return revealed.packet
        return b""

    def _learn(self, packet: Packet, plain: bytes) -> None:
        """Remember the ID that a stranger tells of itself: what it is sent is obfuscated by it."""
        wire_id = to_wire(read_hello(plain).node_id)
        told = self._told[packet.source_ip, packet.source_port]
        if wire_id not in told:
            told.append(wire_id)
