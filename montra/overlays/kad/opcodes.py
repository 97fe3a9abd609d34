"""Numbers of the Kad2 protocol (aMule `protocol/kad*/Client2Client/UDP.h`, `Constants.h`, `FileTags.h`)."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

#: First byte of a plain packet, and of one whose body is packed by zlib.
KAD: Final = 0xE4
KAD_PACKED: Final = 0xE5
#: First bytes that other protocols of the same UDP socket use; an obfuscated packet begins with none of them.
PROTOCOLS: Final = frozenset({0xA3, 0xB2, 0xC5, 0xD4, KAD, KAD_PACKED})

#: The Kad version that we speak: that of eMule 0.49b and of aMule up to 2.3.3, the first with HELLO_RES_ACK.
OUR_VERSION: Final = 8
#: What a search and a store ask for in the count byte of REQ, and the most that it can ask for.
SEARCH_COUNT: Final = 2
STORE_COUNT: Final = 4
MOST_COUNT: Final = 0x1F


class Op(IntEnum):
    """Second byte of a packet: what it is."""

    BOOTSTRAP_REQ = 0x01
    BOOTSTRAP_RES = 0x09
    HELLO_REQ = 0x11
    HELLO_RES = 0x19
    REQ = 0x21
    HELLO_RES_ACK = 0x22
    RES = 0x29
    SEARCH_KEY_REQ = 0x33
    SEARCH_SOURCE_REQ = 0x34
    SEARCH_NOTES_REQ = 0x35
    SEARCH_RES = 0x3B
    PUBLISH_KEY_REQ = 0x43
    PUBLISH_SOURCE_REQ = 0x44
    PUBLISH_NOTES_REQ = 0x45
    PUBLISH_RES = 0x4B
    PUBLISH_RES_ACK = 0x4C
    FIREWALLED_REQ = 0x50
    FINDBUDDY_REQ = 0x51
    CALLBACK_REQ = 0x52
    FIREWALLED2_REQ = 0x53
    FIREWALLED_RES = 0x58
    FIREWALLED_ACK_RES = 0x59
    FINDBUDDY_RES = 0x5A
    PING = 0x60
    PONG = 0x61
    FIREWALLUDP = 0x62


class Misc(IntFlag):
    """Bits of the tag `TagName.MISC` in HELLO_REQ and HELLO_RES."""

    UDP_FIREWALLED = 1
    TCP_FIREWALLED = 2
    ACK_WANTED = 4


class TagName:
    """Names of tags, as they are in packets: one byte each."""

    FILE_NAME: Final = b"\x01"
    FILE_SIZE: Final = b"\x02"
    FILE_TYPE: Final = b"\x03"
    FILE_FORMAT: Final = b"\x04"
    DESCRIPTION: Final = b"\x0b"
    SOURCES: Final = b"\x15"
    MISC: Final = b"\xf2"
    ENCRYPTION: Final = b"\xf3"
    FILE_RATING: Final = b"\xf7"
    BUDDY_HASH: Final = b"\xf8"
    SERVER_PORT: Final = b"\xfa"
    SERVER_IP: Final = b"\xfb"
    SOURCE_UDP_PORT: Final = b"\xfc"
    SOURCE_PORT: Final = b"\xfd"
    SOURCE_IP: Final = b"\xfe"
    SOURCE_TYPE: Final = b"\xff"


class TagType(IntEnum):
    """First byte of a tag: how its value is written."""

    HASH = 0x01
    STRING = 0x02
    UINT32 = 0x03
    FLOAT = 0x04
    UINT16 = 0x08
    UINT8 = 0x09
    BSOB = 0x0A
    UINT64 = 0x0B
