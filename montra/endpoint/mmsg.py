"""recvmmsg(2) and sendmmsg(2) through ctypes: many datagrams for one system call, columns instead of objects.

One receiver and one sender serve all sockets of a run, so memory does not grow with the sockets.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import SLOT_BYTES, Counters
from montra.endpoint.control import CONTROL_BYTES, SEND_CONTROL_BYTES, ControlColumns, read_control, source_control

_MSG_TRUNC = 0x20
_MSG_CTRUNC = 0x08
_MSG_DONTWAIT = 0x40
_AF_INET = 2
#: Receive calls for one wake-up, and send calls for one datagram, when the socket reports a pending error instead.
_RECEIVE_TRIES = 16
_SEND_TRIES = 3
#: Errors that are ours, not the network's: they must surface.
_BUGS = frozenset({errno.EBADF, errno.ENOTSOCK, errno.EFAULT, errno.EOPNOTSUPP})
_WOULD_BLOCK = frozenset({errno.EAGAIN, errno.EWOULDBLOCK})
#: What a socket reports once about an earlier datagram (ICMP); the present call did nothing.
_PENDING = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN})


class _MsgHdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_len", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iov_len", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_len", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _MMsgHdr(ctypes.Structure):
    _fields_ = (("header", _MsgHdr), ("length", ctypes.c_uint))


_HEADER = np.dtype(_MMsgHdr)
_IOVEC = np.dtype([("base", np.uintp), ("length", np.uintp)])
_SOCKADDR_IN = np.dtype([("family", "u2"), ("port", ">u2"), ("ip", ">u4"), ("zero", "u8")])

if ctypes.sizeof(ctypes.c_size_t) != 8:
    raise ImportError("montra's endpoint needs a 64-bit Linux")
_libc = ctypes.CDLL(None, use_errno=True)
_recvmmsg = _libc.recvmmsg
_recvmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
_sendmmsg = _libc.sendmmsg
_sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)


def errno_name(number: int) -> str:
    """Return "eperm" for EPERM and so on."""
    return errno.errorcode.get(number, f"errno_{number}").lower()


class _Headers:
    """The message headers of `rows` datagrams, with their names and iovecs, wired together once."""

    def __init__(self, rows: int, control: NDArray[np.uint8]) -> None:
        self.table = np.zeros(rows, _HEADER)
        self.names = np.zeros(rows, _SOCKADDR_IN)
        self.iovecs = np.zeros(rows, _IOVEC)
        self.control = control
        self.message = self.table["header"]
        self.address: int = self.table.ctypes.data
        at = np.arange(rows, dtype=np.uintp)
        self.message["name"] = self.names.ctypes.data + at * _SOCKADDR_IN.itemsize
        self.message["name_len"] = _SOCKADDR_IN.itemsize
        self.message["iov"] = self.iovecs.ctypes.data + at * _IOVEC.itemsize
        self.message["iov_len"] = 1
        self.message["control"] = control.ctypes.data + at * control.shape[1]


@dataclass(slots=True)
class Received:
    """n datagrams of one socket after another. `buffer` belongs to the receiver and is written again by the next call.

    buffer: uint8[n, SLOT_BYTES]; length: int32[n]; truncated: bool[n]; source_ip: uint32[n]; source_port: uint16[n];
    control: what the kernel added (destination, time, drops). counts: datagrams of each socket that was asked.
    """

    buffer: NDArray[np.uint8]
    length: NDArray[np.int32]
    truncated: NDArray[np.bool_]
    source_ip: NDArray[np.uint32]
    source_port: NDArray[np.uint16]
    control: ControlColumns
    counts: list[int]

    def __len__(self) -> int:
        return len(self.length)


class Receiver:
    """Receives up to `rows` datagrams a call from non-blocking AF_INET sockets; failures are counted by errno name."""

    def __init__(self, rows: int, counters: Counters) -> None:
        self.rows = rows
        self._counters = counters
        self._buffer = np.zeros((rows, SLOT_BYTES), np.uint8)
        self._headers = _Headers(rows, np.zeros((rows, CONTROL_BYTES), np.uint8))
        self._headers.iovecs["base"] = self._buffer.ctypes.data + np.arange(rows, dtype=np.uintp) * SLOT_BYTES
        self._headers.iovecs["length"] = SLOT_BYTES
        self._headers.message["control_len"] = CONTROL_BYTES
        self._used = 0  # rows whose headers the kernel has written since they were set

    def receive(self, *fds: int) -> Received | None:
        """Return what waits at these sockets, at most `rows` datagrams; None if nothing does.

        Sockets are asked in order, and no more of them once all rows are taken. Errors of the network are counted
        ("receive_econnrefused"); an OSError is a bug of ours (EBADF and the like).
        """
        headers = self._headers
        message = headers.message[: self._used]
        message["name_len"] = _SOCKADDR_IN.itemsize
        message["control_len"] = CONTROL_BYTES
        self._used = n = 0
        counts: list[int] = []
        for fd in fds:
            counts.append(self._call(fd, n))
            self._used = n = n + counts[-1]
            if n == self.rows:
                break
        if not n:
            return None
        message = headers.message[:n]
        flags = message["flags"]
        self._counters.add("control_truncated", int(np.count_nonzero(flags & _MSG_CTRUNC)))
        return Received(
            self._buffer[:n],
            headers.table["length"][:n].astype(np.int32),
            (flags & _MSG_TRUNC) != 0,
            headers.names["ip"][:n].astype(np.uint32),
            headers.names["port"][:n].astype(np.uint16),
            read_control(headers.control[:n], message["control_len"]),
            counts,
        )

    def _call(self, fd: int, at: int) -> int:
        """Receive into the rows from `at` on; return how many were filled."""
        address = self._headers.address + at * _HEADER.itemsize
        for _ in range(_RECEIVE_TRIES):
            n: int = _recvmmsg(fd, address, self.rows - at, _MSG_DONTWAIT, None)
            if n >= 0:
                return n
            error = ctypes.get_errno()
            if error in _WOULD_BLOCK:
                return 0
            if error in _BUGS:
                raise OSError(error, f"recvmmsg: {errno_name(error)}")
            if error != errno.EINTR:
                self._counters.add(f"receive_{errno_name(error)}")
        return 0


class Sender:
    """Sends datagrams, `rows` a system call; what cannot be sent is counted by errno name ("send_eperm") and passed."""

    def __init__(self, rows: int, counters: Counters) -> None:
        self._rows = rows
        self._counters = counters
        control, self._spec_dst = source_control(rows)
        self._headers = _Headers(rows, control)
        self._headers.names["family"] = _AF_INET

    def send(
        self,
        fd: int,
        ips: NDArray[np.uint32],
        ports: NDArray[np.uint16],
        payloads: Sequence[bytes],
        sources: NDArray[np.uint32] | None,
    ) -> int:
        """Send payload i to (ips[i], ports[i]), from sources[i] on a wildcard socket; return the rows dealt with.

        Fewer than all means that the socket's send buffer is full (EAGAIN): try the rest later.
        """
        for first in range(0, len(payloads), self._rows):
            rows = slice(first, first + self._rows)
            chunk = payloads[rows]
            done = self._send_chunk(fd, ips[rows], ports[rows], chunk, None if sources is None else sources[rows])
            if done < len(chunk):
                return first + done
        return len(payloads)

    def _send_chunk(
        self,
        fd: int,
        ips: NDArray[np.uint32],
        ports: NDArray[np.uint16],
        payloads: Sequence[bytes],
        sources: NDArray[np.uint32] | None,
    ) -> int:
        n = len(payloads)
        headers = self._headers
        # one byte string holds all payloads while the kernel reads them: no copy for each, no object kept
        joined = np.frombuffer(b"".join((*payloads, b"\0")), np.uint8)
        lengths = np.fromiter(map(len, payloads), np.uintp, n)
        iovecs = headers.iovecs[:n]
        iovecs["length"] = lengths
        iovecs["base"] = joined.ctypes.data + np.cumsum(lengths) - lengths
        headers.names["ip"][:n] = ips
        headers.names["port"][:n] = ports
        if sources is not None:
            self._spec_dst[:n] = sources
        headers.message["control_len"][:n] = 0 if sources is None else SEND_CONTROL_BYTES
        return self._send_rows(fd, n)

    def _send_rows(self, fd: int, n: int) -> int:
        at = tries = 0
        while at < n:
            sent: int = _sendmmsg(fd, self._headers.address + at * _HEADER.itemsize, n - at, _MSG_DONTWAIT)
            if sent > 0:
                self._counters.add("sent", sent)
                at += sent
                tries = 0
                continue
            error = ctypes.get_errno()
            if error in _WOULD_BLOCK:
                break
            if error in _BUGS:
                raise OSError(error, f"sendmmsg: {errno_name(error)}")
            tries += 1
            if error == errno.EINTR or (error in _PENDING and tries < _SEND_TRIES):
                continue
            self._counters.add(f"send_{errno_name(error)}")
            at += 1
            tries = 0
        return at
