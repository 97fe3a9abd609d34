"""Node IDs and info-hashes as bytes (one) and as rows of uint8 (many), and the XOR metric over them.

The metric is Kademlia's (Maymounkov and Mazieres 2002, section 2.1; BEP 5): the distance of two IDs is their XOR read
as an unsigned big-endian integer, so that comparing distances is comparing rows byte by byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Number of leading zero bits of each byte value.
_LEADING_ZEROS = np.array([8 - value.bit_length() for value in range(256)], np.uint16)


def xor_distance(a: bytes, b: bytes) -> int:
    """Return the XOR distance of two IDs of one length; raises ValueError if the lengths differ."""
    _same_length(a, b)
    return int.from_bytes(a, "big") ^ int.from_bytes(b, "big")


def common_prefix_length(a: bytes, b: bytes) -> int:
    """Return how many leading bits two IDs of one length share; raises ValueError if the lengths differ."""
    return len(a) * 8 - xor_distance(a, b).bit_length()


def pack(ids: Sequence[bytes], id_bytes: int) -> NDArray[np.uint8]:
    """Return IDs as uint8[N, id_bytes], a writable copy; raises ValueError if one has another length."""
    for one in ids:
        if len(one) != id_bytes:
            raise ValueError(f"an ID of {len(one)} bytes among IDs of {id_bytes}")
    return np.frombuffer(b"".join(ids), np.uint8).reshape(len(ids), id_bytes).copy()


def words(ids: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return IDs uint8[N, L] as native integers uint64[ceil(L/8), N], most significant word first, zero-padded."""
    count, width = ids.shape
    padded = np.zeros((count, -(-width // 8) * 8), np.uint8)
    padded[:, :width] = ids
    return np.ascontiguousarray(padded.view(">u8").T).astype(np.uint64)


def take(column: NDArray[Any], rows: NDArray[np.integer[Any]]) -> NDArray[Any]:
    """Return column[rows] of a column [N] or [N, L].

    Rows of bytes are moved as whole items: several times faster than numpy's own way with two dimensions.
    """
    if column.ndim == 1 or not column.shape[1]:
        return column.take(rows)
    items = np.ascontiguousarray(column).view(f"V{column.shape[1] * column.itemsize}")[:, 0]
    return items.take(rows).view(column.dtype).reshape(len(rows), column.shape[1])


def sort_order(ids: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the stable lexicographic (numeric) order of IDs uint8[N, L] as intp[N]."""
    columns = words(ids)
    if not len(columns):
        return np.arange(len(ids), dtype=np.intp)
    return np.lexsort(columns[::-1])


def distance(ids: NDArray[np.uint8], keys: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the XOR distances uint8[N, L] of rows pairwise; either side may be one row, uint8[L]."""
    return np.bitwise_xor(ids, keys)


def common_prefix_lengths(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return the shared leading bits uint16[N] of rows pairwise; either side may be one row, uint8[L]."""
    difference = np.atleast_2d(distance(a, b))
    if not difference.size:
        return np.zeros(len(difference), np.uint16)
    byte = np.argmax(difference != 0, axis=1)
    first = np.take_along_axis(difference, byte[:, None], axis=1)[:, 0]
    # Equal rows have no nonzero byte: argmax says 0, and the byte there is zero.
    bits = byte.astype(np.uint16) * np.uint16(8) + _LEADING_ZEROS[first]
    return np.where(first == 0, np.uint16(difference.shape[1] * 8), bits)


def less(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return whether row a < row b, bool[N], pairwise as unsigned big-endian integers; for IDs or distances."""
    a, b = np.broadcast_arrays(np.atleast_2d(a), np.atleast_2d(b))
    if not a.size:
        return np.zeros(len(a), np.bool_)
    byte = np.argmax(a != b, axis=1)[:, None]
    return (np.take_along_axis(a, byte, axis=1) < np.take_along_axis(b, byte, axis=1))[:, 0]


def _same_length(a: bytes, b: bytes) -> None:
    if len(a) != len(b):
        raise ValueError(f"IDs of {len(a)} and {len(b)} bytes have no distance")
