"""Blocks that montra 0.1 wrote are still read; nothing that is none does harm."""

from __future__ import annotations

import base64
from dataclasses import fields

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zone_store.run.blocks import MAX_ROWS, BlockError, decode_captures, decode_lookups

#: Six rows written by montra 0.1.0; see the literal values below.
CAPTURES = base64.b64decode(
    "lgEBBAYUmpMUxAgAYMewdhfqGMQUAQAAAAQAAAAAAAAAJwEAAEQQAQCTAMQEBwAAAMQAkwHECAEAAH8CAAB/xAYAAQABAAGT/8QMAQACAAMABAAF"
    "AAYAxACTAcQoAQEBAQEBAQEBAQEBAQEBAQEBAQECAgICAgICAgICAgICAgICAgICAsQGAAEAAQABkwHEKAEBAQEBAQEBAQEBAQEBAQEBAQEBAgIC"
    "AgICAgICAgICAgICAgICAgLEBgEAAQABAJMAxAEBxACTAcQEAAAEAMQGAAEAAQABkwDEBAgCVEzEAJMAxAIAAMQA"
)
LOOKUPS = base64.b64decode(
    "lgECBAYU3AAQkxTECABgx7B2F+oYxBQBAAAABAAAAAAAAAAnAQAARBABAJMUxAgFYMewdhfqGMQUAQAAAAQAAAAAAAAAJwEAAEQQAQCTAcQIAQAA"
    "fwIAAH/EBgABAAEAAZP/xAwBAAIAAwAEAAUABgDEAJMBxCgBAQEBAQEBAQEBAQEBAQEBAQEBAQICAgICAgICAgICAgICAgICAgICxAYAAQABAAGT"
    "AcQoAQEBAQEBAQEBAQEBAQEBAQEBAQECAgICAgICAgICAgICAgICAgICAsQGAQABAAEAkwDEAQHEAJMBxAQAAAQAxAYAAQABAAGTAMQECAJUTMQA"
    "kwDEAggAxACTAMQECQAAAMQAkwDEBAcAAADEAJMAxAQHAAAAxACTAMQCAADEAJMBxAgAAMA/AACAf8QGAAEAAQABkwDEAQDEAA=="
)
START_NS = 1_795_273_200_000_000_000


def test_captures_of_montra_0_1() -> None:
    table = decode_captures(CAPTURES)
    assert (table.time_ns - START_NS).tolist() == [0, 1, 5, 5, 300, 70_000]
    assert table.attachment.tolist() == [7] * 6
    assert table.source_ip.tolist() == [0x7F000001, 0x7F000002] * 3
    assert table.source_port.tolist() == [1, 2, 3, 4, 5, 6]
    assert table.requester_id.tolist() == [[1] * 20, [2] * 20] * 3
    assert table.key.tolist() == [[2] * 20, [1] * 20] * 3
    assert table.flags.tolist() == [0, 4] * 3
    assert set(table.version.tolist()) == {0x4C540208}
    assert all(getattr(table, f.name).flags.writeable for f in fields(table))


def test_lookups_of_montra_0_1_are_to_be_made_again() -> None:
    with pytest.raises(BlockError, match="written by an older version; analyze the run again"):
        decode_lookups(LOOKUPS)


def altered(position: int, value: object) -> bytes:
    values = msgspec.msgpack.decode(CAPTURES)
    values[position] = value
    return msgspec.msgpack.encode(values)


def with_column(position: int, packed: object) -> bytes:
    values = msgspec.msgpack.decode(CAPTURES)
    values[5][position] = packed
    return msgspec.msgpack.encode(values)


def test_forms_that_six_rows_do_not_need() -> None:
    wide = np.array([0, 1, 2, 3, 2, 1], np.uint16).tobytes()
    table = decode_captures(with_column(1, [2, np.arange(10, 14, dtype=np.uint32).tobytes(), wide]))
    assert table.attachment.tolist() == [10, 11, 12, 13, 12, 11]
    falling = np.array([5, 4, 3, 2, 1, 0], np.int64)
    assert decode_captures(with_column(0, [-1, falling.tobytes(), b""])).time_ns.tolist() == falling.tolist()
    steps = [17, START_NS.to_bytes(8, "little"), bytes([1, 2, 3, 4, 5])]
    assert (decode_captures(with_column(0, steps)).time_ns - START_NS).tolist() == [0, 1, 3, 6, 10, 15]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (altered(1, 2), "block of table 2, not 1"),
        (altered(2, 6), "address family 6, this version reads 4"),
        (altered(3, -1), "block of -1 rows"),
        (altered(3, MAX_ROWS + 1), "block of 1048577 rows"),
        (altered(3, 4), "column time_ns: 5 rises for 4 rows"),
        (altered(4, 0), "IDs of 0 bytes"),
        (altered(4, 65), "IDs of 65 bytes"),
        (altered(4, 21), "column requester_id"),
        (altered(5, []), "0 columns, not 10"),
        (altered(5, [1] * 10), "no block"),
        (CAPTURES[:-1], "no block"),
        (CAPTURES + b"\x00", "no block"),
        (LOOKUPS, "block of table 2, not 1"),
        (with_column(1, [-1, b"abc", b""]), "column attachment"),
        (with_column(1, [-1, bytes(24), b"x"]), "column attachment: 6 values for 6 rows"),
        (with_column(1, [0, bytes(8), b""]), "column attachment: 2 values for a column of one"),
        (with_column(1, [1, bytes(8), b"\x00\x01\x02\x00\x00\x00"]), "index does not fit the dictionary"),
        (with_column(1, [1, bytes(8), b"\x00\x01"]), "index does not fit the dictionary"),
        (with_column(1, [2, bytes(8), b"\x00"]), "column attachment"),
        (with_column(1, [3, bytes(8), b""]), "column attachment: unknown form 3"),
        (with_column(1, [17, bytes(4), b"\x00\x00"]), "column attachment: unknown form 17"),
        (with_column(0, [17, bytes(16), bytes(5)]), "column time_ns: 5 rises for 6 rows"),
    ],
)
def test_what_is_no_block_is_refused_with_its_reason(data: bytes, message: str) -> None:
    with pytest.raises(BlockError, match=message):
        decode_captures(data)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_blocks_decode_or_raise_block_errors(damage: list[tuple[int, int]]) -> None:
    data = bytearray(CAPTURES)
    for place, value in damage:
        data[place % len(data)] = value
    try:
        table = decode_captures(bytes(data))
    except BlockError:
        return
    assert all(len(getattr(table, f.name)) == len(table) for f in fields(table))
