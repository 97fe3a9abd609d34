"""Blocks: every row comes back, the same rows give the same bytes, and no bytes do harm."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import msgspec
import numpy as np
import pytest
import zstandard
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
        inferred=base.attachment,
        confidence=np.array(margins, np.float32),
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
def test_lookups_of_every_number_of_copies(distinct: int) -> None:
    table = some(70_000, distinct)
    assert identical(decode_captures(encode_captures(table)), table)


def test_repeated_values_cost_little() -> None:
    table = some(4096, 200)
    plain = sum(getattr(table, f.name).nbytes for f in fields(table))
    assert plain == 4096 * 67
    # 200 lookups of 50 bytes, and of each row three bytes of time.
    assert len(encode_captures(table)) < 200 * 50 + 4096 * 4


def test_decoded_columns_are_writable() -> None:
    for distinct in (1, 100, 3000):
        table = decode_captures(encode_captures(some(3000, distinct)))
        assert all(getattr(table, f.name).flags.writeable for f in fields(table))


def test_a_block_is_a_msgpack_array_with_the_schema_first() -> None:
    table = some(3, 2)
    values = msgspec.msgpack.decode(encode_captures(table))
    assert values[:6] == [BLOCK_SCHEMA, 1, 4, 3, 20, 2]
    assert BLOCK_SCHEMA == 2
    assert values[6] == int(table.time_ns[0])
    # Time in three bytes, attachment in one; address, port, the IDs, kind, no flags, version, port; lookups back.
    assert values[7] == [3, 1, 1, 1, 20, 20, 1, 0, 1, 1, 1]
    content = zstandard.decompress(values[8])
    steps = [int(step).to_bytes(3, "little") for step in [0, *np.diff(table.time_ns)]]
    assert content[:9] == bytes(step[plane] for plane in range(3) for step in steps)
    assert content[9:12] == b"\x00\x01\x00"  # attachments
    assert content[12:14] == b"\x00\x01"  # addresses of the two lookups
    assert content[-3:] == b"\x00\x00\x02"  # new, new, two back
    assert len(content) == 9 + 3 + 2 * (1 + 1 + 20 + 20 + 1 + 0 + 1 + 1) + 3


def test_rises_across_the_whole_range_of_time() -> None:
    table = replace(some(2, 2), time_ns=np.array([INT64.min, INT64.max], np.int64))
    assert decode_captures(encode_captures(table)).time_ns.tolist() == [INT64.min, INT64.max]


def altered(position: int, value: object) -> bytes:
    values = msgspec.msgpack.decode(encode_captures(some(3, 3)))
    values[position] = value
    return msgspec.msgpack.encode(values)


#: Content of `some(3, 3)`: time 3 planes, attachment 1, then address, port, two IDs, kind, version, port; lookups back.
WIDTHS = [3, 1, 1, 1, 20, 20, 1, 0, 1, 1, 0]
CONTENT = 3 * sum(WIDTHS)


def with_content(content: bytes, widths: list[int] = WIDTHS, **settings: bool) -> bytes:
    values = msgspec.msgpack.decode(encode_captures(some(3, 3)))
    assert values[7] == WIDTHS
    values[7:] = [widths, zstandard.ZstdCompressor(**settings).compress(content)]
    return msgspec.msgpack.encode(values)


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a msgpack array"),
        (b"\x80", "not a msgpack array"),
        (b"\x99", "not a msgpack array"),
        (b"\x81\x02\x02", "not a msgpack array"),
        (altered(0, 3), "block schema 3, this version reads 1 and 2"),
        (altered(1, 2), "block of table 2, not 1"),
        (altered(2, 6), "address family 6, this version reads 4"),
        (altered(3, -1), "block of -1 rows"),
        (altered(3, MAX_ROWS + 1), "block of 1048577 rows"),
        (altered(3, 2), "3 entries for 2 rows"),
        (altered(3, 4), f"a frame of {CONTENT} bytes, not {CONTENT + 4}"),
        (altered(4, 0), "IDs of 0 bytes"),
        (altered(4, 65), "IDs of 65 bytes"),
        (altered(4, 21), "a column of width 20"),
        (altered(5, -1), "-1 entries for 3 rows"),
        (altered(5, 2), f"a frame of {CONTENT} bytes, not {CONTENT - 45}"),
        (altered(6, 1 << 63), "no block"),
        (altered(7, []), "0 columns, not 11"),
        (altered(7, [9, *WIDTHS[1:]]), "a column of width 9"),
        (altered(7, [-1, *WIDTHS[1:]]), "a column of width -1"),
        (altered(7, [*WIDTHS[:-1], 5]), "a column of width 5"),
        (altered(8, b""), "damaged frame"),
        (altered(8, b"abc"), "damaged frame"),
        (encode_captures(some(3, 3))[:-1], "no block"),
        (encode_captures(some(3, 3)) + b"\x00", "no block"),
        (with_content(bytes(CONTENT - 1)), f"a frame of {CONTENT - 1} bytes, not {CONTENT}"),
        (with_content(bytes(CONTENT), write_content_size=False), f"a frame of -1 bytes, not {CONTENT}"),
        # Lookups back: none of them new, more back than there are, fewer new than entries.
        (with_content(bytes(CONTENT) + b"\x01\x01\x01", [*WIDTHS[:-1], 1]), "rows do not fit the entries"),
        (with_content(bytes(CONTENT) + b"\x00\x02\x00", [*WIDTHS[:-1], 1]), "rows do not fit the entries"),
        (with_content(bytes(CONTENT) + b"\x00\x00\x01", [*WIDTHS[:-1], 1]), "rows do not fit the entries"),
    ],
)
def test_what_is_no_block_is_refused_with_its_reason(data: bytes, message: str) -> None:
    with pytest.raises(BlockError, match=message):
        decode_captures(data)


def test_a_frame_must_be_whole_and_alone() -> None:
    values = msgspec.msgpack.decode(encode_captures(some(50, 7)))
    frame = values[8]
    for damaged in (
        frame[:-1],
        frame + b"\x00",
        frame + frame,
        flipped(frame, len(frame) // 2),
        flipped(frame, len(frame) - 1),
    ):
        with pytest.raises(BlockError, match="frame"):
            decode_captures(msgspec.msgpack.encode([*values[:8], damaged]))


def test_a_small_frame_that_swells_is_refused_before_it_does() -> None:
    bomb = zstandard.compress(bytes(1 << 28))
    assert len(bomb) < 1 << 15
    tracemalloc.start()
    try:
        with pytest.raises(BlockError, match="a frame of 268435456 bytes"):
            decode_captures(altered(8, bomb))
        with pytest.raises(BlockError, match="entries"):
            decode_captures(altered(5, 1 << 60))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_frame_that_lies_about_its_size_is_refused() -> None:
    values = msgspec.msgpack.decode(encode_captures(some(3, 3)))
    # One byte behind magic and descriptor is the size of contents below 256 bytes.
    frame = zstandard.ZstdCompressor(write_checksum=False).compress(bytes(CONTENT + 1))
    assert frame[5] == CONTENT + 1
    for size in (CONTENT, CONTENT + 2):
        values[8] = frame[:5] + bytes([size]) + frame[6:]
        with pytest.raises(BlockError, match="frame"):
            decode_captures(msgspec.msgpack.encode(values))


def test_lookups_are_not_captures() -> None:
    with pytest.raises(BlockError, match="block of table 1, not 3"):
        decode_lookups(encode_captures(some(3, 3)))


@given(st.binary(max_size=200))
def test_random_bytes_raise_only_block_errors(data: bytes) -> None:
    for begin in (b"\x99", b"\x99\x02\x01\x04", b"\x96\x01"):
        with pytest.raises(BlockError):
            decode_captures(begin + data)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_blocks_decode_or_raise_block_errors(damage: list[tuple[int, int]]) -> None:
    data = bytearray(encode_captures(some(50, 7)))
    for place, value in damage:
        data[place % len(data)] = value
    decoded_or_refused(bytes(data))


@given(
    st.integers(0, 40),
    st.integers(0, 40),
    st.lists(st.integers(0, 5), min_size=11, max_size=11),
    st.integers(0, 2**32),
)
def test_any_content_decodes_or_raises_block_errors(rows: int, entries: int, widths: list[int], seed: int) -> None:
    """Whole frames of random content, which no damage to a frame with a checksum reaches."""
    lengths = [rows, rows, *[entries] * 8, rows]
    widths[4] = widths[5] = 20
    size = sum(width * length for width, length in zip(widths, lengths, strict=True))
    content = np.random.default_rng(seed).integers(0, 3, size, np.uint8).tobytes()
    block = [2, 1, 4, rows, 20, entries, seed, widths, zstandard.compress(content)]
    decoded_or_refused(msgspec.msgpack.encode(block))


def decoded_or_refused(data: bytes) -> None:
    try:
        table = decode_captures(data)
    except BlockError:
        return
    assert all(len(getattr(table, f.name)) == len(table) for f in fields(table))
    assert identical(decode_captures(encode_captures(table)), table)


def test_blocks_can_be_made_and_read_by_several_threads_at_once() -> None:
    tables = [some(2000, 50 * (i + 1)) for i in range(8)]
    blocks = [encode_captures(table) for table in tables]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            assert list(pool.map(encode_captures, tables)) == blocks
            assert all(map(identical, pool.map(decode_captures, blocks), tables))


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
