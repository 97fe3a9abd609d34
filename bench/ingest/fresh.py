"""What `blast.c` writes into each datagram anew, and how a reader knows which one it was.

Pass p through a file of L lookups gives lookup l the number n = p * L + l. Scrambled one to one, n is the first eight
bytes of the requester ID; the rest of it, the key behind its first four bytes, and the requester's address follow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import ip_number

#: Bytes of the key that are the same in each pass: they decide which monitors are nearest.
KEPT = 4
ID_BYTES = 20
#: All addresses of requesters: the first, and the bits that differ.
_FIRST_SOURCE = np.uint64(ip_number("127.151.0.0"))
_SOURCE_MASK = np.uint64(0x7FFF)
_SALT = 0x9E3779B97F4A7C15
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_FIRST_BACK, _SECOND_BACK = (np.uint64(pow(int(factor), -1, 1 << 64)) for factor in (_FIRST, _SECOND))
_30, _27, _31 = np.uint64(30), np.uint64(27), np.uint64(31)


def scramble(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return uint64[n]: the finaliser of splitmix64 (Steele, Lea, Flood 2014), which is one to one."""
    z = (numbers ^ (numbers >> _30)) * _FIRST
    z = (z ^ (z >> _27)) * _SECOND
    return z ^ (z >> _31)


def unscramble(scrambled: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the numbers that `scramble` gives these for."""
    z = _unshift(scrambled, 31) * _SECOND_BACK
    z = _unshift(z, 27) * _FIRST_BACK
    return _unshift(z, 30)


def numbers_of(requester_id: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return uint64[n], the numbers of the lookups with these IDs uint8[n, 20]."""
    return unscramble(np.ascontiguousarray(requester_id[:, :8]).view(">u8")[:, 0].astype(np.uint64))


def requesters(numbers: NDArray[np.uint64]) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """Return ID uint8[n, 20] and IP address uint32[n] of who makes the lookups with these numbers."""
    source = (scramble(numbers) & _SOURCE_MASK) | _FIRST_SOURCE
    return _words(numbers, 0, 1, 2)[:, :ID_BYTES], source.astype(np.uint32)


def key_tails(numbers: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return uint8[n, 16]: the keys of the lookups with these numbers, without the first four bytes."""
    return _words(numbers, 2, 3)


def _words(numbers: NDArray[np.uint64], *which: int) -> NDArray[np.uint8]:
    """Return these of four words that follow from each number, big-endian, side by side."""
    fresh = scramble(numbers)
    words = [fresh if word == 0 else scramble(fresh ^ np.uint64(word * _SALT % (1 << 64))) for word in which]
    return np.stack(words, axis=1).astype(">u8").view(np.uint8).reshape(len(numbers), 8 * len(which))


def _unshift(z: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    """Undo z ^= z >> bits."""
    out = z
    for _ in range(-(-64 // bits) - 1):
        out = z ^ (out >> np.uint64(bits))
    return out
