"""Layouts of lookups: how a row of bytes is recognised as a lookup without decoding it.

A client writes all its lookups of one sort with the same bytes, but for the contents of a few strings of fixed length:
IDs, transaction, version, token. Change those contents and the bencoding stays valid and keeps its meaning, with the
new contents in the same places. So once a message was parsed whole, its bytes outside of those strings, its *layout*,
recognise every further message of its sort exactly, and say where its fields lie. No byte pattern is searched for,
so nothing that a stranger writes inside a string can be mistaken for structure.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from montra.overlays.base import Message, version_number
from montra.overlays.mainline.messages import LOOKUPS

#: Messages of at least so many bytes have no layout and are always parsed; lookups seen in the wild have under 200.
LONGEST: Final = 256
#: Layouts kept for messages of one length.
WAYS: Final = 8
#: The layout of rows that have none.
NO_LAYOUT: Final = 0
_PORT_DIGITS: Final = 5
_ALL_EQUAL: Final = np.uint64(0x0101010101010101)

Path = tuple[bytes, ...]
Spans = dict[Path, tuple[int, int]]

_FREE: Final[tuple[Path, ...]] = (
    (b"a", b"id"),
    (b"a", b"info_hash"),
    (b"a", b"target"),
    (b"a", b"token"),
    (b"t",),
)


class LayoutTable:
    """Up to `WAYS` layouts for each message length, learned from parsed lookups, the least used replaced.

    A cache: what it holds decides how fast a row is read, never what is read.

    Layout s = length * WAYS + way; nothing has length 0, so `NO_LAYOUT` = 0 reads as kind OTHER.
    kind uint8[S], flags uint16[S], port uint16[S], version uint32[S]: as in captures. id_at, key_at intp[S]: where the
    IDs begin. version_at: where `v` begins, -1 if `version` is constant. port_at, port_digits: where the announced port
    is written, port_digits 0 if `port` is constant. transaction_at, transaction_bytes uint16[S]: where `t` lies.
    """

    def __init__(self) -> None:
        slots = LONGEST * WAYS
        self._ways = np.zeros(LONGEST, np.intp)  # layouts known for each length
        self._text = np.zeros((slots, LONGEST), np.uint8)  # the fixed bits, others 0
        self._mask = np.zeros((slots, LONGEST), np.uint8)  # which bits are fixed
        self._hits = np.zeros(slots, np.int64)
        self._known: dict[bytes, int] = {}  # text without padding -> layout
        self.kind = np.zeros(slots, np.uint8)
        self.flags = np.zeros(slots, np.uint16)
        self.port = np.zeros(slots, np.uint16)
        self.version = np.zeros(slots, np.uint32)
        self.id_at = np.zeros(slots, np.intp)
        self.key_at = np.zeros(slots, np.intp)
        self.version_at = np.full(slots, -1, np.intp)
        self.port_at = np.zeros(slots, np.intp)
        self.port_digits = np.zeros(slots, np.intp)
        self.transaction_at = np.zeros(slots, np.uint16)
        self.transaction_bytes = np.zeros(slots, np.uint16)

    def __len__(self) -> int:
        return len(self._known)

    def match(self, rows: NDArray[np.uint8], length: NDArray[np.int32]) -> NDArray[np.intp]:
        """Return the layout of each row, `NO_LAYOUT` for none.

        rows: uint8[n, width], C-contiguous, width a multiple of 64 up to `LONGEST`; length: int32[n], may exceed width.
        """
        width = rows.shape[1]
        short = np.where(length <= width, length, 0) % LONGEST  # no layout has length 0
        ways = self._ways[short]
        first = short.astype(np.intp) * WAYS
        found = np.where((ways > 0) & self._same(rows, first), first, NO_LAYOUT)
        for way in range(1, int(ways.max(initial=0))):
            todo = np.flatnonzero((ways > way) & (found == NO_LAYOUT))
            slot = first[todo] + way
            same = self._same(items(rows, width)[todo].view(np.uint8).reshape(-1, width), slot)
            found[todo[same]] = slot[same]
        self._hits += np.bincount(found, minlength=len(self._hits))
        return found

    def _same(self, rows: NDArray[np.uint8], slot: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Tell which rows (as in `match`) agree with the fixed bits of a layout each."""
        width = rows.shape[1]
        masked = items(self._mask, width)[slot].view(np.uint64).reshape(-1, width // 8)
        masked &= rows.view(np.uint64)
        # eight comparisons of words are eight bytes, so one word again: cheaper than to reduce short rows
        equal = (masked == items(self._text, width)[slot].view(np.uint64).reshape(-1, width // 8)).view(np.uint64)
        same: NDArray[np.bool_] = equal[:, 0] == _ALL_EQUAL
        for column in range(1, equal.shape[1]):
            same &= equal[:, column] == _ALL_EQUAL
        return same

    def learn(self, data: bytes, message: Message) -> None:
        """Remember the layout of a lookup: `data` must parse to `message`, whose method is one of LOOKUPS."""
        if len(data) >= LONGEST:
            return
        strings, integers = _spans(data)
        mask = np.full(len(data), 0xFF, np.uint8)
        for path in _FREE:
            begin, end = strings.get(path, (0, 0))
            mask[begin:end] = 0
        version_at, version_end = strings.get((b"v",), (0, 0))
        if version_end - version_at == 4:
            mask[version_at:version_end] = 0
        else:  # of another length, or none: part of the layout
            version_at = -1
        port_at, port_end = integers[b"a", b"port"] if message.port else (0, 0)
        mask[port_at:port_end] = 0xF0  # digits are 0x30 to 0x39
        text = np.frombuffer(data, np.uint8) & mask
        name = text.tobytes()
        if name in self._known:
            return
        slot = self._place(len(data))
        self._known[name] = slot
        self._text[slot, : len(data)] = text
        self._mask[slot, : len(data)] = mask
        key_name, kind = LOOKUPS[message.method]
        self.kind[slot] = kind
        self.flags[slot] = message.flags
        self.port[slot] = message.port
        self.version[slot] = version_number(message.version)
        self.id_at[slot] = strings[b"a", b"id"][0]
        self.key_at[slot] = strings[b"a", key_name][0]
        self.version_at[slot] = version_at
        self.port_at[slot] = port_at
        self.port_digits[slot] = port_end - port_at
        begin, end = strings[(b"t",)]
        self.transaction_at[slot] = begin
        self.transaction_bytes[slot] = end - begin

    def _place(self, length: int) -> int:
        """Return a free slot for a layout of this length, the least used one if there is none."""
        first = length * WAYS
        if self._ways[length] < WAYS:
            slot = first + int(self._ways[length])
            self._ways[length] += 1
        else:
            slot = first + int(self._hits[first : first + WAYS].argmin())
            del self._known[self._text[slot, :length].tobytes()]
        self._hits[slot] = 1
        return slot


def items(rows: NDArray[np.uint8], width: int) -> NDArray[np.void]:
    """Return a view of the first `width` bytes of each row as one item, which is copied faster than a row is."""
    return np.ndarray((len(rows),), f"V{width}", rows, 0, (rows.strides[0],))


def ports(
    rows: NDArray[np.uint8], at: NDArray[np.intp], digits: NDArray[np.intp]
) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """Read decimal ports, 1 to 5 digits from `at` on: returns (ports uint16[n], 0 if out of range; valid bool[n]).

    Valid are digits only, without leading zero. The high half of each byte must have been checked to be 3.
    """
    columns = np.minimum(at[:, None] + np.arange(_PORT_DIGITS), rows.shape[1] - 1)
    values = (np.take_along_axis(rows, columns, axis=1) & 0x0F).astype(np.int64)
    used = np.arange(_PORT_DIGITS) < digits[:, None]
    valid = ((values <= 9) | ~used).all(axis=1) & ((values[:, 0] > 0) | (digits == 1))
    number = np.zeros(len(rows), np.int64)
    for digit in range(_PORT_DIGITS):
        number = np.where(used[:, digit], number * 10 + values[:, digit], number)
    return np.where(number <= 0xFFFF, number, 0).astype(np.uint16), valid


def _spans(data: bytes) -> tuple[Spans, Spans]:
    """Return where the contents of strings and the texts of integers lie, by the keys that lead to them.

    `data` is a valid dictionary. What lists hold is left out.
    """
    strings: Spans = {}
    integers: Spans = {}
    _walk(data, 0, (), strings, integers)
    return strings, integers


def _walk(data: bytes, at: int, path: Path, strings: Spans, integers: Spans) -> int:
    """Walk over the value at `at`, return where it ends."""
    lead = data[at : at + 1]
    if lead == b"i":
        end = data.index(b"e", at)
        integers[path] = (at + 1, end)
        return end + 1
    if lead == b"d":
        at += 1
        while data[at : at + 1] != b"e":
            begin, at = _string(data, at)
            at = _walk(data, at, (*path, data[begin:at]), strings, integers)
        return at + 1
    if lead == b"l":
        at += 1
        while data[at : at + 1] != b"e":
            at = _walk(data, at, path, {}, {})
        return at + 1
    strings[path] = _string(data, at)
    return strings[path][1]


def _string(data: bytes, at: int) -> tuple[int, int]:
    colon = data.index(b":", at)
    return colon + 1, colon + 1 + int(data[at:colon])
