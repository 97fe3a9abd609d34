"""nodes.dat, the file in which clients keep contacts (aMule `RoutingZone.cpp:ReadFile`, `WriteFile`).

    version 0   count, contacts; the last byte of each is its type (0 best, 4 dead), no version
    version 1   0, 1, count, contacts
    version 2   0, 2, count, contacts, each with a verify key, the address it holds for, and whether it is verified
    version 3   0, 3, edition; edition 1: count, contacts as in version 1 (eMule's bootstrap files); else as version 2

All numbers are u32, contacts are as in packets.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from montra.overlays.kad.ids import to_wire
from montra.overlays.kad.messages import Contact, read_contacts
from montra.overlays.kad.reader import KadError, Reader

_DEAD: Final = 4  # type, of version 0
_CONTACT_BYTES: Final = 25
_KEY_BYTES: Final = 9  # verify key, its address, verified
_NEWEST: Final = 3
_BOOTSTRAP_EDITION: Final = 1


def read(data: bytes) -> list[Contact]:
    """Return the contacts of a file; version 0 in those of version 0, whose dead ones are left out.

    Raises ValueError in one line for what is no such file.
    """
    try:
        return _read(Reader(data))
    except KadError as error:
        raise ValueError("nodes.dat ends before its last contact") from error


def _read(reader: Reader) -> list[Contact]:
    count = reader.u32()
    if count:
        contacts = _read_contacts(reader, count, 0)
        return [contact._replace(version=0) for contact in contacts if contact.version < _DEAD]
    version = reader.u32()
    if not 1 <= version <= _NEWEST:
        raise ValueError(f"nodes.dat has unknown version {version}")
    edition = reader.u32() if version == _NEWEST else 0
    keys = version >= 2 and edition != _BOOTSTRAP_EDITION
    return _read_contacts(reader, reader.u32(), _KEY_BYTES if keys else 0)


def _read_contacts(reader: Reader, count: int, extra: int) -> list[Contact]:
    if count * (_CONTACT_BYTES + extra) > reader.left:
        raise KadError("too_short")
    contacts: list[Contact] = []
    for _ in range(count):
        contacts += read_contacts(reader, 1)
        reader.take(extra)
    return contacts


def write(contacts: Sequence[Contact]) -> bytes:
    """Return a file of version 2 that holds these contacts as verified, without keys."""
    parts = [struct.pack("<III", 0, 2, len(contacts))]
    for contact in contacts:
        parts.append(to_wire(contact.node_id))
        parts.append(struct.pack("<IHHB", contact.ip, contact.port, contact.tcp_port, contact.version))
        parts.append(struct.pack("<IIB", 0, 0, 1))
    return b"".join(parts)
