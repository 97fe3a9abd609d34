from __future__ import annotations

import struct

import pytest

from montra.overlays.kad.messages import Contact
from montra.overlays.kad.nodes_dat import read, write

FIRST = Contact(bytes(range(16)), 0x64400201, 4672, 4662, 8)
SECOND = Contact(bytes(range(16, 32)), 0x0A000001, 1, 2, 9)
ROWS = [
    bytes.fromhex("03020100070605040b0a09080f0e0d0c 01024064 4012 3612 08"),
    bytes.fromhex("13121110171615141b1a19181f1e1d1c 0100000a 0100 0200 09"),
]
KEYS = struct.pack("<IIB", 5, 6, 1)


def numbers(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


@pytest.mark.parametrize(
    "data",
    [
        numbers(0, 1, 2) + ROWS[0] + ROWS[1],
        numbers(0, 2, 2) + ROWS[0] + KEYS + ROWS[1] + KEYS,
        numbers(0, 3, 1, 2) + ROWS[0] + ROWS[1],
        numbers(0, 3, 0, 2) + ROWS[0] + KEYS + ROWS[1] + KEYS,
        numbers(0, 1, 2) + ROWS[0] + ROWS[1] + b"more",
    ],
)
def test_every_version_is_read(data: bytes) -> None:
    assert read(data) == [FIRST, SECOND]


def test_version_0_has_types_and_its_dead_are_left_out() -> None:
    alive, dead = ROWS[0][:-1] + b"\3", ROWS[1][:-1] + b"\4"
    assert read(numbers(2) + alive + dead) == [FIRST._replace(version=0)]


def test_written_as_version_2() -> None:
    data = write([FIRST, SECOND])
    key = struct.pack("<IIB", 0, 0, 1)
    assert data == numbers(0, 2, 2) + ROWS[0] + key + ROWS[1] + key
    assert read(data) == [FIRST, SECOND]
    assert read(write([])) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "nodes.dat ends before its last contact"),
        (numbers(0), "nodes.dat ends before its last contact"),
        (numbers(0, 1, 3) + ROWS[0] + ROWS[1], "nodes.dat ends before its last contact"),
        (numbers(0, 2, 2) + ROWS[0] + ROWS[1], "nodes.dat ends before its last contact"),
        (numbers(0, 2, 0xFFFFFFFF), "nodes.dat ends before its last contact"),
        (numbers(0xFFFFFFFF), "nodes.dat ends before its last contact"),
        (numbers(0, 4, 0), "nodes.dat has unknown version 4"),
        (numbers(0, 0, 0), "nodes.dat has unknown version 0"),
        (b"<html>404 not found</html>", "nodes.dat ends before its last contact"),
    ],
)
def test_what_is_no_such_file(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(data)
