"""Blocks: every row comes back, the same rows give the same bytes, and no bytes do harm."""

from __future__ import annotations

from dataclasses import fields, replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from zone_store.captures import Captures, Lookups
from zone_store.run.blocks import (
    BLOCK_SCHEMA,
    MAX_ROWS,
    BlockError,
    decode_captures,
    decode_lookups,
    encode_captures,
    encode_lookups,
)

INT64 = np.iinfo(np.int64)


def identical(a: Captures | Lookups, b: Captures | Lookups) -> bool:
    """Tell whether all columns are the same to the bit (NaN equals itself), types included."""
    columns = [(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)]
    return all(x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in columns)


def column(draw: st.DrawFn, n: int, dtype: type[np.integer]) -> NDArray[np.integer]:
    """Draw a column of few or of many distinct values, the extremes among them."""
    info = np.iinfo(dtype)
    value = draw(st.sampled_from([st.integers(info.min, info.max), st.sampled_from([info.min, info.max, 7])]))
    return np.array(draw(st.lists(value, min_size=n, max_size=n)), dtype)


def id_rows(draw: st.DrawFn, n: int, width: int) -> NDArray[np.uint8]:
    one = st.binary(min_size=width, max_size=width) | st.sampled_from([bytes(width), b"\xff" * width])
    return np.frombuffer(b"".join(draw(st.lists(one, min_size=n, max_size=n))), np.uint8).reshape(n, width)


@st.composite
def captures(draw: st.DrawFn) -> Captures:
    n, width = draw(st.integers(0, 30)), draw(st.sampled_from([16, 20]))
    return Captures(
        time_ns=draw(st.sampled_from([np.sort, np.array]))(column(draw, n, np.int64)),
        attachment=column(draw, n, np.uint32),
        source_ip=column(draw, n, np.uint32),
        source_port=column(draw, n, np.uint16),
        requester_id=id_rows(draw, n, width),
        key=id_rows(draw, n, width),
        kind=column(draw, n, np.uint8),
        flags=column(draw, n, np.uint16),
        version=column(draw, n, np.uint32),
        port=column(draw, n, np.uint16),
    )


@st.composite
def lookups(draw: st.DrawFn) -> Lookups:
    base = draw(captures())
    n = len(base)
    margins = draw(st.lists(st.floats(width=32), min_size=n, max_size=n))
    return Lookups(
        time_ns=base.time_ns,
        last_ns=column(draw, n, np.int64),
        source_ip=base.source_ip,
        source_port=base.source_port,
        requester_id=base.requester_id,
        key=base.key,
        kind=base.kind,
        flags=base.flags,
        version=base.version,
        copies=column(draw, n, np.uint16),
        packets=column(draw, n, np.uint32),
        destination=base.attachment,
        closest=column(draw, n, np.uint32),
        rank=column(draw, n, np.uint16),
        margin=np.array(margins, np.float32),
        maintenance=column(draw, n, np.uint8),
    )


@given(captures())
def test_captures_come_back(table: Captures) -> None:
    block = encode_captures(table)
    assert identical(decode_captures(block), table)
    assert encode_captures(decode_captures(block)) == block


@given(lookups())
def test_lookups_come_back(table: Lookups) -> None:
    block = encode_lookups(table)
    assert identical(decode_lookups(block), table)
    assert encode_lookups(decode_lookups(block)) == block


def some(n: int, distinct: int) -> Captures:
    rng = np.random.default_rng(1)
    ids = rng.integers(0, 256, (distinct, 20), dtype=np.uint8)
    row = np.arange(n) % distinct
    return Captures(
        1_795_273_200_000_000_000 + np.cumsum(rng.integers(0, 10**7, n)),
        row.astype(np.uint32),
        row.astype(np.uint32),
        row.astype(np.uint16),
        ids[row],
        ids[row],
        np.ones(n, np.uint8),
        np.zeros(n, np.uint16),
        row.astype(np.uint32),
        row.astype(np.uint16),
    )


@pytest.mark.parametrize("distinct", [1, 2, 256, 257, 65536, 65537])
def test_dictionaries_of_every_size(distinct: int) -> None:
    table = some(70_000, distinct)
    assert identical(decode_captures(encode_captures(table)), table)


def test_repeated_values_cost_little() -> None:
    table = some(4096, 200)
    plain = sum(getattr(table, f.name).nbytes for f in fields(table))
    assert plain == 4096 * 67
    assert len(encode_captures(table)) < 4096 * 14


def test_decoded_columns_are_writable() -> None:
    for distinct in (1, 100, 3000):
        table = decode_captures(encode_captures(some(3000, distinct)))
        assert all(getattr(table, f.name).flags.writeable for f in fields(table))


