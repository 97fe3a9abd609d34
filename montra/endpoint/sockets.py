"""The sockets of an address plan: few wildcard sockets for many addresses, or one socket for each pair."""

from __future__ import annotations

import errno
import resource
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Literal

import numpy as np

from montra.datagrams import ip_text
from montra.endpoint import packet_filter
from montra.endpoint.control import IP_PKTINFO, SO_TIMESTAMPNS
from montra.endpoint.errors import EndpointError
from montra.endpoint.host import is_local
from montra.endpoint.mmsg import errno_name
from montra.endpoint.plan import CRAWLER, AddressPlan
from montra.endpoint.ring import PacketRing, RingSettings, open_ring

_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO_DROPS = 8  # index into its uint32s (SK_MEMINFO_DROPS)
_IP_FREEBIND = 15
#: Files the rest of the program has open: store, logs, epoll, libraries.
_SPARE_FILES = 64
#: Plans of more addresses are checked at the ends of each /24 only.
_CHECK_ALL = 4096

Bind = Literal["shared", "each"]


@dataclass(slots=True, eq=False)
class BoundSocket:
    """One socket: its port and the local whose pair it is bound to, -1 for all addresses of a port.

    `dropped`: datagrams the kernel dropped because the receive buffer was full, so far.
    """

    socket: socket.socket
    port: int
    local: int
    dropped: int = 0

    def account(self, counter: int) -> int:
        """Take in the kernel's drop counter (modulo 2**32) and return how many drops are new."""
        new = (counter - self.dropped) % (1 << 32)
        if new >= 1 << 31:  # older than what is known already
            return 0
        self.dropped += new
        return new

    def kernel_drops(self) -> int:
        """Return the kernel's drop counter now, modulo 2**32 (SO_RXQ_OVFL would tell it with a later datagram)."""
        try:
            info = self.socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_MEMINFO_DROPS + 1))
        except OSError:  # before Linux 4.12
            return self.dropped % (1 << 32)
        return int(struct.unpack_from("I", info, 4 * _MEMINFO_DROPS)[0])


