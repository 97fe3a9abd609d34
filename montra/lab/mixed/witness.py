"""What really went over the wire: packets that hold a key of the workload, and each address's node ID."""

from __future__ import annotations

import struct
import time
from collections.abc import Set
from typing import NamedTuple

from montra.lab.clients.namespace import Namespace
from montra.lab.clients.tap import Tap
from montra.lab.events import ANNOUNCE_PEER, FIND_NODE, GET_PEERS

#: Addresses whose ID is kept: far more than nodes that ever come.
_MOST_IDS = 100_000
_METHODS = ((b"1:q9:get_peers", GET_PEERS), (b"1:q9:find_node", FIND_NODE), (b"1:q13:announce_peer", ANNOUNCE_PEER))
_ID, _INFO_HASH, _TARGET = b"2:id20:", b"9:info_hash20:", b"6:target20:"


class Sighting(NamedTuple):
    """One query for a key of the workload, seen on its way out of a namespace (`sent`) or arriving there.

    Addresses are host-order integers.
    """

    t_ns: int
    sent: bool
    source_ip: int
    source_port: int
    ip: int
    port: int
    method: str
    key: bytes


class Witness:
    """Watches one device of a namespace until closed.

    both: whether what leaves by the device is seen too, and not only what arrives. sightings: queries for one of
    `keys`; ids: the first node ID in a packet from each address.
    """

    def __init__(self, inside: Namespace, device: str, keys: Set[bytes], *, both: bool = False) -> None:
        self.sightings: list[Sighting] = []
        self.ids: dict[int, bytes] = {}
        self._keys = keys
        self._tap = Tap(inside, device, self._take, both=both)

    @property
    def dropped(self) -> int:
        """How many packets the kernel could not keep, known when closed."""
        return self._tap.dropped

    def close(self) -> None:
        """Stop watching; harmless when done."""
        self._tap.close()

    def _take(self, data: bytes, sent: bool) -> None:
        source_ip = int.from_bytes(data[12:16], "big")
        if source_ip not in self.ids:
            at = data.find(_ID)
            if at >= 0 and len(self.ids) < _MOST_IDS:
                self.ids[source_ip] = data[at + len(_ID) : at + len(_ID) + 20]
        for mark in (_INFO_HASH, _TARGET):
            at = data.find(mark)
            if at < 0:
                continue
            at += len(mark)
            key = data[at : at + 20]
            if key not in self._keys:
                continue
            method = next((name for query, name in _METHODS if query in data), None)
            if method is None:
                continue
            ip = int.from_bytes(data[16:20], "big")
            source_port, port = struct.unpack_from(">HH", data, (data[0] & 15) * 4)
            self.sightings.append(Sighting(time.time_ns(), sent, source_ip, source_port, ip, port, method, key))
            return
