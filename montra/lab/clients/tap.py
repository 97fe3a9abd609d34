"""UDP packets of a network namespace as the kernel passes them: what witnesses that are no part of montra look at."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable

from montra.lab.clients.namespace import Namespace

# linux/if_ether.h, linux/if_packet.h, asm/socket.h
_ETH_P_ALL, _ETH_P_IP = 0x0003, 0x0800
_PACKET_OUTGOING = 4
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SO_RCVBUFFORCE = 33
_BUFFER_BYTES = 64 << 20
_HEADERS_BYTES = 28


class Tap:
    """Reads a device in a thread of its own until closed, and gives each UDP packet over IPv4, from its IP header on.

    take: called with the packet, and whether it is on its way out; both: whether packets on their way out are read too,
    and not only those that arrive (loopback shows each twice then). dropped: packets that the kernel could not keep,
    known when closed.
    """

    def __init__(
        self, inside: Namespace, device: str, take: Callable[[bytes, bool], None], *, both: bool = False
    ) -> None:
        self.dropped = 0
        self._take = take
        protocol = _ETH_P_ALL if both else _ETH_P_IP
        self._socket = inside.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(protocol))
        self._socket.bind((device, protocol))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._read, name=f"tap of {inside.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading; harmless when done."""
        if self._thread.is_alive():
            self._stop.close()
            self._thread.join()
            statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
            self.dropped = struct.unpack("=II", statistics)[1]
            self._socket.close()
            self._stopped.close()

    def _read(self) -> None:
        receive = self._socket.recvfrom
        while True:
            ready, _, _ = select.select([self._socket, self._stopped], [], [])
            if self._socket in ready:
                data, address = receive(65536)
                if len(data) >= _HEADERS_BYTES and data[0] >> 4 == 4 and data[9] == socket.IPPROTO_UDP:
                    self._take(data, address[2] == _PACKET_OUTGOING)
            elif self._stopped in ready:
                return
