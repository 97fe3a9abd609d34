"""Search expressions behind SEARCH_KEY_REQ (aMule `KademliaUDPListener.cpp:CreateSearchExpressionTree`).

A tree in prefix order: `00 operator left right`, `01 string`, `02 value-string name-string`, `03 u32 relation name`,
`08 u64 relation name`; strings behind their length of two bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from montra.overlays.kad.opcodes import TagName
from montra.overlays.kad.reader import KadError, Reader

#: As deep as clients read.
DEEPEST: Final = 24
_OPERATORS: Final = ("AND", "OR", "NOT")
_RELATIONS: Final = ("=", ">", "<", ">=", "<=", "<>")
_NAMES: Final = {
    TagName.FILE_NAME: "name",
    TagName.FILE_SIZE: "size",
    TagName.FILE_TYPE: "type",
    TagName.FILE_FORMAT: "format",
    TagName.SOURCES: "sources",
}


def all_of(words: Sequence[str]) -> bytes:
    """Return the expression that all these words must match, b"" for none."""
    if not words:
        return b""
    strings = [b"\x01" + struct.pack("<H", len(word.encode())) + word.encode() for word in words]
    *first, last = strings
    return b"".join(b"\x00\x00" + string for string in first) + last


def read(reader: Reader, depth: int = 0) -> str:
    """Read an expression as text: `(red AND size >= 1000)`. Raises KadError."""
    if depth > DEEPEST:
        raise KadError("bad_tree")
    kind = reader.u8()
    if kind == 0:
        operator = _named(_OPERATORS, reader.u8())
        left = read(reader, depth + 1)
        return f"({left} {operator} {read(reader, depth + 1)})"
    if kind == 1:
        return _text(reader)
    if kind == 2:
        value = _text(reader)
        return f"{_name(reader)} = {value}"
    if kind in (3, 8):
        number = reader.u32() if kind == 3 else reader.u64()
        relation = _named(_RELATIONS, reader.u8())
        return f"{_name(reader)} {relation} {number}"
    raise KadError("bad_tree")


def _text(reader: Reader) -> str:
    return reader.string().decode("utf-8", "replace")


def _name(reader: Reader) -> str:
    name = reader.string()
    return _NAMES.get(name) or (name.decode("ascii") if name.isalnum() else name.hex())


def _named(names: tuple[str, ...], number: int) -> str:
    if number >= len(names):
        raise KadError("bad_tree")
    return names[number]
