"""From packets that name contents to `zone_store.contents.Content`: what is said of a content ID, in bounded form.

Left out is who says it beyond the address: hashes of users, IDs of publishers, addresses and ports of sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np

from montra.datagrams import Counters
from montra.overlays.base import Said
from montra.overlays.kad import phase_two
from montra.overlays.kad.head import HEAD_BYTES, OPCODE_AT, PROTOCOL_AT
from montra.overlays.kad.ids import ID_BYTES
from montra.overlays.kad.messages import wire_id_at
from montra.overlays.kad.opcodes import KAD, Op, TagName
from montra.overlays.kad.reader import KadError
from montra.overlays.kad.tags import Tag, Value, number, text
from zone_store.contents import Content, What

#: What is kept of texts, in characters, and of tags.
MOST_NAME: Final = 255
MOST_TEXT: Final = 255
MOST_TAGS: Final = 16

#: Tags that name files, under the names that they get here (aMule `Tags/FileTags.h`).
_NAMES: Final = {
    TagName.FILE_TYPE: "type",
    TagName.FILE_FORMAT: "format",
    TagName.DESCRIPTION: "comment",
    TagName.SOURCES: "sources",
    TagName.FILE_RATING: "rating",
    b"\xd0": "artist",
    b"\xd1": "album",
    b"\xd2": "title",
    b"\xd3": "length",
    b"\xd4": "bitrate",
    b"\xd5": "codec",
}
#: Of the publisher, not of the file; or told in fields of their own.
_LEFT_OUT: Final = frozenset(
    {
        TagName.FILE_NAME,
        TagName.FILE_SIZE,
        TagName.ENCRYPTION,
        TagName.BUDDY_HASH,
        TagName.SERVER_PORT,
        TagName.SERVER_IP,
        TagName.SOURCE_UDP_PORT,
        TagName.SOURCE_PORT,
        TagName.SOURCE_IP,
        TagName.SOURCE_TYPE,
    }
)
_MOST_SIZE: Final = (1 << 63) - 1

_OPCODES: Final = (
    Op.PUBLISH_KEY_REQ,
    Op.PUBLISH_SOURCE_REQ,
    Op.PUBLISH_NOTES_REQ,
    Op.SEARCH_KEY_REQ,
    Op.SEARCH_SOURCE_REQ,
    Op.SEARCH_NOTES_REQ,
    Op.FINDBUDDY_REQ,
)
_TELLS: Final = np.isin(np.arange(256), _OPCODES)  # by opcode
_KEY_AT: Final = 2  # where all of these packets have the content ID

#: Time, attachment, IP and port of who says it: how a `Content` begins.
_Where: TypeAlias = tuple[int, int, int, int]


def contents(said: Said, counters: Counters) -> tuple[list[Content], int]:
    """Return what rows of an opened batch say (see `montra.overlays.base.Overlay.contents`)."""
    batch, rows = said.batch, said.rows
    long_enough = batch.length[rows] > OPCODE_AT
    about = long_enough & (batch.buffer[rows, PROTOCOL_AT] == KAD) & _TELLS[batch.buffer[rows, OPCODE_AT]]
    found: list[Content] = []
    for row, attachment in zip(rows[about].tolist(), said.attachments[about].tolist(), strict=True):
        packet = batch.payload(row)[HEAD_BYTES:]
        where = int(batch.time_ns[row]), attachment, int(batch.source_ip[row]), int(batch.source_port[row])
        if len(packet) < _KEY_AT + ID_BYTES:
            counters.add("unreadable")
        elif not said.invited(int(batch.source_ip[row]), wire_id_at(packet, _KEY_AT)):
            counters.add("uninvited")
        else:
            try:
                found += _read(packet, where, cut=bool(batch.truncated[row]))
            except KadError:
                counters.add("unreadable")
    return found, int(np.count_nonzero(about))


def _read(packet: bytes, where: _Where, *, cut: bool) -> list[Content]:
    """Return what a packet of `_OPCODES` says; raises KadError."""
    match packet[1]:
        case Op.PUBLISH_KEY_REQ:
            under = phase_two.read_publish_key(packet, cut=cut)
            return [Content(*where, What.KEYWORD, under.key, file_id, *_file(tags)) for file_id, tags in under.files]
        case Op.PUBLISH_SOURCE_REQ:
            source = phase_two.read_publish_source(packet)
            return [Content(*where, What.SOURCE, source.file_id, source.file_id, *_file(source.tags))]
        case Op.PUBLISH_NOTES_REQ:
            notes = phase_two.read_publish_notes(packet)
            return [Content(*where, What.NOTES, notes.file_id, notes.file_id, *_file(notes.tags))]
        case Op.SEARCH_KEY_REQ:
            words = phase_two.read_search_key(packet)
            expression = (("expression", words.expression[:MOST_TEXT]),) if words.expression else ()
            return [Content(*where, What.SEARCH_KEYWORD, words.key, tags=expression)]
        case Op.SEARCH_SOURCE_REQ:
            sources = phase_two.read_search_source(packet)
            return [Content(*where, What.SEARCH_SOURCE, sources.file_id, sources.file_id, _size(sources.size))]
        case Op.SEARCH_NOTES_REQ:
            about = phase_two.read_search_notes(packet)
            return [Content(*where, What.SEARCH_NOTES, about.file_id, about.file_id, _size(about.size))]
    return [Content(*where, What.BUDDY, phase_two.read_find_buddy(packet).key)]


def _file(tags: Sequence[Tag]) -> tuple[int, str, tuple[tuple[str, str], ...]]:
    """Return size, name and other tags of a file."""
    kept = [(_NAMES.get(name) or _own_name(name), _text(value)) for name, value in tags if name not in _LEFT_OUT]
    size = _size(number(tags, TagName.FILE_SIZE))
    return size, text(tags, TagName.FILE_NAME)[:MOST_NAME], tuple(kept[:MOST_TAGS])


def _size(size: int) -> int:
    """Return a file's size as it is kept; what no file can have counts as not told."""
    return size if 0 <= size <= _MOST_SIZE else 0


def _own_name(name: bytes) -> str:
    return name.decode("ascii")[:MOST_TEXT] if name.isalnum() else name.hex()[:MOST_TEXT]


def _text(value: Value) -> str:
    return (value.hex() if isinstance(value, bytes) else str(value))[:MOST_TEXT]
