"""Every UDP packet on a namespace's loopback, as the kernel passed it: a witness that is no part of montra."""

from __future__ import annotations

import struct
import time
from typing import NamedTuple, Self

from montra.lab.clients.namespace import Namespace
from montra.lab.clients.tap import Tap

_ADDRESSES, _PORTS = struct.Struct(">II"), struct.Struct(">HHH")
_ADDRESSES_AT, _UDP_BYTES = 12, 8


class Packet(NamedTuple):
    """One UDP packet: when it was read, addresses as host-order integers, and its payload."""

    time_ns: int
    source_ip: int
    source_port: int
    ip: int
    port: int
    payload: bytes


class Wire:
    """Collects packets until closed."""

    def __init__(self, inside: Namespace) -> None:
        self.packets: list[Packet] = []
        self._tap = Tap(inside, "lo", self._keep)

    @property
    def dropped(self) -> int:
        """How many packets the kernel could not keep, known when closed."""
        return self._tap.dropped

    def close(self) -> None:
        """Stop collecting; harmless when done."""
        self._tap.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, data: bytes, sent: bool) -> None:
        del sent
        self.packets.append(packet_of(time.time_ns(), data))


def packet_of(time_ns: int, data: bytes) -> Packet:
    """Return what a bare IPv4 packet that carries UDP says."""
    header = (data[0] & 15) * 4
    source_ip, ip = _ADDRESSES.unpack_from(data, _ADDRESSES_AT)
    source_port, port, length = _PORTS.unpack_from(data, header)
    return Packet(time_ns, source_ip, source_port, ip, port, data[header + _UDP_BYTES : header + length])
