"""Control messages (cmsg(3)) of many datagrams at once, read and written as arrays.

Linux puts them in one order: SO_TIMESTAMPNS, then IP_PKTINFO. Rows of this layout are recognised by their headers and
read as columns; any other row is walked by itself.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# <asm-generic/socket.h>, <linux/in.h>: constants Python's socket module lacks
SO_TIMESTAMPNS = 35
IP_PKTINFO = 8

#: Control buffer of one received datagram: 64 bytes are used; room for messages not asked for.
CONTROL_BYTES = 128
#: Control buffer of one sent datagram: one IP_PKTINFO.
SEND_CONTROL_BYTES = socket.CMSG_SPACE(12)

_WORD = 8  # CMSG_ALIGN on 64-bit Linux
_HEADER_BYTES = 16
_STAMP = (socket.SOL_SOCKET, SO_TIMESTAMPNS, 16)  # struct timespec
_PKTINFO = (socket.IPPROTO_IP, IP_PKTINFO, 12)  # struct in_pktinfo: interface, spec_dst, addr


@dataclass(slots=True)
class ControlColumns:
    """What the control messages of n datagrams said.

    destination_ip: uint32[n], the address the sender wrote on the packet (0 unknown); wall_ns: int64[n], the kernel's
    receive time on the wall clock (0 unknown).
    """

    destination_ip: NDArray[np.uint32]
    wall_ns: NDArray[np.int64]


def _headers(*messages: tuple[int, int, int]) -> tuple[NDArray[np.intp], NDArray[np.uint64], int]:
    """Return the words of a control buffer that hold the headers of these messages, what they say, and its size."""
    words: list[int] = []
    expected: list[int] = []
    at = 0
    for level, kind, size in messages:
        header = struct.pack("@Nii", socket.CMSG_LEN(size), level, kind)
        expected += struct.unpack("@QQ", header)
        words += [at // _WORD, at // _WORD + 1]
        at += socket.CMSG_SPACE(size)
    return np.array(words, np.intp), np.array(expected, np.uint64), at


_WORDS, _EXPECTED, _USED = _headers(_STAMP, _PKTINFO)
_STAMP_AT = _HEADER_BYTES
_PKTINFO_AT = socket.CMSG_SPACE(16) + _HEADER_BYTES


def read_control(control: NDArray[np.uint8], used: NDArray[np.uint64]) -> ControlColumns:
    """Read n control buffers: uint8[n, CONTROL_BYTES], C-contiguous, of which row i holds `used[i]` bytes."""
    usual = (control.view(np.uint64)[:, _WORDS] == _EXPECTED).all(axis=1) & (used == _USED)

    stamp = control[:, _STAMP_AT : _STAMP_AT + 16].view(np.int64)
    columns = ControlColumns(
        control[:, _PKTINFO_AT + 8 : _PKTINFO_AT + 12].view(">u4")[:, 0].astype(np.uint32),
        stamp[:, 0] * 1_000_000_000 + stamp[:, 1],
    )
    for row in np.flatnonzero(~usual).tolist():
        columns.destination_ip[row] = columns.wall_ns[row] = 0
        _walk(control[row, : int(used[row])].tobytes(), row, columns)
    return columns


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
