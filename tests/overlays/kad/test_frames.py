from __future__ import annotations

import zlib

import pytest

from montra.overlays.kad.frames import packed, unpacked
from montra.overlays.kad.reader import KadError

BODY = b"montra " * 100


def test_long_packets_are_packed_if_it_helps() -> None:
    small = packed(b"\xe4\x43" + BODY)
    assert small[:2] == b"\xe5\x43"
    assert zlib.decompress(small[2:]) == BODY
    assert len(small) < 60
    short = b"\xe4\x43" + BODY[:200]
    assert packed(short) == short
    dense = b"\xe4\x43" + zlib.compress(bytes(range(256)) * 2, 9)
    assert packed(dense) == dense


def test_both_forms_are_read() -> None:
    assert unpacked(b"\xe4\x60", 2000) == (b"\xe4\x60", False)
    assert unpacked(b"\xe5\x43" + zlib.compress(BODY), 2000) == (b"\xe4\x43" + BODY, False)
    assert unpacked(b"\xe5\x60" + zlib.compress(b""), 2000) == (b"\xe4\x60", False)


def test_too_much_is_cut() -> None:
    assert unpacked(b"\xe4\x43" + BODY, 100) == (b"\xe4\x43" + BODY[:98], True)
    assert unpacked(b"\xe5\x43" + zlib.compress(BODY), 100) == (b"\xe4\x43" + BODY[:98], True)
    bomb = b"\xe5\x43" + zlib.compress(bytes(10_000_000), 9)
    assert len(bomb) < 10_000
    assert unpacked(bomb, 2043) == (b"\xe4\x43" + bytes(2041), True)


def test_what_came_cut_is_taken_as_far_as_it_goes() -> None:
    data = zlib.compress(bytes(range(250)) * 3)
    packet, cut = unpacked(b"\xe5\x43" + data[:200], 2000, cut=True)
    assert cut
    assert 100 < len(packet) < 752
    assert (b"\xe4\x43" + bytes(range(250)) * 3).startswith(packet)
    assert unpacked(b"\xe4\x43abc", 2000, cut=True) == (b"\xe4\x43abc", True)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "too_short"),
        (b"\xe4", "too_short"),
        (b"\xc5\x94abc", "not_kad"),
        (b"\xe5\x43", "unreadable"),
        (b"\xe5\x43 no stream", "unreadable"),
        (b"\xe5\x43" + zlib.compress(BODY)[:-1], "unreadable"),
        (b"\xe5\x43" + zlib.compress(BODY)[:-4] + b"\0\0\0\0", "unreadable"),
    ],
)
def test_what_is_no_packet(data: bytes, reason: str) -> None:
    with pytest.raises(KadError) as error:
        unpacked(data, 2000)
    assert error.value.reason == reason
