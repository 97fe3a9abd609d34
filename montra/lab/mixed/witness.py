"""What really went over the wire: packets that hold a key of the workload, and each address's node ID."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Set
from typing import NamedTuple, Self

from montra.lab.clients.namespace import Namespace
from montra.lab.events import ANNOUNCE_PEER, GET_PEERS

FIND_NODE = "find_node"

# linux/if_ether.h, linux/if_packet.h, asm/socket.h
_ETH_P_ALL, _ETH_P_IP = 0x0003, 0x0800
_PACKET_OUTGOING = 4
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SO_RCVBUFFORCE = 33
_BUFFER_BYTES = 64 << 20
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

    both: whether what leaves by the device is seen too, and not only what arrives: loopback shows each packet twice
    then. sightings: queries for one of `keys`; ids: the first node ID in a packet from each address; dropped: packets
    the kernel could not keep, known when closed.
    """

    def __init__(self, inside: Namespace, device: str, keys: Set[bytes], *, both: bool = False) -> None:
        self.sightings: list[Sighting] = []
        self.ids: dict[int, bytes] = {}
        self.dropped = 0
        self._keys = keys
        protocol = _ETH_P_ALL if both else _ETH_P_IP
        self._socket = inside.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(protocol))
        self._socket.bind((device, protocol))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._read, name=f"witness of {inside.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching; harmless when done."""
        if self._thread.is_alive():
            self._stop.close()
            self._thread.join()
            statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
            self.dropped = struct.unpack("=II", statistics)[1]
            self._socket.close()
            self._stopped.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        receive = self._socket.recvfrom
        while True:
            ready, _, _ = select.select([self._socket, self._stopped], [], [])
            if self._socket in ready:
                data, address = receive(65536)
                self._take(data, address[2] == _PACKET_OUTGOING)
            elif self._stopped in ready:
                return

    def _take(self, data: bytes, sent: bool) -> None:
        if len(data) < 28 or data[0] >> 4 != 4 or data[9] != socket.IPPROTO_UDP:
            return
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
