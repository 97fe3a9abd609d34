"""Packets of Kad that name contents: what follows a lookup at the nodes it found (aMule `Search.cpp:StorePacket`).

Written and read as those in `messages`. What a monitor gets may be cut at the end of a datagram's slot; of a publish
under a keyword the files before the cut are read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from montra.overlays.kad import expressions
from montra.overlays.kad.ids import to_wire
from montra.overlays.kad.messages import packet, reader_of
from montra.overlays.kad.opcodes import Op
from montra.overlays.kad.reader import KadError, Reader
from montra.overlays.kad.tags import Tag, read_tags, write_tags

_TREE_FOLLOWS: Final = 0x8000
#: Files that clients put in one PUBLISH_KEY_REQ; more are not read, since so many tiny ones fit into a small datagram.
MOST_FILES: Final = 50


class File(NamedTuple):
    """A file published under a keyword, or an answer to a search: its ID (or the source's), and what is said of it."""

    file_id: bytes
    tags: Sequence[Tag]


class PublishKey(NamedTuple):
    """PUBLISH_KEY_REQ. announced: how many files the packet claims to hold, more than `files` if it was cut."""

    key: bytes
    files: Sequence[File]
    announced: int


class PublishSource(NamedTuple):
    """PUBLISH_SOURCE_REQ. user_hash: of the publisher on eD2k."""

    file_id: bytes
    user_hash: bytes
    tags: Sequence[Tag]


class PublishNotes(NamedTuple):
    """PUBLISH_NOTES_REQ."""

    file_id: bytes
    publisher_id: bytes
    tags: Sequence[Tag]


class SearchKey(NamedTuple):
    """SEARCH_KEY_REQ. start: how many results to skip; expression: what else must match, as text, "" for nothing."""

    key: bytes
    start: int = 0
    expression: str = ""


class SearchSource(NamedTuple):
    """SEARCH_SOURCE_REQ. size: of the file in bytes."""

    file_id: bytes
    start: int
    size: int


class SearchNotes(NamedTuple):
    """SEARCH_NOTES_REQ. size: of the file in bytes."""

    file_id: bytes
    size: int


class FindBuddy(NamedTuple):
    """FINDBUDDY_REQ: a firewalled node looks for a helper.

    key: what the lookup before it looked for, every bit of the sender's own ID inverted.
    """

    key: bytes
    user_hash: bytes
    tcp_port: int


class SearchResult(NamedTuple):
    """SEARCH_RES."""

    sender_id: bytes
    key: bytes
    answers: Sequence[File]


class PublishResult(NamedTuple):
    """PUBLISH_RES. load: 0 to 100, how full the node is for this key."""

    key: bytes
    load: int


def publish_key(key: bytes, files: Sequence[File]) -> bytes:
    """Return PUBLISH_KEY_REQ, for MOST_FILES at most."""
    return packet(Op.PUBLISH_KEY_REQ, to_wire(key) + _write_files(files))


def read_publish_key(data: bytes, *, cut: bool = False) -> PublishKey:
    """Read PUBLISH_KEY_REQ; of one that was cut, the files that are whole."""
    reader = reader_of(data)
    key, count = reader.id(), reader.u16()
    if count > MOST_FILES:
        raise KadError("wrong_size")
    return PublishKey(key, list(_read_files(reader, count, cut)), count)


def publish_source(message: PublishSource) -> bytes:
    """Return PUBLISH_SOURCE_REQ."""
    return packet(
        Op.PUBLISH_SOURCE_REQ, to_wire(message.file_id) + to_wire(message.user_hash) + write_tags(message.tags)
    )


def read_publish_source(data: bytes) -> PublishSource:
    """Read PUBLISH_SOURCE_REQ."""
    reader = reader_of(data)
    return PublishSource(reader.id(), reader.id(), read_tags(reader))


def publish_notes(message: PublishNotes) -> bytes:
    """Return PUBLISH_NOTES_REQ."""
    return packet(
        Op.PUBLISH_NOTES_REQ, to_wire(message.file_id) + to_wire(message.publisher_id) + write_tags(message.tags)
    )


def read_publish_notes(data: bytes) -> PublishNotes:
    """Read PUBLISH_NOTES_REQ."""
    reader = reader_of(data)
    return PublishNotes(reader.id(), reader.id(), read_tags(reader))


def search_key(key: bytes, words: Sequence[str] = (), start: int = 0) -> bytes:
    """Return SEARCH_KEY_REQ for entries under `key` whose names hold all these words too."""
    head = start | (_TREE_FOLLOWS if words else 0)
    return packet(Op.SEARCH_KEY_REQ, to_wire(key) + struct.pack("<H", head) + expressions.all_of(words))


def read_search_key(data: bytes) -> SearchKey:
    """Read SEARCH_KEY_REQ."""
    reader = reader_of(data)
    key, start = reader.id(), reader.u16()
    expression = expressions.read(reader) if start & _TREE_FOLLOWS else ""
    return SearchKey(key, start & ~_TREE_FOLLOWS, expression)


def search_source(message: SearchSource) -> bytes:
    """Return SEARCH_SOURCE_REQ."""
    return packet(Op.SEARCH_SOURCE_REQ, to_wire(message.file_id) + struct.pack("<HQ", message.start, message.size))


def read_search_source(data: bytes) -> SearchSource:
    """Read SEARCH_SOURCE_REQ."""
    reader = reader_of(data)
    return SearchSource(reader.id(), reader.u16() & ~_TREE_FOLLOWS, reader.u64())


def search_notes(message: SearchNotes) -> bytes:
    """Return SEARCH_NOTES_REQ."""
    return packet(Op.SEARCH_NOTES_REQ, to_wire(message.file_id) + struct.pack("<Q", message.size))


def read_search_notes(data: bytes) -> SearchNotes:
    """Read SEARCH_NOTES_REQ."""
    reader = reader_of(data)
    return SearchNotes(reader.id(), reader.u64())


def find_buddy(message: FindBuddy) -> bytes:
    """Return FINDBUDDY_REQ."""
    body = to_wire(message.key) + to_wire(message.user_hash) + struct.pack("<H", message.tcp_port)
    return packet(Op.FINDBUDDY_REQ, body)


def read_find_buddy(data: bytes) -> FindBuddy:
    """Read FINDBUDDY_REQ."""
    reader = reader_of(data)
    return FindBuddy(reader.id(), reader.id(), reader.u16())


def search_result(message: SearchResult) -> bytes:
    """Return SEARCH_RES."""
    return packet(Op.SEARCH_RES, to_wire(message.sender_id) + to_wire(message.key) + _write_files(message.answers))


def read_search_result(data: bytes, *, cut: bool = False) -> SearchResult:
    """Read SEARCH_RES; of one that was cut, the answers that are whole."""
    reader = reader_of(data)
    sender_id, key, count = reader.id(), reader.id(), reader.u16()
    return SearchResult(sender_id, key, list(_read_files(reader, count, cut)))


def publish_result(key: bytes, load: int) -> bytes:
    """Return PUBLISH_RES."""
    return packet(Op.PUBLISH_RES, to_wire(key) + bytes((load,)))


def read_publish_result(data: bytes) -> PublishResult:
    """Read PUBLISH_RES; its optional last byte is not read."""
    reader = reader_of(data)
    return PublishResult(reader.id(), reader.u8())


def _write_files(files: Sequence[File]) -> bytes:
    return struct.pack("<H", len(files)) + b"".join(to_wire(file_id) + write_tags(tags) for file_id, tags in files)


def _read_files(reader: Reader, count: int, cut: bool) -> Iterator[File]:
    for _ in range(count):
        try:
            file = File(reader.id(), read_tags(reader))
        except KadError as error:
            if cut and error.reason == "too_short":
                return
            raise
        yield file
