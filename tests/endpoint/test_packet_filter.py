"""The filters, run by the kernel on real datagrams."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

import pytest

from montra.datagrams import ip_number
from montra.endpoint import packet_filter
from montra.endpoint.ring import PacketRing, RingSettings, open_ring

Ports = Callable[[int], range]
CRAWLER = "127.180.0.1"


def passed(ring: PacketRing) -> list[int]:
    """Return the destination ports of the packets in the ring."""
    select.select([ring.socket], [], [], 0)
    frames = ring.waiting(ring.frames)
    packets = ring.flat.reshape(ring.frames, -1)[frames]
    found: list[int] = (packets[:, 122].astype(int) * 256 + packets[:, 123]).tolist()
    ring.give_back(frames)
    return found


@pytest.mark.parametrize(
    ("crawler", "monitors", "expected"),
    [(True, True, [0, 2, 3, 4]), (True, False, [0]), (False, True, [2, 3, 4])],
)
def test_what_is_kept(
    free_ports: Ports, peer: socket.socket, crawler: bool, monitors: bool, expected: list[int]
) -> None:
    ports = free_ports(6)
    own = (ip_number(CRAWLER), ports[0]) if crawler else None
    program = packet_filter.datagrams_for(own, ports[2:5] if monitors else None)
    try:
        ring = open_ring(program, RingSettings(1 << 20, "lo"))
    except Exception as error:
        if "CAP_NET_RAW" in str(error):
            pytest.skip("needs CAP_NET_RAW")
        raise
    try:
        for port in ports:
            peer.sendto(b"x", (CRAWLER, port))
        peer.sendto(b"x", ("127.180.0.2", ports[0]))  # the crawler's port at another address
        assert passed(ring) == [ports[i] for i in expected]
        peer.sendto(b"x", ("127.180.0.2", ports[3]))
        assert passed(ring) == ([ports[3]] if monitors else [])
        with socket.create_server((CRAWLER, ports[3])), socket.create_connection((CRAWLER, ports[3])):
            assert passed(ring) == []  # TCP is none of ours
        assert ring.drops() == 0
    finally:
        ring.close()


def test_drop_all_keeps_nothing(free_ports: Ports, peer: socket.socket) -> None:
    (port,) = free_ports(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as own:
        packet_filter.attach(own, packet_filter.DROP_ALL)
        own.bind((CRAWLER, port))
        peer.sendto(b"x", (CRAWLER, port))
        with pytest.raises(BlockingIOError):
            own.recv(9)
