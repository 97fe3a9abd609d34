"""What packets of the second phase say of content IDs, from literal bytes, and what of it is left out."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import numpy as np

from montra.datagrams import Counters, DatagramBatch
from montra.overlays.base import Said
from montra.overlays.kad.contents import MOST_NAME, MOST_TAGS, contents
from montra.overlays.kad.head import opened
from montra.overlays.kad.ids import keyword_id, to_wire
from zone_store.contents import Content, What

KEY = bytes(range(0xA0, 0xB0))
FILE = bytes(range(0xB0, 0xC0))
WIRE_KEY, WIRE_FILE = to_wire(KEY), to_wire(FILE)
#: type, length of the name, name, value
NAME = b"\x02\x01\x00\x01" + b"\x07\x00red.avi"
SIZE = b"\x03\x01\x00\x02" + struct.pack("<I", 734_003_200)
TYPE = b"\x02\x01\x00\x03" + b"\x05\x00Video"
TCP = b"\x08\x01\x00\xfd" + struct.pack("<H", 4662)


def said(
    *packets: bytes, truncated: bool = False, invited: Callable[[int, bytes], bool] = lambda _ip, _key: True
) -> tuple[list[Content], dict[str, int]]:
    """What these packets say, and what of them was counted; "naming": packets that name a content ID."""
    batch = DatagramBatch.of([(70 + i, 3, 0x64400101, 4672, opened(one)) for i, one in enumerate(packets)])
    batch.truncated[:] = truncated
    counters = Counters()
    rows = np.arange(len(packets))
    found, naming = contents(Said(batch, rows, 40 + rows.astype(np.uint32), invited), counters)
    return found, counters.counts | {"naming": naming}


def test_each_file_under_a_keyword_is_one_content() -> None:
    two = WIRE_FILE + b"\x03" + NAME + SIZE + TYPE + WIRE_KEY + b"\x01" + SIZE
    found, counters = said(b"\xe4\x60", b"\xe4\x43" + WIRE_KEY + b"\x02\x00" + two)
    tags = (("type", "Video"),)
    assert found == [
        Content(71, 41, 0x64400101, 4672, What.KEYWORD, KEY, FILE, 734_003_200, "red.avi", tags),
        Content(71, 41, 0x64400101, 4672, What.KEYWORD, KEY, KEY, 734_003_200),
    ]
    assert counters == {"naming": 1}


def test_of_a_packet_that_was_cut_the_whole_files_are_taken() -> None:
    packet = b"\xe4\x43" + WIRE_KEY + b"\x02\x00" + WIRE_FILE + b"\x01" + SIZE + WIRE_KEY[:5]
    assert [one.file_id for one in said(packet, truncated=True)[0]] == [FILE]
    assert said(packet) == ([], {"unreadable": 1, "naming": 1})


def test_what_is_not_wanted_is_not_read() -> None:
    asked = []

    def invited(ip: int, key: bytes) -> bool:
        asked.append((ip, key))
        return False

    broken = b"\xe4\x43" + WIRE_KEY + b"\xff"
    assert said(broken, b"\xe4\x44" + WIRE_FILE, b"\xe4\x60", invited=invited) == ([], {"uninvited": 2, "naming": 2})
    assert asked == [(0x64400101, KEY), (0x64400101, FILE)]
    assert said(broken[:17], invited=invited) == ([], {"unreadable": 1, "naming": 1})


def test_more_files_than_clients_send_are_not_read() -> None:
    files = 51 * (WIRE_FILE + b"\x00")
    assert len(said(b"\xe4\x43" + WIRE_KEY + b"\x32\x00" + files)[0]) == 50
    assert said(b"\xe4\x43" + WIRE_KEY + b"\x33\x00" + files) == ([], {"unreadable": 1, "naming": 1})


def test_a_source_is_a_file_without_its_publisher() -> None:
    found, _ = said(b"\xe4\x44" + WIRE_FILE + bytes(range(16)) + b"\x02" + TCP + SIZE)
    assert found == [Content(70, 40, 0x64400101, 4672, What.SOURCE, FILE, FILE, 734_003_200)]


def test_notes_keep_what_is_said_of_the_file() -> None:
    rating, comment = b"\x09\x01\x00\xf7\x04", b"\x02\x01\x00\x0b\x04\x00good"
    found, _ = said(b"\xe4\x45" + WIRE_FILE + bytes(16) + b"\x03" + NAME + rating + comment)
    assert [(one.what, one.key, one.file_id, one.name, one.tags) for one in found] == [
        (What.NOTES, FILE, FILE, "red.avi", (("rating", "4"), ("comment", "good")))
    ]


def test_searches_tell_keyword_file_and_size() -> None:
    word = b"\x01\x03\x00big"
    found, _ = said(
        b"\xe4\x33" + WIRE_KEY + b"\x00\x80" + word,
        b"\xe4\x33" + WIRE_KEY + b"\x00\x00",
        b"\xe4\x34" + WIRE_FILE + b"\x00\x00" + struct.pack("<Q", 5 << 30),
        b"\xe4\x35" + WIRE_FILE + struct.pack("<Q", 1 << 63),
    )
    assert [(one.what, one.key, one.file_id, one.size, one.tags) for one in found] == [
        (What.SEARCH_KEYWORD, KEY, b"", 0, (("expression", "big"),)),
        (What.SEARCH_KEYWORD, KEY, b"", 0, ()),
        (What.SEARCH_SOURCE, FILE, FILE, 5 << 30, ()),
        (What.SEARCH_NOTES, FILE, FILE, 0, ()),  # no file is so large
    ]


def test_a_search_for_a_buddy_is_told_apart() -> None:
    found, _ = said(b"\xe4\x51" + WIRE_KEY + bytes(16) + b"\x36\x12")
    assert found == [Content(70, 40, 0x64400101, 4672, What.BUDDY, KEY)]


def test_texts_and_tags_are_bounded() -> None:
    long_name = b"\x02\x01\x00\x01" + struct.pack("<H", 1000) + b"x" * 1000
    many = b"".join(b"\x09\x01\x00" + bytes([0x80 + n]) + b"\x01" for n in range(40))
    found, _ = said(b"\xe4\x44" + WIRE_FILE + bytes(16) + bytes([41]) + long_name + many)
    assert (len(found[0].name), len(found[0].tags), found[0].tags[0]) == (MOST_NAME, MOST_TAGS, ("80", "1"))


def test_no_bytes_make_it_raise() -> None:
    rng = random.Random(5)
    whole = b"\xe4\x43" + WIRE_KEY + b"\x02\x00" + 2 * (WIRE_FILE + b"\x03" + NAME + SIZE + TYPE)
    packets = []
    for opcode in (0x33, 0x34, 0x35, 0x43, 0x44, 0x45, 0x51):
        for _ in range(300):
            packet = bytearray(whole[: rng.randrange(2, len(whole) + 1)])
            packet[1] = opcode
            for _ in range(rng.randrange(4)):
                packet[rng.randrange(2, len(packet) + 1) - 1] = rng.randrange(256)
            packets.append(bytes(packet))
    found, counters = said(*packets)
    assert counters["unreadable"] > 100
    assert all(len(one.key) == 16 and one.size >= 0 for one in found)


def test_keywords_are_the_md4_of_the_lower_case_word() -> None:
    # RFC 1320, A.5
    assert keyword_id("ABC").hex() == "a448017aaf21d8525fc10ae87aa6729d"
