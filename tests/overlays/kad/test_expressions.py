from __future__ import annotations

import pytest

from montra.overlays.kad.expressions import all_of, read
from montra.overlays.kad.reader import KadError, Reader

A, B = b"\1\1\0a", b"\1\1\0b"


@pytest.mark.parametrize(
    ("data", "expression"),
    [
        (A, "a"),
        (b"\0\0" + A + B, "(a AND b)"),
        (b"\0\1" + A + b"\0\2" + B + A, "(a OR (b NOT a))"),
        (b"\2\5\0Video\1\0\3", "type = Video"),
        (b"\3\0\0\1\0\3\1\0\2", "size >= 65536"),
        (b"\x08\0\0\0\0\1\0\0\0\2\1\0\2", "size < 4294967296"),
        (b"\3\5\0\0\0\5\1\0\x15", "sources <> 5"),
        (b"\3\5\0\0\0\0\3\0abc", "abc = 5"),
        (b"\3\5\0\0\0\1\1\0\xd3", "d3 > 5"),
        (b"\1\2\0\xffa", "\N{REPLACEMENT CHARACTER}a"),
    ],
)
def test_expressions_as_text(data: bytes, expression: str) -> None:
    reader = Reader(data + b"rest")
    assert read(reader) == expression
    assert reader.left == 4
    for end in range(len(data)):
        with pytest.raises(KadError):
            read(Reader(data[:end]))


@pytest.mark.parametrize("data", [b"\4", b"\xff", b"\0\3" + A + B, b"\3\5\0\0\0\6\1\0\2", b"\0\0" * 25 + A * 26])
def test_what_is_no_expression(data: bytes) -> None:
    with pytest.raises(KadError) as error:
        read(Reader(data))
    assert error.value.reason == "bad_tree"


def test_as_deep_as_clients_read() -> None:
    assert read(Reader(b"\0\0" * 24 + A * 25)).count("a") == 25
    assert read(Reader(all_of(["a"] * 25))).count("AND") == 24


def test_words_that_must_all_match() -> None:
    assert all_of([]) == b""
    assert all_of(["a"]) == A
    assert all_of(["a", "b"]) == b"\0\0" + A + B
    assert all_of(["ü"]) == b"\1\2\0\xc3\xbc"
