"""The packet file: any reader's format, and nothing but whole ones."""

import os
import shutil
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from montra.lab.clients.namespace import Namespace, namespace
from montra.lab.clients.wire import Packet
from montra.lab.kad.pcap import Recorder, read_packets
from montra.lab.settings import LabError

HEADER = bytes.fromhex("4d3cb2a1 0200 0400 00000000 00000000 ffff0000 65000000")
#: IPv4 without options and UDP: 100.64.1.1:4672 to 100.96.1.2:5000, six bytes of payload; padding behind.
IP = bytes.fromhex("45000022 00000000 40110000 64400101 64600102")
DATA = IP + bytes.fromhex("1240 1388 000e 0000") + b"hello!" + b"padding"


def row(time_ns: int, data: bytes) -> bytes:
    return struct.pack("<IIII", *divmod(time_ns, 10**9), len(data), len(data)) + data


def test_reads_packets(tmp_path: Path) -> None:
    path = tmp_path / "some.pcap"
    path.write_bytes(HEADER + row(1_500_000_000_000_000_007, DATA))
    assert list(read_packets(path)) == [
        Packet(1_500_000_000_000_000_007, 0x64400101, 4672, 0x64600102, 5000, b"hello!")
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no packet file"),
        (b"\xd4\xc3\xb2\xa1" + HEADER[4:], "no packet file"),
        (HEADER + row(1, DATA)[:10], "cut short"),
        (HEADER + row(1, DATA)[:-1], "cut short"),
    ],
)
def test_refuses_what_is_no_whole_file_of_ours(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "some.pcap"
    path.write_bytes(content)
    with pytest.raises(LabError, match=said):
        list(read_packets(path))


def test_says_which_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"gone\.pcap: No such file"):
        list(read_packets(tmp_path / "gone.pcap"))


@pytest.fixture
def inside() -> Iterator[Namespace]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    try:
        with namespace(f"montra-{os.getpid()}-p", "127.0.0.1", "100.64.0.0/10") as made:
            yield made
    except LabError as error:
        pytest.skip(str(error))


@pytest.mark.netns
def test_records_each_packet_of_a_namespace_once(tmp_path: Path, inside: Namespace) -> None:
    path = tmp_path / "some.pcap"
    begin_ns = time.time_ns()
    sender, receiver = (inside.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with closing(sender), closing(receiver), Recorder(inside, path) as recorder:
        sender.bind(("100.64.1.1", 4672))
        receiver.bind(("100.96.1.2", 5000))
        receiver.settimeout(10)
        for number in range(20):
            sender.sendto(bytes([number]), ("100.96.1.2", 5000))
            assert receiver.recv(10) == bytes([number])
    packets = list(read_packets(path))
    assert recorder.dropped == 0
    assert [packet.payload for packet in packets] == [bytes([number]) for number in range(20)]
    assert {packet[1:5] for packet in packets} == {(0x64400101, 4672, 0x64600102, 5000)}
    assert all(begin_ns <= packet.time_ns <= time.time_ns() for packet in packets)
