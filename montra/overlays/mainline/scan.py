"""The batch scan: which rows are lookups, and their fields, without decoding what was seen before.

Rows of a known layout (see `layouts`) are read by array operations. Of the others, those that hold the name of a lookup
as the value of `q`, and so may be one, are parsed whole and teach the table their layout. The rest are not lookups,
whatever they are. Hence the scan finds exactly those rows that `messages.parse` finds to be lookups, field for field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import DatagramBatch, runs_of
from montra.overlays.base import Scan, version_number
from montra.overlays.mainline import messages
from montra.overlays.mainline.layouts import LONGEST, NO_LAYOUT, LayoutTable, ports
from montra.overlays.mainline.messages import ID_BYTES, LOOKUPS, SHORTEST

#: In bencode a value stands right behind its key and a length has one spelling, so every lookup holds one of these.
_MARK: Final = re.compile(b"1:q(?:%b)" % b"|".join(b"%d:%b" % (len(name), name.encode()) for name in LOOKUPS))
#: Layouts learned from one batch at most: a batch of one-off layouts shall cost little more than its parsing.
_LEARN: Final = 16


class Scanner:
    """Scans batches. Keeps the layouts seen so far, which makes it faster, never different."""

    def __init__(self) -> None:
        self._layouts = LayoutTable()

    def scan(self, batch: DatagramBatch) -> Scan:
        """Find the lookups of a batch.

        Vouches for what it names: lookups, and rows in `malformed`. An OTHER row that is not in `malformed` is no
        lookup; who reads such a row parses it, who does not counts it as unread.
        """
        n = len(batch)
        length = np.where(batch.truncated, 0, batch.length)  # what was not kept whole has no layout
        width = min(max(-(-int(length.max(initial=0)) // 64), 1) * 64, LONGEST)
        rows = np.ascontiguousarray(batch.buffer[:n, :width])
        layout = self._layouts.match(rows, length)
        result = self._read_known(rows, layout)
        self._read_others(batch, layout == NO_LAYOUT, result)
        return result

    def _read_known(self, rows: NDArray[np.uint8], layout: NDArray[np.intp]) -> Scan:
        """Read the rows that have a layout, zero for the others. Rows whose port is no number lose their layout."""
        table = self._layouts
        announced = np.flatnonzero(table.port_digits[layout])
        if len(announced):
            at, digits = table.port_at[layout[announced]], table.port_digits[layout[announced]]
            port, valid = ports(rows[announced], at, digits)
            layout[announced[~valid]] = NO_LAYOUT
        flat = rows.reshape(-1)
        begin = np.arange(0, len(flat), rows.shape[1])
        version_at = table.version_at[layout]
        written = _strings(flat, begin + np.maximum(version_at, 0), 4).view(">u4")[:, 0]
        result = Scan(
            table.kind[layout],
            _strings(flat, begin + table.id_at[layout], ID_BYTES),
            _strings(flat, begin + table.key_at[layout], ID_BYTES),
            table.flags[layout],
            np.where(version_at < 0, table.version[layout], written),
            table.port[layout],
            table.transaction_at[layout],
            table.transaction_bytes[layout],
        )
        none = layout == NO_LAYOUT
        result.requester_id[none] = 0
        result.key[none] = 0
        if len(announced):
            result.port[announced[valid]] = port[valid]
        return result

    def _read_others(self, batch: DatagramBatch, unknown: NDArray[np.bool_], result: Scan) -> None:
        """Fill in the rows without a layout that are lookups, and name the malformed among those looked at."""
        short = batch.length < SHORTEST
        no_dict = batch.buffer[: len(batch), 0] != ord("d")
        refused = batch.truncated | short | no_dict
        if refused.any():
            # The order in which `messages.parse` looks, last one first.
            for wrong, reason in ((no_dict, "not_a_dict"), (batch.truncated, "oversized"), (short, "too_short")):
                result.malformed.update(dict.fromkeys(np.flatnonzero(wrong).tolist(), reason))
        learned = 0
        for row, data in _payloads(batch, np.flatnonzero(unknown & ~refused)):
            if not _MARK.search(data):
                continue
            message = messages.parse(data)
            if message.reason:
                result.malformed[row] = message.reason
            elif message.method in LOOKUPS:
                result.kind[row] = LOOKUPS[message.method][1]
                result.requester_id[row] = np.frombuffer(message.sender_id, np.uint8)
                result.key[row] = np.frombuffer(message.key, np.uint8)
                result.flags[row] = message.flags
                result.version[row] = version_number(message.version)
                result.port[row] = message.port
                if learned < _LEARN:
                    self._layouts.learn(data, message)
                    learned += 1


def _payloads(batch: DatagramBatch, rows: NDArray[np.intp]) -> Iterator[tuple[int, bytes]]:
    """Yield (row, bytes) of these rows of a batch."""
    length = batch.length[rows]
    slot = int(length.max(initial=0))
    data = batch.buffer[:, :slot][rows].tobytes()  # one copy of all is far cheaper than one of each
    for at, (row, size) in enumerate(zip(rows.tolist(), length.tolist(), strict=True)):
        yield row, data[at * slot : at * slot + size]


def _strings(flat: NDArray[np.uint8], at: NDArray[np.intp], length: int) -> NDArray[np.uint8]:
    """Return uint8[len(at), length]: the bytes of `flat` from each of these places on."""
    return runs_of(flat, length)[at].view(np.uint8).reshape(len(at), length)
