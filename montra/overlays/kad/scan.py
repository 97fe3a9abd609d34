"""The batch scan of opened datagrams: which are REQ, and their fields, by fixed offsets.

It finds exactly those rows that `parse.parse` finds to be lookups, field for field, and refuses what it looked at for
the same reasons. Rows of other packets are not read beyond their opcode.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import DatagramBatch
from montra.overlays.base import Scan
from montra.overlays.kad.head import (
    COUNT_AT,
    HEAD_BYTES,
    OPCODE_AT,
    PROTOCOL_AT,
    RECIPIENT_AT,
    REQ_BYTES,
    TARGET_AT,
    Opening,
)
from montra.overlays.kad.ids import ID_BYTES, swap_rows
from montra.overlays.kad.opcodes import KAD, Op
from montra.overlays.kad.parse import lookup_kind
from zone_store.captures import Kind

_KINDS: Final = np.array([lookup_kind(count) for count in range(256)], np.uint8)
_IS_OPCODE: Final = np.isin(np.arange(256), list(Op))


def scan(batch: DatagramBatch) -> Scan:
    """Find the lookups of a batch (SEARCH, PUBLISH and NODE_LOOKUP by the count byte).

    requester_id, version, flags, port are zero: a REQ names none. The transaction is the target, as in the packet.
    """
    n = len(batch)
    rows, length = batch.buffer[:n], batch.length
    result = _nothing(n)
    if not n:
        return result
    opening = rows[:, 0]
    opcode = rows[:, OPCODE_AT]
    left = np.ones(n, np.bool_)
    for wrong, reason in (  # in the order in which `parse` looks
        (length < HEAD_BYTES, "too_short"),
        ((opening & Opening.UNREADABLE) != 0, "unreadable"),
        (length < OPCODE_AT + 1, "too_short"),
        (rows[:, PROTOCOL_AT] != KAD, "not_kad"),
        (~_IS_OPCODE[opcode], "unknown_opcode"),
    ):
        _refuse(result, left & wrong, reason)
        left &= ~wrong
    left &= opcode == Op.REQ
    kind = _KINDS[rows[:, COUNT_AT]]
    for wrong, reason in (
        (length < REQ_BYTES, "too_short"),
        (kind == Kind.OTHER, "bad_count"),
        ((opening & Opening.WRONG_RECIPIENT) != 0, "wrong_recipient"),
    ):
        _refuse(result, left & wrong, reason)
        left &= ~wrong
    found = np.flatnonzero(left)
    result.kind[found] = kind[found]
    result.key[found] = swap_rows(rows[found, TARGET_AT:RECIPIENT_AT])
    result.transaction_at[found] = TARGET_AT
    result.transaction_bytes[found] = ID_BYTES
    return result


def _nothing(n: int) -> Scan:
    ids = np.zeros((n, ID_BYTES), np.uint8)
    words = np.zeros((4, n), np.uint16)
    return Scan(np.zeros(n, np.uint8), ids, ids.copy(), words[0], np.zeros(n, np.uint32), words[1], words[2], words[3])


def _refuse(result: Scan, rows: NDArray[np.bool_], reason: str) -> None:
    if rows.any():
        result.malformed.update(dict.fromkeys(np.flatnonzero(rows).tolist(), reason))
