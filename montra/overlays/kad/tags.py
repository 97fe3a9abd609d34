"""Tags: named values behind the fixed fields of many messages (aMule `SafeFile.cpp:ReadTag`).

`type u8, name (length u16, bytes), value`; a list of them follows its count u8.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from montra.overlays.kad.opcodes import TagType
from montra.overlays.kad.reader import KadError, Reader

#: A number, a string, or 16 bytes of a hash or the bytes of a bsob (both as they are in the packet).
Value: TypeAlias = int | float | str | bytes
#: Name as in the packet (`opcodes.TagName`, or text), and value.
Tag: TypeAlias = tuple[bytes, Value]

_FLOAT: Final = struct.Struct("<f")
_NUMBERS: Final = ((TagType.UINT8, 1), (TagType.UINT16, 2), (TagType.UINT32, 4), (TagType.UINT64, 8))


def read_tags(reader: Reader) -> list[Tag]:
    """Read a list of tags; raises KadError. Text that is no UTF-8 has replacement characters in place of the bytes."""
    return [_read_tag(reader) for _ in range(reader.u8())]


def _read_tag(reader: Reader) -> Tag:
    kind = reader.u8()
    name = reader.string()
    return name, _read_value(reader, kind)


def _read_value(reader: Reader, kind: int) -> Value:
    match kind:
        case TagType.UINT8:
            return reader.u8()
        case TagType.UINT16:
            return reader.u16()
        case TagType.UINT32:
            return reader.u32()
        case TagType.UINT64:
            return reader.u64()
        case TagType.STRING:
            return reader.string().decode("utf-8", "replace")
        case TagType.HASH:
            return reader.take(16)
        case TagType.BSOB:
            return reader.take(reader.u8())
        case TagType.FLOAT:
            number: float = _FLOAT.unpack(reader.take(4))[0]
            return number
    raise KadError("bad_tag")


def write_tags(tags: Sequence[Tag]) -> bytes:
    """Return a list of tags as in a packet: numbers in as few bytes as they need, bytes as bsob.

    Raises OverflowError for a number below 0 or above 2**64 - 1, struct.error for names and values that are too long.
    """
    return bytes((len(tags),)) + b"".join(_write_tag(name, value) for name, value in tags)


def _write_tag(name: bytes, value: Value) -> bytes:
    kind, data = _write_value(value)
    return bytes((kind,)) + struct.pack("<H", len(name)) + name + data


def _write_value(value: Value) -> tuple[TagType, bytes]:
    if isinstance(value, str):
        text = value.encode()
        return TagType.STRING, struct.pack("<H", len(text)) + text
    if isinstance(value, bytes):
        return TagType.BSOB, bytes((len(value),)) + value
    if isinstance(value, float):
        return TagType.FLOAT, _FLOAT.pack(value)
    for kind, size in _NUMBERS:
        if value < 1 << 8 * size:
            return kind, value.to_bytes(size, "little")
    raise OverflowError("a tag's number has at most 64 bits")


def number(tags: Iterable[Tag], name: bytes) -> int:
    """Return the first number of this name, 0 if there is none. Eight bytes of bsob are a number too (large files)."""
    for tag, value in tags:
        if tag == name:
            if isinstance(value, int):
                return value
            if isinstance(value, bytes) and len(value) == 8:
                return int.from_bytes(value, "little")
    return 0


def text(tags: Iterable[Tag], name: bytes) -> str:
    """Return the first string of this name, "" if there is none."""
    return next((value for tag, value in tags if tag == name and isinstance(value, str)), "")
