from __future__ import annotations

import resource
import socket
from collections.abc import Callable
from mmap import PAGESIZE
from pathlib import Path

import pytest

from montra.datagrams import ip_number
from montra.endpoint import host


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A small /proc."""
    files = {
        "sys/net/core/rmem_max": "212992\n",
        "sys/net/netfilter/nf_conntrack_count": "17\n",
        "sys/net/netfilter/nf_conntrack_max": "262144\n",
        "sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
        "sys/net/ipv4/ip_local_reserved_ports": "20000-29999,40000\n",
        "sys/net/ipv4/udp_mem": "575799\t767734\t1151598\n",
        "sys/net/ipv4/ip_nonlocal_bind": "0\n",
        "sys/net/core/netdev_max_backlog": "1000\n",
        "meminfo": "MemTotal:       16384 kB\nMemAvailable:    8192 kB\nHugePages_Total:       0\n",
        "net/snmp": (
            "Tcp: RtoAlgorithm RtoMin\nTcp: 1 200\n"
            "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors\nUdp: 36 0 9 47 8\n"
        ),
        "net/udp": (
            "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref "
            "pointer drops\n"
            "  100: 0100B47F:51A4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 77 2 0000 5\n"
            "  101: 0200B47F:51A4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 78 2 0000 3\n"
            "  102: 00000000:51A5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 79 2 0000 1\n"
            "  103: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 80 2 0000 9\n"
        ),
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_facts_of_a_known_host(proc: Path) -> None:
    facts = host.host_facts(proc)
    assert facts.receive_buffer_max == 212992
    assert facts.receive_buffer_errors == 8
    assert facts.conntrack == (17, 262144)
    assert facts.memory_total == 16384 * 1024
    assert facts.memory_available == 8192 * 1024
    assert facts.ephemeral_ports == (32768, 60999)
    assert facts.reserved_ports == ((20000, 29999), (40000, 40000))
    assert facts.udp_memory == 1151598 * PAGESIZE
    assert facts.backlog == 1000
    assert facts.nonlocal_bind is False
    assert (facts.open_files_soft, facts.open_files_hard) == resource.getrlimit(resource.RLIMIT_NOFILE)


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    facts = host.host_facts(tmp_path)
    assert facts.receive_buffer_max is None
    assert facts.receive_buffer_errors is None
    assert facts.conntrack is None
    assert facts.memory_total is None
    assert (facts.ephemeral_ports, facts.reserved_ports, facts.udp_memory, facts.backlog) == (None, (), None, None)
    assert host.udp_drops(range(1, 65536), tmp_path) == {}


def test_drops_by_port(proc: Path) -> None:
    assert host.udp_drops(range(20900, 20902), proc) == {0x51A4: 8, 0x51A5: 1}
    assert 0x51A4 == 20900


def test_drops_of_a_real_socket(free_ports: Callable[[int], range], peer: socket.socket) -> None:
    port = free_ports(1)[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as full:
        full.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        full.bind(("127.180.4.1", port))
        errors = host.udp_receive_buffer_errors()
        for _ in range(50):
            peer.sendto(b"x" * 1000, ("127.180.4.1", port))
        dropped = host.udp_drops({port})[port]
        assert 40 <= dropped < 50
        assert errors is not None
        assert (host.udp_receive_buffer_errors() or 0) >= errors + dropped


def test_is_local() -> None:
    assert host.is_local(ip_number("127.180.77.77"))
    assert not host.is_local(ip_number("192.0.2.1"))


def test_clock_is_asked_not_guessed() -> None:
    assert host.clock_synchronised() in (True, False)


def test_real_memory() -> None:
    facts = host.host_facts()
    assert facts.memory_total is not None
    assert facts.memory_available is not None
    assert 0 < facts.memory_available <= facts.memory_total
