"""What packets say that matters for lookups: who asked, who answered, what was published, searched and found."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from montra.overlays.kad import messages, phase_two
from montra.overlays.kad.ids import ID_BYTES
from montra.overlays.kad.messages import wire_id_at
from montra.overlays.kad.opcodes import Op, TagName
from montra.overlays.kad.phase_two import File
from montra.overlays.kad.reader import KadError
from montra.overlays.kad.tags import number, text
from zone_store.contents import What

#: What the count byte of a REQ holds beside the number of contacts that it asks for.
_COUNT_BITS = 0x1F
_KEY_AT = 2


class Asked(NamedTuple):
    """REQ. wanted: how many contacts; recipient: whom the requester takes the receiver for."""

    wanted: int
    target: bytes
    recipient: bytes


class Answered(NamedTuple):
    """RES."""

    target: bytes


class Named(NamedTuple):
    """A packet of phase 2. files: ID, size in bytes (0 if not told) and name of each file that it names."""

    what: What
    key: bytes
    files: list[tuple[bytes, int, str]]


class Found(NamedTuple):
    """SEARCH_RES. results: the IDs of files, or of sources."""

    key: bytes
    results: list[bytes]


class Stored(NamedTuple):
    """PUBLISH_RES."""

    key: bytes


Sighting = Asked | Answered | Named | Found | Stored


def sighting(opcode: int, packet: bytes) -> Sighting | None:
    """Return what a packet in the clear says, None for all others; raises KadError where it cannot be read."""
    read = _READERS.get(opcode)
    return read(packet) if read else None


def _asked(packet: bytes) -> Asked:
    request = messages.read_request(packet)
    return Asked(request.wanted & _COUNT_BITS, request.target, request.recipient)


def _answered(packet: bytes) -> Answered:
    return Answered(messages.read_response(packet).target)


def _found(packet: bytes) -> Found:
    result = phase_two.read_search_result(packet)
    return Found(result.key, [answer.file_id for answer in result.answers])


def _stored(packet: bytes) -> Stored:
    return Stored(phase_two.read_publish_result(packet).key)


def _keyword(packet: bytes) -> Named:
    message = phase_two.read_publish_key(packet)
    return Named(What.KEYWORD, message.key, [_file(file) for file in message.files])


def _source(packet: bytes) -> Named:
    message = phase_two.read_publish_source(packet)
    return Named(What.SOURCE, message.file_id, [_file(File(message.file_id, message.tags))])


def _notes(packet: bytes) -> Named:
    message = phase_two.read_publish_notes(packet)
    return Named(What.NOTES, message.file_id, [_file(File(message.file_id, message.tags))])


def _search_source(packet: bytes) -> Named:
    message = phase_two.read_search_source(packet)
    return Named(What.SEARCH_SOURCE, message.file_id, [(message.file_id, message.size, "")])


def _search_notes(packet: bytes) -> Named:
    message = phase_two.read_search_notes(packet)
    return Named(What.SEARCH_NOTES, message.file_id, [(message.file_id, message.size, "")])


def _bare(what: What) -> Callable[[bytes], Named]:
    """Return a reader of packets that begin with their key and name no file."""

    def read(packet: bytes) -> Named:
        if len(packet) < _KEY_AT + ID_BYTES:
            raise KadError("too_short")
        return Named(what, wire_id_at(packet, _KEY_AT), [])

    return read


def _file(file: File) -> tuple[bytes, int, str]:
    return file.file_id, number(file.tags, TagName.FILE_SIZE), text(file.tags, TagName.FILE_NAME)


_READERS: dict[int, Callable[[bytes], Sighting]] = {
    Op.REQ: _asked,
    Op.RES: _answered,
    Op.SEARCH_RES: _found,
    Op.PUBLISH_RES: _stored,
    Op.PUBLISH_KEY_REQ: _keyword,
    Op.PUBLISH_SOURCE_REQ: _source,
    Op.PUBLISH_NOTES_REQ: _notes,
    Op.SEARCH_KEY_REQ: _bare(What.SEARCH_KEYWORD),
    Op.SEARCH_SOURCE_REQ: _search_source,
    Op.SEARCH_NOTES_REQ: _search_notes,
    Op.FINDBUDDY_REQ: _bare(What.BUDDY),
}
