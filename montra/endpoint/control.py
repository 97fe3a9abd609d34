"""Control messages (cmsg(3)) of many datagrams at once, read and written as arrays.

Linux puts them in one order: SO_TIMESTAMPNS, then SO_RXQ_OVFL (absent until the socket's first drop), then IP_PKTINFO.
Rows of such a layout are recognised by their headers and read as columns; any other row is walked by itself.
"""

from __future__ import annotations

import socket
import struct
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# <asm-generic/socket.h>, <linux/in.h>: constants Python's socket module lacks
SO_TIMESTAMPNS = 35
SO_RXQ_OVFL = 40
IP_PKTINFO = 8

#: Control buffer of one received datagram: 88 bytes are used; room for one message more than asked for.
CONTROL_BYTES = 128
#: Control buffer of one sent datagram: one IP_PKTINFO.
SEND_CONTROL_BYTES = socket.CMSG_SPACE(12)

_WORD = 8  # CMSG_ALIGN on 64-bit Linux
_HEADER_BYTES = 16
_STAMP = (socket.SOL_SOCKET, SO_TIMESTAMPNS, 16)  # struct timespec
_DROPS = (socket.SOL_SOCKET, SO_RXQ_OVFL, 4)  # uint32
_PKTINFO = (socket.IPPROTO_IP, IP_PKTINFO, 12)  # struct in_pktinfo: interface, spec_dst, addr


@dataclass(slots=True)
class ControlColumns:
    """What the control messages of n datagrams said.

    destination_ip: uint32[n], the address the sender wrote on the packet (0 unknown); wall_ns: int64[n], the kernel's
    receive time on the wall clock (0 unknown); drops: int64[n], datagrams the socket had dropped so far, modulo 2**32
    (-1: none reported).
    """

    destination_ip: NDArray[np.uint32]
    wall_ns: NDArray[np.int64]
    drops: NDArray[np.int64]


class _Layout:
    """One known sequence of control messages: its size, the words that hold headers, and where the data lies."""

    def __init__(self, *messages: tuple[int, int, int]) -> None:
        words: list[int] = []
        expected: list[int] = []
        self.data: dict[tuple[int, int, int], int] = {}
        at = 0
        for message in messages:
            level, kind, size = message
            header = struct.pack("@Nii", socket.CMSG_LEN(size), level, kind)
            expected += struct.unpack("@QQ", header)
            words += [at // _WORD, at // _WORD + 1]
            self.data[message] = at + _HEADER_BYTES
            at += socket.CMSG_SPACE(size)
        self.used = at
        self.words = np.array(words, np.intp)
        self.expected = np.array(expected, np.uint64)


_LAYOUTS = (_Layout(_STAMP, _PKTINFO), _Layout(_STAMP, _DROPS, _PKTINFO))


def read_control(control: NDArray[np.uint8], used: NDArray[np.uint64]) -> ControlColumns:
    """Read n control buffers: uint8[n, CONTROL_BYTES], C-contiguous, of which row i holds `used[i]` bytes."""
    n = len(used)
    columns = ControlColumns(np.zeros(n, np.uint32), np.zeros(n, np.int64), np.full(n, -1, np.int64))
    words = control.view(np.uint64)
    left = np.ones(n, np.bool_)
    for layout in _LAYOUTS:
        match = (words[:, layout.words] == layout.expected).all(axis=1) & (used == layout.used)
        rows = np.flatnonzero(match)
        if len(rows):
            _read_layout(layout, control, rows, columns)
            left &= ~match
    for row in np.flatnonzero(left):
        _walk(control[row, : int(used[row])].tobytes(), int(row), columns)
    return columns


def _read_layout(layout: _Layout, control: NDArray[np.uint8], rows: NDArray[np.intp], columns: ControlColumns) -> None:
    # a slice when all rows are alike, which is nearly always: indexing by `rows` copies
    chosen = control if len(rows) == len(control) else control[rows]

    def column(at: int, kind: str) -> NDArray[np.generic]:
        return np.ndarray(len(rows), kind, chosen, at, (chosen.strides[0],))

    at = layout.data[_STAMP]
    columns.wall_ns[rows] = column(at, "i8").astype(np.int64) * 1_000_000_000 + column(at + 8, "i8").astype(np.int64)
    columns.destination_ip[rows] = column(layout.data[_PKTINFO] + 8, ">u4")
    if _DROPS in layout.data:
        columns.drops[rows] = column(layout.data[_DROPS], "u4")


def _walk(data: bytes, row: int, columns: ControlColumns) -> None:
    """Read one row message by message (CMSG_NXTHDR)."""
    at = 0
    while at + _HEADER_BYTES <= len(data):
        length, level, kind = struct.unpack_from("@Nii", data, at)
        body = data[at + _HEADER_BYTES : at + length]
        message = (level, kind, len(body))
        if message == _STAMP:
            seconds, nanoseconds = struct.unpack("@qq", body)
            columns.wall_ns[row] = seconds * 1_000_000_000 + nanoseconds
        elif message == _DROPS:
            columns.drops[row] = int.from_bytes(body, sys.byteorder)
        elif message == _PKTINFO:
            columns.destination_ip[row] = int.from_bytes(body[8:], "big")
        # a length below its own header would walk in place for ever
        at += max(_HEADER_BYTES, -(-length // _WORD) * _WORD)


def source_control(rows: int) -> tuple[NDArray[np.uint8], NDArray[np.generic]]:
    """Return send control buffers uint8[rows, SEND_CONTROL_BYTES], one IP_PKTINFO each, and a view of its ipi_spec_dst.

    The view is big-endian uint32[rows]: assign host-order source addresses to it.
    """
    level, kind, size = _PKTINFO
    message = struct.pack("@Nii", socket.CMSG_LEN(size), level, kind).ljust(SEND_CONTROL_BYTES, b"\0")
    control = np.tile(np.frombuffer(message, np.uint8), (rows, 1))
    spec_dst: NDArray[np.generic] = np.ndarray(rows, ">u4", control, _HEADER_BYTES + 4, (SEND_CONTROL_BYTES,))
    return control, spec_dst
