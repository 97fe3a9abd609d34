"""Every UDP packet on a namespace's loopback, as the kernel passed it: a witness that is no part of montra."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from typing import NamedTuple, Self

from montra.lab.clients.namespace import Namespace

# linux/if_ether.h, linux/if_packet.h, asm/socket.h
_ETH_P_IP = 0x0800
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SO_RCVBUFFORCE = 33
_BUFFER_BYTES = 64 << 20


class Packet(NamedTuple):
    """One UDP packet: when it was read, addresses as host-order integers, and its payload."""

    time_ns: int
    source_ip: int
    source_port: int
    ip: int
    port: int
    payload: bytes


class Wire:
    """Collects packets until closed. `dropped`: how many the kernel could not keep, known then."""

    def __init__(self, inside: Namespace) -> None:
        self.packets: list[Packet] = []
        self.dropped = 0
        # Not ETH_P_ALL: that shows each packet of loopback twice, on its way out and on its way in.
        self._socket = inside.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._read, name="wire")
        self._thread.start()

    def close(self) -> None:
        """Stop collecting; harmless when done."""
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
        while True:
            ready, _, _ = select.select([self._socket, self._stopped], [], [])
            if self._socket in ready:
                self._keep(self._socket.recv(65536))
            elif self._stopped in ready:
                return

    def _keep(self, data: bytes) -> None:
        header = (data[0] & 15) * 4
        if data[9] != socket.IPPROTO_UDP:
            return
        source_ip, ip = struct.unpack_from(">II", data, 12)
        source_port, port, length = struct.unpack_from(">HHH", data, header)
        payload = data[header + 8 : header + length]
        self.packets.append(Packet(time.time_ns(), source_ip, source_port, ip, port, payload))
