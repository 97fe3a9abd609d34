"""What the ring makes of packets that are not as usual, beside what the kernel's own UDP makes of the same ones."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from random import Random

import numpy as np
import pytest

from montra.datagrams import Counters, ip_number
from montra.endpoint.errors import EndpointError
from montra.endpoint.frames import gather, read_frames
from montra.endpoint.intake import open_intake
from montra.endpoint.plan import AddressPlan
from montra.endpoint.ring import FRAME_BYTES, RingSettings, open_ring
from montra.endpoint.sockets import open_sockets

Ports = Callable[[int], range]
SOURCE = "127.180.254.1"
MONITOR = "127.180.1.1"
NOTHING = bytes([1])  # IP option 1 does nothing


@pytest.fixture
def raw() -> Iterator[socket.socket]:
    """Return a socket that sends IP packets as they are handed in."""
    try:
        opened = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    except PermissionError:
        pytest.skip("needs CAP_NET_RAW")
    with opened:
        yield opened


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{len(data) // 2}H", data)) if len(data) % 2 == 0 else checksum_odd(data)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def checksum_odd(data: bytes) -> int:
    return sum(struct.unpack(f">{len(data) // 2 + 1}H", data + b"\0"))


def packet(
    port: int,
    payload: bytes,
    *,
    to: str = MONITOR,
    options: bytes = b"",
    fragment: int = 0,
    length: int | None = None,
    wrong: int | None = None,
    protocol: int = 17,
) -> bytes:
    """Return an IP packet; length: what the UDP header says; wrong: what to write for the checksum."""
    source, destination = socket.inet_aton(SOURCE), socket.inet_aton(to)
    said = 8 + len(payload) if length is None else length
    udp = struct.pack(">HHH", 4000, port, said)
    covered = (udp + b"\0\0" + payload)[:said] if said >= 8 else b""
    right = checksum(source + destination + struct.pack(">BBH", 0, 17, said) + covered) or 0xFFFF
    udp += struct.pack(">H", right if wrong is None else wrong)
    header = struct.pack(">BBHHHBBH", 0x45 + len(options) // 4, 0, 0, 7, fragment, 64, protocol, 0)
    return header + source + destination + options + udp + payload


def received(
    plan: AddressPlan, way: str, packets: list[bytes], raw: socket.socket
) -> tuple[list[bytes], dict[str, int]]:
    """Return the payloads that come out when these packets go in, and what was counted."""
    counters = Counters()
    ring = RingSettings(1 << 20) if way == "ring" else None
    with open_sockets(plan, "shared", 1 << 20, ring=ring) as sockets, select.epoll() as waiting:
        intake = open_intake(plan, sockets, 64, counters)
        for data in packets:
            raw.sendto(data, (socket.inet_ntoa(data[16:20]), 0))
        rows = []
        for fd in intake.descriptors():
            waiting.register(fd, select.EPOLLIN)
        intake.wake(fd for fd, _ in waiting.poll(0))
        while intake.more:
            for batch in intake.receive(time.time_ns(), 0):
                for row in range(len(batch)):
                    assert batch.source_ip[row] == ip_number(SOURCE)
                    assert batch.source_port[row] == 4000
                    rows.append(b"%d " % batch.local[row] + batch.payload(row))
        return sorted(rows), counters.counts


def plan_of(ports: range) -> AddressPlan:
    return AddressPlan(f"127.180.0.1:{ports[0]}", [MONITOR], f"{ports[1]}-{ports[-1]}")


def test_ring_and_sockets_agree_on_odd_packets(free_ports: Ports, raw: socket.socket) -> None:
    ports = free_ports(5)
    plan = plan_of(ports[:3])
    crawler, first, last, beyond = ports[0], ports[1], ports[2], ports[3]
    whole = [
        packet(first, b"usual"),
        packet(last, b""),
        packet(last, b"odd"),
        packet(first, b"x" * 3000),
        packet(first, b"no checksum", wrong=0),
        packet(first, b"options", options=NOTHING * 4),
        packet(first, b"many options" * 20, options=NOTHING * 40),
        packet(first, b"one fragment only, may not be split", fragment=0x4000),
        packet(first, b"said less" + b"trailing", length=8 + 9),
        packet(crawler, b"crawler", to="127.180.0.1"),
    ]
    refused = [
        packet(first, b"wrong", wrong=0x1234),
        packet(first, b"wrong and long" * 90, wrong=0x1234),
        packet(first, b"wrong among options", wrong=0x1234, options=NOTHING * 8),
        packet(first, b"said more", length=100),
        packet(first, b"less than a header", length=7),
        packet(beyond, b"beyond the last port"),
        packet(first - 2, b"below the first port"),
        packet(crawler, b"the crawler's port elsewhere"),
        packet(first, b"no UDP", protocol=253),
    ]
    packets = [*whole, *refused, packet(first, b"of a neighbour", to="127.180.1.2")]
    by_sockets, counted = received(plan, "sockets", packets, raw)
    assert len(by_sockets) == len(whole)
    assert counted.pop("kernel_drops") <= 3  # that is where the kernel counts wrong checksums
    assert counted == {"received": 11, "foreign_destination": 1, "truncated": 1}
    by_ring, counted = received(plan, "ring", packets, raw)
    assert by_ring == by_sockets
    assert counted.pop("bad_checksum") == 3
    assert counted.pop("bad_packet") == 2
    assert counted == {"received": 11, "foreign_destination": 1, "truncated": 1}


def test_ring_and_sockets_agree_on_random_packets(free_ports: Ports, raw: socket.socket) -> None:
    ports = free_ports(3)
    plan = plan_of(ports)
    rng = Random(5)
    packets = []
    for number in range(150):
        payload = b"%d " % number + rng.randbytes(rng.choice((0, 1, 90, 91, 250, 251, 252, 1300)))
        packets.append(
            packet(
                rng.choice(ports),
                payload,
                to=rng.choice((MONITOR, MONITOR, MONITOR, "127.180.0.1")),
                options=NOTHING * rng.choice((0, 0, 0, 4, 12, 40)),
                length=rng.choice((None, None, None, rng.randrange(8 + len(payload) + 3))),
                wrong=rng.choice((None, None, None, 0, rng.randrange(1, 65536))),
            )
        )
    by_sockets, _ = received(plan, "sockets", packets, raw)
    by_ring, counted = received(plan, "ring", packets, raw)
    assert by_ring == by_sockets
    assert 50 < len(by_ring) < 120
    assert counted["bad_checksum"] > 5
    assert counted["bad_packet"] > 5


def test_fragments_are_counted_once_for_each_datagram(free_ports: Ports, raw: socket.socket) -> None:
    ports = free_ports(2)
    plan = plan_of(ports)
    data = packet(ports[1], bytes(range(200)))
    header, body = data[:20], data[20:]

    def piece(at: int, end: int, more: int) -> bytes:
        return header[:6] + struct.pack(">H", more | at // 8) + header[8:20] + body[at:end]

    pieces = [piece(0, 104, 0x2000), piece(104, 160, 0x2000), piece(160, 208, 0)]
    assert received(plan, "sockets", pieces, raw) == ([b"1 " + bytes(range(200))], {"received": 1})
    assert received(plan, "ring", pieces, raw) == ([], {"fragmented": 1})


def frame(data: bytes, *, mac: int = 86, net: int = 100, status: int = 1 | 8, segment: int = 0) -> bytes:
    """Return a frame as the kernel writes it, with a packet whose link header has net - mac bytes."""
    size = net - mac + len(data)
    head = struct.pack("@IIIHHII4x", status, size, size, mac, net, 7, 9)
    vnet = struct.pack("<BBHHHH", 0, 5 if segment else 0, 0, segment, 0, 0)
    return (head.ljust(mac - 10, b"?") + vnet + b"\xaa" * (net - mac) + data).ljust(FRAME_BYTES, b"\xff")


def read(*frames: bytes) -> tuple[list[bytes], dict[str, int]]:
    counters = Counters()
    flat = np.frombuffer(b"".join(frames), np.uint8)
    found, _ = read_frames(flat, slice(0, len(frames)), counters)
    assert (found.kept == found.length).all()
    assert found.wall_ns.tolist() == [7_000_000_009] * len(found)
    assert found.destination_ip.tolist() == [ip_number(MONITOR)] * len(found)
    assert found.destination_port.tolist() == [9] * len(found)
    return [
        flat[at : at + length].tobytes() for at, length in zip(found.at.tolist(), found.length.tolist(), strict=True)
    ], counters.counts


def with_length(data: bytes, length: int | None = None) -> bytes:
    """Write the length of an IP packet into it, which the kernel does for those that it sends."""
    return data[:2] + struct.pack(">H", len(data) if length is None else length) + data[4:]


def test_links_without_and_with_a_longer_header() -> None:
    data = with_length(packet(9, b"payload"))
    assert read(frame(data), frame(data, mac=100), frame(data, mac=84), frame(data, mac=96, net=120)) == (
        [b"payload"] * 4,
        {},
    )


def test_packets_that_contradict_themselves_are_refused() -> None:
    good = with_length(packet(9, b"payload"))
    bad = [
        with_length(packet(9, b"payload"), 36),  # more than there is
        with_length(packet(9, b"payload"), 27),  # less than its headers
        b"\x44" + good[1:],  # a header shorter than it can be
        b"\x65" + good[1:],  # IP version 6
        good[:28],
    ]
    # what pads a frame of Ethernet does not belong to the packet
    assert read(frame(good + bytes(11)), *map(frame, bad), frame(good)) == ([b"payload"] * 2, {"bad_packet": 5})


def test_checksums_are_looked_at_unless_the_kernel_vouches_for_them() -> None:
    good, bad = with_length(packet(9, b"good")), with_length(packet(9, b"bad", wrong=1))
    frames = [frame(good, status=1), frame(bad, status=1), frame(bad, status=1 | 8), frame(bad, status=1 | 128)]
    assert read(*frames) == ([b"good", b"bad", b"bad"], {"bad_checksum": 1})


def test_pieces_are_cut_behind_options_too() -> None:
    data = with_length(packet(9, b"aaabbbc", options=NOTHING * 8))
    single = with_length(packet(9, b"single"))
    empty = with_length(packet(9, b""))
    assert read(frame(single), frame(data, segment=3), frame(empty, segment=3), frame(single)) == (
        [b"single", b"aaa", b"bbb", b"c", b"", b"single"],
        {},
    )


def test_gathers_to_the_end_and_zeros_beyond() -> None:
    flat = np.arange(1, 11, dtype=np.uint8)
    got = gather(flat, np.array([0, 6, 7, 9, 10]), 4)
    assert got.tolist() == [[1, 2, 3, 4], [7, 8, 9, 10], [8, 9, 10, 0], [10, 0, 0, 0], [0, 0, 0, 0]]
    assert gather(flat, np.array([], np.intp), 4).shape == (0, 4)


def test_no_ring_without_the_privilege_or_the_interface(free_ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(free_ports(2))
    with pytest.raises(EndpointError, match=r"there is no interface 'no-such-one'; correct addresses.interface"):
        open_sockets(plan, ring=RingSettings(1 << 20, "no-such-one"))
    with pytest.raises(EndpointError, match=r"addresses.ring of 8192 MiB is too large"):
        open_sockets(plan, ring=RingSettings(8 << 30))
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(EndpointError, match='x86-64 only, this is aarch64: take "sockets"'):
        open_sockets(plan, ring=RingSettings())
    monkeypatch.undo()

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("socket.socket", refused)
    with pytest.raises(EndpointError, match=r'CAP_NET_RAW: grant it .*, or set receive = "sockets"'):
        open_ring(b"", RingSettings())
