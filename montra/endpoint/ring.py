"""A ring of packets that the kernel writes and we read without a system call for each: AF_PACKET with TPACKET_V2.

All frames have one size, so thousands of them are read as columns (see `frames`). The kernel hands a frame over by its
status word and gets it back by the same; that it has written the rest before is certain only where the processor keeps
loads and stores in order, which x86-64 does.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import socket
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from montra.endpoint import packet_filter
from montra.endpoint.errors import EndpointError

#: Bytes of a frame: room for the kernel's header, the packet's headers and FRAME_BYTES - NET_AT - 28 bytes of payload.
FRAME_BYTES = 4096
#: Where the IP header of a packet begins in its frame, unless the link's header is longer than 16 bytes. So chosen that
#: the payload of a packet without IP options begins at a cache line.
NET_AT = 100

_SOL_PACKET = 263
_PACKET_RX_RING = 5
_PACKET_STATISTICS = 6
_PACKET_VERSION = 10
_PACKET_RESERVE = 12
_PACKET_VNET_HDR = 15
_TPACKET_V2 = 1
_ETH_P_IP = 0x0800
#: `struct tpacket2_hdr` and `struct sockaddr_ll` aligned to 16, 16 for the link's header, 10 for virtio_net_hdr.
_BEFORE_NET = 80 + 10
_BLOCK_BYTES = 1 << 16
_MOST_BYTES = 4 << 30
_libc = ctypes.CDLL(None, use_errno=True)
#: Frames looked at together.
_LOOK_AHEAD = 256
_KERNEL = 0  # TP_STATUS_KERNEL
_USER = 1  # TP_STATUS_USER


@dataclass(frozen=True, slots=True)
class RingSettings:
    """bytes: memory of the ring, which the kernel rounds up to 64 KiB and holds in RAM; interface: where to listen.

    "" listens at all interfaces.
    """

    bytes: int = 64 << 20
    interface: str = ""


class PacketRing:
    """The ring, open for one reader. Closed by `close`."""

    def __init__(self, opened: socket.socket, memory: mmap.mmap) -> None:
        self.socket = opened
        self._memory = memory
        self.flat: NDArray[np.uint8] = np.frombuffer(memory, np.uint8)
        self.frames = len(memory) // FRAME_BYTES
        self._status: NDArray[np.uint32] = np.ndarray(self.frames, np.uint32, memory, 0, (FRAME_BYTES,))
        self._next = 0

    def waiting(self, most: int) -> slice:
        """Return which frames hold packets not yet given back, `most` at most, in order of arrival.

        Ends at the end of the ring, where the next call goes on at its beginning.
        """
        end = min(self._next + most, self.frames)
        for first in range(self._next, end, _LOOK_AHEAD):  # a look at a frame that is not there costs as much
            free = (self._status[first : min(first + _LOOK_AHEAD, end)] & _USER) == 0
            if free.any():
                return slice(self._next, first + int(free.argmax()))
        return slice(self._next, end)

    def give_back(self, frames: slice) -> None:
        """Let the kernel write these frames again: all that `waiting` returned."""
        self._status[frames] = _KERNEL
        self._next = frames.stop % self.frames

    def drops(self) -> int:
        """Return how many packets found no free frame since the last call."""
        _, drops = struct.unpack("@II", self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        return int(drops)

    def pending_error(self) -> int:
        """Return and clear the socket's error (ENETDOWN when its interface goes down), 0 for none."""
        return self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def close(self) -> None:
        """Close socket and memory; `flat` is gone then."""
        self.socket.close()
        self.flat = np.empty(0, np.uint8)
        self._status = np.empty(0, np.uint32)
        self._memory.close()


def open_ring(program: bytes, settings: RingSettings) -> PacketRing:
    """Open a ring of the IPv4 packets that arrive and that the filter `program` keeps; raises EndpointError."""
    if settings.bytes > _MOST_BYTES:
        raise EndpointError(f"addresses.ring of {settings.bytes >> 20} MiB is too large: {_MOST_BYTES >> 20} at most")
    if platform.machine() != "x86_64":
        raise EndpointError(f'receive = "ring" works on x86-64 only, this is {platform.machine()}: take "sockets"')
    try:
        # protocol 0: nothing arrives before filter, ring and binding are in place
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    except PermissionError:
        raise EndpointError(
            'receive = "ring" needs the capability CAP_NET_RAW: grant it (systemd AmbientCapabilities=, or run as '
            'root), or set receive = "sockets"'
        ) from None
    except OSError as error:
        raise EndpointError(f'receive = "ring": cannot open a packet socket: {error.strerror}') from None
    try:
        return PacketRing(opened, _map(opened, program, settings))
    except OSError as error:
        opened.close()
        raise EndpointError(_failure(error, settings)) from None


def _map(opened: socket.socket, program: bytes, settings: RingSettings) -> mmap.mmap:
    blocks = max(1, -(-settings.bytes // _BLOCK_BYTES))
    opened.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V2)
    # pieces of several datagrams (UDP_SEGMENT, UDP GRO) arrive as one packet: this header tells their size
    opened.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    opened.setsockopt(_SOL_PACKET, _PACKET_RESERVE, NET_AT - _BEFORE_NET)
    frames = blocks * (_BLOCK_BYTES // FRAME_BYTES)
    request = struct.pack("@IIII", _BLOCK_BYTES, blocks, FRAME_BYTES, frames)  # struct tpacket_req
    opened.setsockopt(_SOL_PACKET, _PACKET_RX_RING, request)
    memory = mmap.mmap(opened.fileno(), blocks * _BLOCK_BYTES, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    packet_filter.attach(opened, program)
    _bind(opened, socket.if_nametoindex(settings.interface) if settings.interface else 0)
    return memory


def _bind(opened: socket.socket, interface: int) -> None:
    """Let packets come, from one interface or, with 0, from all, which Python's own bind cannot express."""
    address = struct.pack("@HHiHBB8x", socket.AF_PACKET, socket.htons(_ETH_P_IP), interface, 0, 0, 0)
    if _libc.bind(opened.fileno(), address, len(address)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _failure(error: OSError, settings: RingSettings) -> str:
    if error.errno == errno.ENOMEM:
        return f'receive = "ring": no memory for a ring of {settings.bytes >> 20} MiB; make addresses.ring smaller'
    if error.errno == errno.ENODEV or (settings.interface and error.errno is None):
        return f'receive = "ring": there is no interface {settings.interface!r}; correct addresses.interface'
    return f'receive = "ring": {error.strerror}'
