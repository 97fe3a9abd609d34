from __future__ import annotations

import socket
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from montra.datagrams import ip_number
from montra.endpoint.control import CONTROL_BYTES, SEND_CONTROL_BYTES, ControlColumns, read_control, source_control

STAMP = struct.pack("@Nii", 32, 1, 35) + struct.pack("@qq", 1_700_000_000, 123_456_789)
DROPS = struct.pack("@Nii", 20, 1, 40) + struct.pack("@I4x", 0xFFFF_FFFE)
INFO = struct.pack("@Nii", 28, 0, 8) + struct.pack("@i", 1) + bytes([10, 0, 0, 9]) + bytes([10, 0, 0, 7]) + bytes(4)
OTHER = struct.pack("@Nii", 20, 0, 2) + struct.pack("@I4x", 64)  # IP_TTL


def read(*rows: bytes) -> ControlColumns:
    control = np.zeros((len(rows), CONTROL_BYTES), np.uint8)
    for i, row in enumerate(rows):
        control[i, : len(row)] = np.frombuffer(row, np.uint8)
    return read_control(control, np.array([len(row) for row in rows], np.uint64))


def test_the_usual_layout_and_strange_ones_in_one_batch() -> None:
    columns = read(
        STAMP + INFO,
        STAMP + DROPS + INFO,
        INFO + STAMP,  # another order
        OTHER + STAMP + DROPS + INFO,  # one more message
        STAMP,
        b"",
    )
    ip, at = ip_number("10.0.0.7"), 1_700_000_000_123_456_789
    assert columns.destination_ip.tolist() == [ip, ip, ip, ip, 0, 0]
    assert columns.wall_ns.tolist() == [at, at, at, at, at, 0]


def test_all_rows_of_the_usual_layout() -> None:
    columns = read(*[STAMP + INFO] * 5)
    assert columns.destination_ip.tolist() == [ip_number("10.0.0.7")] * 5
    assert columns.wall_ns.tolist() == [1_700_000_000_123_456_789] * 5


def test_stale_bytes_beyond_what_is_used_are_not_read() -> None:
    control = np.zeros((1, CONTROL_BYTES), np.uint8)
    whole = STAMP + DROPS + INFO
    control[0, : len(whole)] = np.frombuffer(whole, np.uint8)
    columns = read_control(control, np.array([len(STAMP)], np.uint64))
    assert columns.wall_ns.tolist() == [1_700_000_000_123_456_789]
    assert columns.destination_ip.tolist() == [0]


@given(st.lists(st.binary(max_size=CONTROL_BYTES), max_size=5))
def test_any_bytes_are_read_to_an_end(rows: list[bytes]) -> None:
    assert len(read(*rows).wall_ns) == len(rows)


def test_source_control_is_one_pktinfo_with_spec_dst() -> None:
    control, spec_dst = source_control(3)
    spec_dst[:] = [ip_number("127.180.0.1"), ip_number("127.180.0.2"), ip_number("10.0.0.7")]
    assert control.shape == (3, SEND_CONTROL_BYTES)
    header = struct.pack("@Nii", socket.CMSG_LEN(12), socket.IPPROTO_IP, 8)
    assert control[2].tobytes() == header + struct.pack("@i", 0) + bytes([10, 0, 0, 7]) + bytes(4) + bytes(4)
