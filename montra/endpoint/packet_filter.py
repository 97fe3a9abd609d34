"""Classic BPF programs: which packets the kernel puts into a ring, and how sockets that only send are kept empty.

Written out as instructions of `struct sock_filter` (linux/filter.h); the kernel checks and compiles them.
"""

from __future__ import annotations

import ctypes
import socket
import struct

_SO_ATTACH_FILTER = 26
_INSTRUCTION = struct.Struct("=HBBI")  # code, jump if true, jump if false, k

_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE = 0x20, 0x28, 0x30  # A = packet[k:]
_LOAD_HALF_X = 0x48  # A = packet[X + k:]
_LOAD_X_HEADER = 0xB1  # X = 4 * (packet[k] & 15), the length of an IP header
_EQUAL, _ABOVE, _AT_LEAST, _ANY_BIT = 0x15, 0x25, 0x35, 0x45
_RETURN = 0x06

_NET = 0xFFF00000  # SKF_NET_OFF: counted from the IP header, whatever stands before it
_PACKET_TYPE = 0xFFFFF000 + 4  # SKF_AD_OFF + SKF_AD_PKTTYPE
_TO_THIS_HOST = 0
_ANY_BUT_FIRST_FRAGMENT = 0x1FFF
_WHOLE = 0x40000

_DROP = -1
_ACCEPT = -2
_NEXT = 0

Test = tuple[int, int, int, int]
"""Code, k, and where a jump leads if true and if false: _NEXT, _DROP, _ACCEPT, or so many instructions further."""

#: Nothing is kept: for sockets whose datagrams arrive elsewhere.
DROP_ALL = _INSTRUCTION.pack(_RETURN, 0, 0, 0)


def datagrams_for(crawler: tuple[int, int] | None, ports: range | None) -> bytes:
    """Return the filter that keeps UDP datagrams for the crawler's (ip, port) and for `ports` at any address.

    None for what is left to others; not both. Of datagrams in fragments only the first one is kept: the others do not
    say their port. Broadcasts, multicasts and packets for other hosts are not kept.
    """
    program: list[Test] = [
        (_LOAD_BYTE, _PACKET_TYPE, _NEXT, _NEXT),
        (_EQUAL, _TO_THIS_HOST, _NEXT, _DROP),
        (_LOAD_BYTE, _NET + 9, _NEXT, _NEXT),
        (_EQUAL, socket.IPPROTO_UDP, _NEXT, _DROP),
        (_LOAD_HALF, _NET + 6, _NEXT, _NEXT),
        (_ANY_BIT, _ANY_BUT_FIRST_FRAGMENT, _DROP, _NEXT),
        (_LOAD_X_HEADER, _NET, _NEXT, _NEXT),
        (_LOAD_HALF_X, _NET + 2, _NEXT, _NEXT),
    ]
    if ports is not None:
        beyond = _DROP if crawler is None else _NEXT
        below = _DROP if crawler is None else 1
        program += [(_AT_LEAST, ports.start, _NEXT, below), (_ABOVE, ports[-1], beyond, _ACCEPT)]
    if crawler is not None:
        program += [
            (_EQUAL, crawler[1], _NEXT, _DROP),
            (_LOAD_WORD, _NET + 16, _NEXT, _NEXT),
            (_EQUAL, crawler[0], _ACCEPT, _DROP),
        ]
    return _assemble(program)


def _assemble(program: list[Test]) -> bytes:
    """Return the instructions, followed by the two ends, acceptance and refusal."""
    code = b""
    for place, (operation, k, *jumps) in enumerate(program):
        ends = {_ACCEPT: len(program) - place - 1, _DROP: len(program) - place}
        code += _INSTRUCTION.pack(operation, *(ends.get(jump, jump) for jump in jumps), k)
    return code + _INSTRUCTION.pack(_RETURN, 0, 0, _WHOLE) + DROP_ALL


def attach(to: socket.socket, program: bytes) -> None:
    """Let the kernel ask `program` about each packet for a socket; raises OSError."""
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: number of instructions, pointer to them
    argument = struct.pack("@HP", len(program) // _INSTRUCTION.size, ctypes.addressof(code))
    to.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, argument)
