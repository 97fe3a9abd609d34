"""Which row has the target at an address: a chained hash table of two integers a row, no object for any of them.

Chains are by IP alone, so that one walk also counts the targets at an IP. A chain holds the few that may share an IP
(`max_ids_per_ip`) and those of IPs that collide, one on average.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SPREAD = 0x9E3779B1  # 2**32 over the golden ratio: neighbouring IPs fall far apart (Knuth, TAOCP 3, 6.4)


class AddressIndex:
    """Rows found by their target's (IP, port), which these columns hold: ip uint32[rows], port uint16[rows]."""

    def __init__(self, ip: NDArray[np.uint32], port: NDArray[np.uint16]) -> None:
        bits = max(1, (len(ip) - 1).bit_length())
        self._shift = 32 - bits
        # rows are kept as row + 1, since untouched pages of zeros take no memory; views give plain integers fast
        self._heads = np.zeros(1 << bits, np.int32).data
        self._links = np.zeros(len(ip), np.int32).data
        self._ip, self._port = ip.data, port.data
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def row_of(self, ip: int, port: int) -> int:
        """Return the row with the target at this address, -1 if there is none."""
        row: int = self._heads[self._chain(ip)] - 1
        while row >= 0 and not (self._port[row] == port and self._ip[row] == ip):
            row = self._links[row] - 1
        return row

    def at_ip(self, ip: int) -> int:
        """Return how many rows have their target at this IP."""
        count = 0
        row = self._heads[self._chain(ip)] - 1
        while row >= 0:
            count += self._ip[row] == ip
            row = self._links[row] - 1
        return count

    def add(self, row: int) -> None:
        """Take a row in, by the address that the columns have for it, which no other row of the index has."""
        chain = self._chain(self._ip[row])
        self._links[row] = self._heads[chain]
        self._heads[chain] = row + 1
        self._count += 1

    def remove(self, row: int) -> None:
        """Take out a row that is in."""
        chain = self._chain(self._ip[row])
        before = self._heads[chain] - 1
        if before == row:
            self._heads[chain] = self._links[row]
        else:
            while self._links[before] - 1 != row:
                before = self._links[before] - 1
            self._links[before] = self._links[row]
        self._count -= 1

    def clear(self) -> None:
        """Take all rows out."""
        self._heads = np.zeros(len(self._heads), np.int32).data
        self._count = 0

    def _chain(self, ip: int) -> int:
        return (int(ip) * _SPREAD & 0xFFFFFFFF) >> self._shift
