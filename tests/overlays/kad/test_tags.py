from __future__ import annotations

import struct

import pytest

from montra.overlays.kad.opcodes import TagName
from montra.overlays.kad.reader import KadError, Reader
from montra.overlays.kad.tags import Tag, number, read_tags, text, write_tags

ALL = bytes.fromhex(
    "09"
    "02 0100 01 0500 6e616d6521"  # string "name!"
    "09 0100 ff 01"
    "08 0100 fd 3612"
    "03 0100 02 00000100"
    "0b 0100 02 0000000001000000"
    "01 0300 414243 000102030405060708090a0b0c0d0e0f"
    "0a 0100 02 08 0000000001000000"
    "04 0100 74 0000c03f"
    "02 0000 0000"
)


def test_every_type_is_read() -> None:
    reader = Reader(ALL)
    assert read_tags(reader) == [
        (b"\x01", "name!"),
        (b"\xff", 1),
        (b"\xfd", 4662),
        (b"\x02", 65536),
        (b"\x02", 4294967296),
        (b"ABC", bytes(range(16))),
        (b"\x02", bytes.fromhex("0000000001000000")),
        (b"t", 1.5),
        (b"", ""),
    ]
    assert reader.left == 0


def test_every_cut_is_refused() -> None:
    for end in range(len(ALL)):
        with pytest.raises(KadError) as error:
            read_tags(Reader(ALL[:end]))
        assert error.value.reason == "too_short"


@pytest.mark.parametrize("kind", [0x00, 0x05, 0x06, 0x07, 0x0C, 0x11, 0x82, 0xFF])
def test_unknown_types_are_refused(kind: int) -> None:
    with pytest.raises(KadError) as error:
        read_tags(Reader(bytes((1, kind)) + b"\x01\x00\x01" + bytes(16)))
    assert error.value.reason == "bad_tag"


def test_text_that_is_no_utf8_is_replaced() -> None:
    assert read_tags(Reader(b"\x01\x02\x01\x00\x01\x02\x00\xffa")) == [(b"\x01", "\N{REPLACEMENT CHARACTER}a")]


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (0, "09 0100 02 00"),
        (255, "09 0100 02 ff"),
        (256, "08 0100 02 0001"),
        (65536, "03 0100 02 00000100"),
        (2**32, "0b 0100 02 0000000001000000"),
        ("häm", "02 0100 02 0400 68c3a46d"),
        (b"\1\2", "0a 0100 02 02 0102"),
        (1.5, "04 0100 02 0000c03f"),
    ],
)
def test_values_are_written_as_short_as_they_fit(value: int | str | bytes | float, data: str) -> None:
    written = write_tags([(TagName.FILE_SIZE, value)])
    assert written == b"\x01" + bytes.fromhex(data)
    assert read_tags(Reader(written)) == [(TagName.FILE_SIZE, value)]


def test_what_cannot_be_written_raises() -> None:
    with pytest.raises(OverflowError):
        write_tags([(b"\x02", 2**64)])
    with pytest.raises(OverflowError):
        write_tags([(b"\x02", -1)])
    with pytest.raises(struct.error):
        write_tags([(b"\x01", "x" * 65536)])


def test_looking_up() -> None:
    tags: list[Tag] = [(b"\x01", 5), (b"\x01", "name"), (b"\x02", b"\1\0\0\0\0\0\0\1"), (b"\x02", 7), (b"\x03", b"ab")]
    assert text(tags, b"\x01") == "name"
    assert text(tags, b"\x02") == ""
    assert number(tags, b"\x01") == 5
    assert number(tags, b"\x02") == 0x0100000000000001  # a bsob of eight bytes
    assert number(tags, b"\x03") == 0