def test_a_block_is_a_msgpack_array_with_the_schema_first() -> None:
    values = msgspec.msgpack.decode(encode_captures(some(3, 3)))
    assert values[:5] == [BLOCK_SCHEMA, 1, 4, 3, 20]
    assert len(values[5]) == 10
    # Three times: the first one, and two rises.
    width, first, rises = values[5][0]
    assert (width, len(first), len(rises)) == (20, 8, 8)
    assert values[5][6] == [0, b"\x01", b""]  # one kind in all rows


def test_rises_across_the_whole_range_of_time() -> None:
    table = replace(some(2, 2), time_ns=np.array([INT64.min, INT64.max], np.int64))
    assert decode_captures(encode_captures(table)).time_ns.tolist() == [INT64.min, INT64.max]


def altered(position: int, value: object) -> bytes:
    values = msgspec.msgpack.decode(encode_captures(some(3, 3)))
    values[position] = value
    return msgspec.msgpack.encode(values)


def with_column(position: int, packed: object) -> bytes:
    values = msgspec.msgpack.decode(encode_captures(some(3, 3)))
    values[5][position] = packed
    return msgspec.msgpack.encode(values)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a msgpack array"),
        (b"\x80", "not a msgpack array"),
        (b"\x96", "not a msgpack array"),
        (b"\x81\x01\x02", "not a msgpack array"),
        (altered(0, 2), "block schema 2, this version reads 1"),
        (altered(1, 2), "block of table 2, not 1"),
        (altered(2, 6), "address family 6, this version reads 4"),
        (altered(3, -1), "block of -1 rows"),
        (altered(3, MAX_ROWS + 1), "block of 1048577 rows"),
        (altered(3, 4), "column time_ns: 2 rises for 4 rows"),
        (altered(4, 0), "IDs of 0 bytes"),
        (altered(4, 65), "IDs of 65 bytes"),
        (altered(4, 21), "column requester_id"),
        (altered(5, []), "0 columns, not 10"),
        (altered(5, [1] * 10), "no block"),
        (encode_captures(some(3, 3))[:-1], "no block"),
        (encode_captures(some(3, 3)) + b"\x00", "no block"),
        (with_column(1, [-1, b"abc", b""]), "column attachment"),
        (with_column(1, [-1, bytes(12), b"x"]), "column attachment: 3 values for 3 rows"),
        (with_column(1, [0, bytes(8), b""]), "column attachment: 2 values for a column of one"),
        (with_column(1, [1, bytes(8), b"\x00\x01\x02"]), "index does not fit the dictionary"),
        (with_column(1, [1, bytes(8), b"\x00\x01"]), "index does not fit the dictionary"),
        (with_column(1, [2, bytes(8), b"\x00"]), "column attachment"),
        (with_column(1, [3, bytes(8), b""]), "column attachment: unknown form 3"),
        (with_column(1, [17, bytes(4), b"\x00\x00"]), "column attachment: unknown form 17"),
        (with_column(0, [17, bytes(16), b"\x00\x00"]), "column time_ns: 2 rises for 3 rows"),
    ],
)
def test_what_is_no_block_is_refused_with_its_reason(data: bytes, message: str) -> None:
    with pytest.raises(BlockError, match=message):
        decode_captures(data)


def test_lookups_are_not_captures() -> None:
    with pytest.raises(BlockError, match="block of table 1, not 2"):
        decode_lookups(encode_captures(some(3, 3)))


@given(st.binary(max_size=200))
def test_random_bytes_raise_only_block_errors(data: bytes) -> None:
    with pytest.raises(BlockError):
        decode_captures(b"\x96" + data)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_blocks_decode_or_raise_block_errors(damage: list[tuple[int, int]]) -> None:
    data = bytearray(encode_captures(some(50, 7)))
    for place, value in damage:
        data[place % len(data)] = value
    try:
        table = decode_captures(bytes(data))
    except BlockError:
        return
    assert all(len(getattr(table, f.name)) == len(table) for f in fields(table))


def test_rows_that_fit_no_block() -> None:
    table = some(3, 3)
    with pytest.raises(BlockError, match="column port: uint16"):
        encode_captures(replace(table, port=table.port[:2]))
    with pytest.raises(BlockError, match="column requester_id"):
        encode_captures(replace(table, requester_id=table.requester_id.astype(np.uint16)))
    with pytest.raises(BlockError, match="IDs of 65 bytes"):
        encode_captures(replace(table, key=np.zeros((3, 65), np.uint8)))
    with pytest.raises(BlockError, match="1048577 rows in one block"):
        encode_captures(some(MAX_ROWS + 1, 1))
