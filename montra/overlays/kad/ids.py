"""IDs and keys of Kad: the canonical form (16 bytes, big-endian), the form in packets, and how both are made.

In packets an ID is four little-endian words of 32 bits, the most significant word first (aMule
`SafeFile.cpp:WriteUInt128`). Everywhere else in montra it is big-endian, so that XOR distance and zones work on bytes.
"""

from __future__ import annotations

import re
import struct
from hashlib import md5
from typing import Final

import numpy as np
from Crypto.Hash import MD4
from numpy.typing import NDArray

ID_BYTES: Final = 16
NO_ID: Final = bytes(ID_BYTES)

_BIG: Final = struct.Struct(">4I")
_LITTLE: Final = struct.Struct("<4I")
#: What separates words of a file name (aMule `SearchManager.cpp:GetInvalidKeywordChars`).
_SEPARATORS: Final = re.compile(r"""[ ()\[\]{}<>,._\-!?:;\\/"]+""")
_SHORTEST_WORD: Final = 3  # bytes of UTF-8


def to_wire(node_id: bytes) -> bytes:
    """Return the form in packets of a canonical ID; both 16 bytes."""
    return _LITTLE.pack(*_BIG.unpack(node_id))


def from_wire(data: bytes) -> bytes:
    """Return the canonical form of an ID in a packet; both 16 bytes."""
    return _BIG.pack(*_LITTLE.unpack(data))


def swap_rows(ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return uint8[n, 16]: IDs in the other form, whichever they are in."""
    return np.ascontiguousarray(ids.reshape(-1, 4, 4)[:, :, ::-1]).reshape(-1, ID_BYTES)


def keyword_id(word: str) -> bytes:
    """Return the key that a keyword is published under: MD4 of the lower-case word in UTF-8."""
    return MD4.new(word.lower().encode()).digest()  # noqa: S303


def keywords(name: str) -> list[str]:
    """Return the words of a file name or of a search that become keys, each once, in order of their last appearance.

    Of three bytes of UTF-8 and more (aMule `SearchManager.cpp:GetWords`). A search looks for the first one only.
    """
    words: dict[str, None] = {}
    for word in _SEPARATORS.split(name):
        if len(word.encode()) >= _SHORTEST_WORD:
            words.pop(word.lower(), None)
            words[word.lower()] = None
    return list(words)


def verify_key(ip: int, secret: bytes) -> int:
    """Return the key that proves to us that a packet comes from `ip`, from 1 to 2**32 - 2; 0 means none.

    Only who receives at `ip` learns it, because we send it there. The scheme is aMule's (`Prefs.cpp:GetUDPVerifyKey`):
    with its `CryptoKadUDPKey`, 4 bytes little-endian, as secret this is the key that such a node expects.
    """
    words = _LITTLE.unpack(md5(ip.to_bytes(4, "big") + secret, usedforsecurity=False).digest())
    folded: int = words[0] ^ words[1] ^ words[2] ^ words[3]
    return folded % 0xFFFFFFFE + 1
