"""What this host can hold, for the preflight: files, buffers, drops, conntrack, addresses, clock, memory.

Reads /proc and asks the kernel; changes nothing. What cannot be found out is None.
"""

from __future__ import annotations

import ctypes
import resource
import socket
from collections.abc import Container
from dataclasses import dataclass
from mmap import PAGESIZE
from pathlib import Path

from montra.datagrams import ip_text

PROC = Path("/proc")
_STA_UNSYNC = 0x0040
_TIME_ERROR = 5


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A snapshot. Limits of open files: -1 is unlimited. Sizes in bytes.

    receive_buffer_max: net.core.rmem_max; receive_buffer_errors: UdpRcvbufErrors since boot, all sockets;
    conntrack: (entries, most) when connection tracking is loaded, which costs an entry for every contact;
    clock_synchronised: the kernel's own verdict (adjtimex). ephemeral_ports: (first, last) that the kernel hands to
    whoever asks for no port of its own, but for reserved_ports, as (first, last) each; udp_memory: most of all UDP
    buffers together (net.ipv4.udp_mem); backlog: packets that may wait for one CPU (net.core.netdev_max_backlog);
    nonlocal_bind: sockets may be bound to addresses that are not this host's.
    """

    open_files_soft: int
    open_files_hard: int
    receive_buffer_max: int | None
    receive_buffer_errors: int | None
    conntrack: tuple[int, int] | None
    clock_synchronised: bool | None
    memory_total: int | None
    memory_available: int | None
    ephemeral_ports: tuple[int, int] | None = None
    reserved_ports: tuple[tuple[int, int], ...] = ()
    udp_memory: int | None = None
    backlog: int | None = None
    nonlocal_bind: bool = False


def host_facts(proc: Path = PROC) -> HostFacts:
    """Look at this host."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    memory = memory_info(proc)
    return HostFacts(
        soft,
        hard,
        _number(proc / "sys/net/core/rmem_max"),
        udp_receive_buffer_errors(proc),
        conntrack(proc),
        clock_synchronised(),
        memory.get("MemTotal"),
        memory.get("MemAvailable"),
        _port_range(proc / "sys/net/ipv4/ip_local_port_range"),
        reserved_ports(proc),
        udp_memory(proc),
        _number(proc / "sys/net/core/netdev_max_backlog"),
        bool(_number(proc / "sys/net/ipv4/ip_nonlocal_bind")),
    )


def is_local(ip: int) -> bool:
    """Tell whether a socket can be bound to an address of this host."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((ip_text(ip), 0))
        except OSError:
            return False
    return True


def udp_drops(ports: Container[int], proc: Path = PROC) -> dict[int, int]:
    """Return the datagrams dropped so far by open IPv4 UDP sockets, by local port, for those of `ports`."""
    drops: dict[int, int] = {}
    for line in _text(proc / "net/udp").splitlines()[1:]:
        fields = line.split()
        if len(fields) < 13:
            continue
        port = int(fields[1].rpartition(":")[2], 16)
        if port in ports:
            drops[port] = drops.get(port, 0) + int(fields[12])
    return drops


def udp_receive_buffer_errors(proc: Path = PROC) -> int | None:
    """Return UdpRcvbufErrors of /proc/net/snmp: datagrams that found a full receive buffer, since boot."""
    rows = [line.split() for line in _text(proc / "net/snmp").splitlines() if line.startswith("Udp:")]
    if len(rows) != 2 or "RcvbufErrors" not in rows[0]:
        return None
    return int(rows[1][rows[0].index("RcvbufErrors")])


def conntrack(proc: Path = PROC) -> tuple[int, int] | None:
    """Return (entries, most) of connection tracking, None if it is not loaded."""
    count = _number(proc / "sys/net/netfilter/nf_conntrack_count")
    most = _number(proc / "sys/net/netfilter/nf_conntrack_max")
    return None if count is None or most is None else (count, most)


def reserved_ports(proc: Path = PROC) -> tuple[tuple[int, int], ...]:
    """Return the ports never handed out as ephemeral ones, as (first, last) each; empty if it cannot be read."""
    found = []
    for part in _text(proc / "sys/net/ipv4/ip_local_reserved_ports").strip().split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last.isdigit() or not last):
            found.append((int(first), int(last or first)))
    return tuple(found)


def udp_memory(proc: Path = PROC) -> int | None:
    """Return how many bytes the buffers of all UDP sockets may take together, None if it cannot be read."""
    pages = _text(proc / "sys/net/ipv4/udp_mem").split()
    return int(pages[2]) * PAGESIZE if len(pages) == 3 and pages[2].isdigit() else None


def memory_info(proc: Path = PROC) -> dict[str, int]:
    """Return /proc/meminfo in bytes, by name; empty if it cannot be read."""
    found: dict[str, int] = {}
    for line in _text(proc / "meminfo").splitlines():
        name, _, rest = line.partition(":")
        value, _, unit = rest.strip().partition(" ")
        if unit == "kB" and value.isdigit():
            found[name] = int(value) * 1024
    return found


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as far as the status, with room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),
    )


def clock_synchronised() -> bool | None:
    """Tell whether the kernel holds its clock to be disciplined (NTP or the like); None if it cannot be asked."""
    timex = _Timex()  # modes 0: read only
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    if state < 0:
        return None
    return bool(state != _TIME_ERROR and not timex.status & _STA_UNSYNC)


def _port_range(path: Path) -> tuple[int, int] | None:
    numbers = _text(path).split()
    return (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 and all(n.isdigit() for n in numbers) else None


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None