class Sockets:
    """Open sockets of a plan; a context manager that closes them.

    bound: all of them, the crawler's first. In bind mode "each" socket i is the one of local i; in mode "shared"
    socket 1 + i is the one of the plan's port i. receive_buffer_bytes: the smallest granted by the kernel. ring: where
    the datagrams arrive if not at the sockets, which then only hold the ports and send.
    """

    def __init__(self, bind: Bind, bound: list[BoundSocket], ring: PacketRing | None = None) -> None:
        self.bind = bind
        self.bound = bound
        self.ring = ring
        # the kernel doubles the request for its own bookkeeping (socket(7))
        granted = (b.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2 for b in bound)
        self.receive_buffer_bytes: int = min(granted)

    def __len__(self) -> int:
        return len(self.bound)

    def __enter__(self) -> Sockets:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all sockets."""
        for bound in self.bound:
            bound.socket.close()
        if self.ring is not None:
            self.ring.close()


def open_sockets(
    plan: AddressPlan,
    bind: Bind = "shared",
    receive_buffer_bytes: int = 8 << 20,
    *,
    freebind: bool = False,
    crawler_only: bool = False,
    monitors_only: bool = False,
    ring: RingSettings | None = None,
) -> Sockets:
    """Open the sockets of a plan; raises EndpointError and then leaves none open.

    "shared": one socket for each port on all addresses of the host, the crawler's on its own; "each": one for each
    pair. `freebind` binds addresses that the host does not have (yet). `crawler_only` leaves out the monitors' sockets;
    with `monitors_only` the crawler's is not bound, for another process has it.
    The receive buffer is what the kernel grants. May raise this process's soft limit of open files. `ring`: receive by
    a packet ring; the sockets then keep nothing but the ports, so that the kernel refuses no datagram by ICMP.
    """
    crawler_port = plan.crawler[1]
    if bind == "shared" and crawler_port in plan.ports and not crawler_only:
        raise EndpointError(
            f"the crawler's port {crawler_port} is one of the monitors' ports {plan.ports.start}-{plan.ports[-1]}: "
            'give the crawler another port, or set bind = "each"'
        )
    if not crawler_only:
        _allow_files(1 + (plan.pairs if bind == "each" else len(plan.ports)))
        if bind == "shared" and not freebind:
            _check_addresses(plan)
    bound: list[BoundSocket] = []
    try:
        for local, ip, port in islice(_wanted(plan, bind), 1 if crawler_only else None):
            unbound = monitors_only and local == CRAWLER
            opened = _open(ip, port, receive_buffer_bytes, freebind, bind=not unbound, send_only=ring is not None)
            bound.append(BoundSocket(opened, port, local))
        if ring is None:
            return Sockets(bind, bound)
        crawler, ports = None if monitors_only else plan.crawler, None if crawler_only else plan.ports
        return Sockets(bind, bound, open_ring(packet_filter.datagrams_for(crawler, ports), ring))
    except BaseException:
        for one in bound:
            one.socket.close()
        raise


def _wanted(plan: AddressPlan, bind: Bind) -> Iterator[tuple[int, int, int]]:
    """Yield (local, ip, port) of each socket; ip 0 is the wildcard."""
    yield (CRAWLER, *plan.crawler)
    if bind == "each":
        for local in range(1, plan.pairs + 1):
            yield (local, *plan.address(local))
    else:
        for port in plan.ports:
            yield -1, 0, port


def _open(
    ip: int, port: int, receive_buffer_bytes: int, freebind: bool, *, bind: bool = True, send_only: bool = False
) -> socket.socket:
    try:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    except OSError as error:
        raise EndpointError(f"cannot open a socket for {ip_text(ip)}:{port}: {error.strerror}") from None
    try:
        if freebind:
            opened.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        if send_only:
            packet_filter.attach(opened, packet_filter.DROP_ALL)
        # the same options on every socket, so that all control messages have one layout
        opened.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        try:
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, receive_buffer_bytes)
        except PermissionError:  # needs CAP_NET_ADMIN; the plain request is capped by net.core.rmem_max
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        if bind:
            opened.bind((ip_text(ip), port))
    except OSError as error:
        opened.close()
        raise EndpointError(_bind_failure(ip, port, error)) from None
    return opened


def _bind_failure(ip: int, port: int, error: OSError) -> str:
    number = error.errno or 0
    what = f"cannot bind UDP {ip_text(ip)}:{port}"
    if number == errno.EADDRINUSE:
        shared = " on some address of this host" if ip == 0 else ""
        return f"{what}: another socket has the port{shared}; stop that program or choose other ports"
    if number == errno.EADDRNOTAVAIL:
        return f"{what}: {_not_ours(ip)}"
    if number == errno.EACCES:
        return f"{what}: not permitted; ports below 1024 need CAP_NET_BIND_SERVICE, choose higher ones"
    return f"{what}: {error.strerror} ({errno_name(number)})"


def _not_ours(ip: int) -> str:
    return (
        f"{ip_text(ip)} is no address of this host; correct the plan, or add it "
        f"(ip address add {ip_text(ip)}/32 dev IFACE, for a block: ip route add local PREFIX dev lo)"
    )


def _allow_files(sockets: int) -> None:
    needed = sockets + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise EndpointError(
            f"{sockets} sockets need {needed} file descriptors, the limit is {hard}: raise it (ulimit -n), "
            'use fewer ports or addresses, or bind = "shared"'
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _check_addresses(plan: AddressPlan) -> None:
    """A wildcard bind proves nothing about the addresses; without this every send from a missing one would fail."""
    if len(plan.ips) <= _CHECK_ALL:
        ranks = np.arange(len(plan.ips), dtype=np.int64)
    else:
        _, begins = plan.ips.subnets()
        ranks = np.unique(np.concatenate((begins[:-1], begins[1:] - 1)))
    for ip in plan.ips.take(ranks).tolist():
        if not is_local(ip):
            raise EndpointError(f"monitor address: {_not_ours(ip)}")
