"""Numbered places in the order of the IDs that hold them: neighbours by slices, however many there are.

The order is a list of short arrays of place numbers, so that a change moves a few KiB at most and makes no object that
stays. The IDs are in one array.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: A block of more slots is cut in two.
_BLOCK = 1024


class IdOrder:
    """Slots 0..slots-1 held by IDs of one length, in order of (ID, slot). A slot is held by one ID at most."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._id_bytes = 0  # known from the first ID on
        self._ids = memoryview(b"")  # of each slot; pages never written to take no memory
        self._blocks: list[array[int]] = []  # none is empty
        self._lasts: list[bytes] = []  # ID of the last holder of each block
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, holder_id: bytes, slot: int) -> None:
        """Let an ID hold a slot that nobody holds. All IDs are of one length."""
        if not self._id_bytes:
            self._id_bytes = len(holder_id)
            self._ids = np.zeros(self._slots * self._id_bytes, np.uint8).data
        number, place = self._find(holder_id, slot)
        at = slot * self._id_bytes
        self._ids[at : at + self._id_bytes] = holder_id
        self._count += 1
        if not self._blocks:
            self._blocks.append(array("i"))
            self._lasts.append(holder_id)
        if number == len(self._blocks):  # behind everybody
            number -= 1
            place = len(self._blocks[number])
        block = self._blocks[number]
        block.insert(place, slot)
        if len(block) > _BLOCK:
            self._replace(number, number + 1, [block[: _BLOCK // 2], block[_BLOCK // 2 :]])
        elif place == len(block) - 1:
            self._lasts[number] = holder_id

    def remove(self, slot: int) -> None:
        """Take a held slot away from its holder."""
        number, place = self._find(self.id_of(slot), slot)
        block = self._blocks[number]
        del block[place]
        self._count -= 1
        if not block:
            self._replace(number, number + 1, [])
        elif len(block) < _BLOCK // 4 and len(block) + sum(map(len, self._blocks[number + 1 : number + 2])) <= _BLOCK:
            self._replace(number, number + 2, [sum(self._blocks[number + 1 : number + 2], block)])
        elif place == len(block):
            self._lasts[number] = self.id_of(block[-1])

    def take_from(self, holder_id: bytes, most: int) -> list[int]:
        """Take away up to `most` holders from an ID on (b"": from the first); returns their slots in order."""
        taken: list[int] = []
        number, place = self._find(holder_id, -1)
        while len(taken) < most and number < len(self._blocks):
            block = self._blocks[number]
            end = min(len(block), place + most - len(taken))
            taken += block[place:end]
            del block[place:end]
            if not block:
                self._replace(number, number + 1, [])
            else:
                self._lasts[number] = self.id_of(block[-1])
                number, place = number + 1, 0
        self._count -= len(taken)
        return taken

    def around(self, holder_id: bytes, window: int) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
        """Return the slots of up to `window` neighbours on each side of an ID, farthest first, and how far they are.

        int64[n] and int16[n]: the next holder on a side is 1 away; whoever holds the ID itself is on the right.
        """
        left, right = self.beside(holder_id, window)
        order, distances = _farthest_first(len(left), len(right))
        left += right
        return np.array(left, np.int64)[order], distances

    def beside(self, holder_id: bytes, window: int) -> tuple[array[int], array[int]]:
        """Return the slots of up to `window` neighbours before an ID, and of as many from it on, both in order."""
        number, place = self._find(holder_id, -1)
        left, right = array("i"), array("i")
        if number < len(self._blocks):
            right = self._blocks[number][place : place + window]
            left = self._blocks[number][max(0, place - window) : place]
        after, before = number + 1, number - 1
        while len(right) < window and after < len(self._blocks):
            right += self._blocks[after][: window - len(right)]
            after += 1
        while len(left) < window and before >= 0:
            left = self._blocks[before][-(window - len(left)) :] + left
            before -= 1
        return left, right

    def _replace(self, begin: int, end: int, blocks: list[array[int]]) -> None:
        """Put blocks, none of them empty, in the place of others."""
        self._blocks[begin:end] = blocks
        self._lasts[begin:end] = [self.id_of(block[-1]) for block in blocks]

    def id_of(self, slot: int) -> bytes:
        """Return the ID that held a slot last."""
        at = slot * self._id_bytes
        return self._ids[at : at + self._id_bytes].tobytes()

    def ids(self) -> NDArray[np.uint8]:
        """Return the IDs of all holders in ascending order, uint8[n, L]; a copy."""
        if not self._count:
            return np.zeros((0, self._id_bytes), np.uint8)
        slots = np.concatenate([np.frombuffer(block, np.int32) for block in self._blocks])
        ids: NDArray[np.uint8] = np.frombuffer(self._ids, np.uint8).reshape(-1, self._id_bytes)[slots]
        return ids

    def _find(self, holder_id: bytes, slot: int) -> tuple[int, int]:
        """Return block and place of the first holder not before (ID, slot); one block too far if there is none."""
        number = bisect_left(self._lasts, holder_id)
        if number == len(self._blocks):
            return number, 0
        place = bisect_left(self._blocks[number], holder_id, key=self.id_of)
        while slot > self._blocks[number][place] and self.id_of(self._blocks[number][place]) == holder_id:
            place += 1
            if place == len(self._blocks[number]):
                number, place = number + 1, 0
                if number == len(self._blocks):
                    break
        return number, place


@lru_cache(maxsize=64)
def _farthest_first(left: int, right: int) -> tuple[NDArray[np.intp], NDArray[np.int16]]:
    """Return the order in which so many neighbours, ascending, are farthest first, and their distances in it."""
    distances = np.concatenate((np.arange(left, 0, -1, dtype=np.int16), np.arange(1, right + 1, dtype=np.int16)))
    order = np.argsort(-distances, kind="stable")
    return order, distances[order]
