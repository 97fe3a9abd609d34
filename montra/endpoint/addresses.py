"""Sets of IPv4 addresses as sorted disjoint intervals: the monitors' addresses and the blocklist.

Nothing here grows with the number of addresses, so a /8 costs as much as a single address.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def parse_block(text: str, *, host_bits: bool = False) -> tuple[int, int]:
    """Return the first and last address of "192.0.2.7", "192.0.2.7-20" or "192.0.2.0/24".

    All addresses of a CIDR block count, its .0 and .255 too. `host_bits`: take "192.0.2.7/24" for the block around it.
    Raises ValueError with one clear line.
    """
    try:
        if "/" in text:
            network = ipaddress.IPv4Network(text, strict=False)
            low, high = int(network.network_address), int(network.broadcast_address)
            if not host_bits and int(ipaddress.IPv4Address(text.partition("/")[0])) != low:
                raise ValueError(f"{text!r} is no CIDR block: its first address is {network}")
            return low, high
        first, dash, last = text.partition("-")
        low = int(ipaddress.IPv4Address(first))
    except (ipaddress.AddressValueError, ipaddress.NetmaskValueError) as error:
        raise ValueError(f"{text!r} is no IPv4 address, a.b.c.d-e range or CIDR block: {error}") from None
    if not dash:
        return low, low
    if not (last.isascii() and last.isdigit() and len(last) <= 3 and low & 255 <= int(last) <= 255):
        raise ValueError(f"{text!r} is no range: after the dash comes the last octet, not below the first, at most 255")
    return low, low & ~255 | int(last)


class AddressSet:
    """Addresses in ascending order; the rank of an address is its place in that order.

    Built from (first, last) pairs, which may overlap or repeat. `starts` and `ends` are the merged intervals.
    """

    def __init__(self, blocks: Iterable[tuple[int, int]]) -> None:
        merged: list[list[int]] = []
        for low, high in sorted(blocks):
            if merged and low <= merged[-1][1] + 1:
                merged[-1][1] = max(merged[-1][1], high)
            else:
                merged.append([low, high])
        table = np.array(merged, np.int64).reshape(-1, 2)
        self.starts: NDArray[np.int64] = table[:, 0]
        self.ends: NDArray[np.int64] = table[:, 1]
        # below[i] addresses lie before interval i; one more entry holds the total
        self._below: NDArray[np.int64] = np.concatenate(([0], np.cumsum(self.ends - self.starts + 1)))
        # bisect on a list is ten times as fast as searchsorted for a single address
        self._start_list: list[int] = self.starts.tolist()
        self._end_list: list[int] = self.ends.tolist()
        self._below_list: list[int] = self._below.tolist()

    def __len__(self) -> int:
        return self._below_list[-1]

    def __contains__(self, ip: int) -> bool:
        return self.rank(ip) >= 0

    def rank(self, ip: int) -> int:
        """Return the rank of one address, -1 if it is not in the set."""
        i = bisect_right(self._start_list, ip) - 1
        if i < 0 or ip > self._end_list[i]:
            return -1
        return self._below_list[i] + ip - self._start_list[i]

    def at(self, rank: int) -> int:
        """Return the address of a rank; raises IndexError outside 0..len-1."""
        if not 0 <= rank < len(self):
            raise IndexError(f"rank {rank} of {len(self)} addresses")
        i = bisect_right(self._below_list, rank) - 1
        return self._start_list[i] + rank - self._below_list[i]

    def ranks(self, ips: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return int64[n], the ranks of addresses, -1 for those not in the set."""
        if not self._start_list:
            return np.full(len(ips), -1, np.int64)
        wide = ips.astype(np.int64)
        i = np.searchsorted(self.starts, wide, "right") - 1
        inside = (i >= 0) & (wide <= self.ends[i])
        return np.where(inside, self._below[i] + wide - self.starts[i], -1)

    def take(self, ranks: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return uint32[n], the addresses of ranks, which must lie in 0..len-1."""
        i = np.searchsorted(self._below, ranks, "right") - 1
        return (self.starts[i] + ranks - self._below[i]).astype(np.uint32)

    def subnets(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the /24s touched (int64[g], address >> 8, ascending) and, int64[g + 1], the rank at which each begins.

        The last entry is the number of addresses, so subnet i holds the ranks begin[i]..begin[i + 1] - 1.
        """
        parts = [
            np.arange(low >> 8, (high >> 8) + 1) for low, high in zip(self._start_list, self._end_list, strict=True)
        ]
        groups = np.unique(np.concatenate(parts)).astype(np.int64) if parts else np.empty(0, np.int64)
        first = groups << 8
        i = np.searchsorted(self.starts, first, "right") - 1
        # interval i begins at or before the subnet: its addresses below `first` count, all of the earlier ones too
        before = np.where(i >= 0, self._below[i] + np.minimum(first, self.ends[i] + 1) - self.starts[i], 0)
        return groups, np.append(before, len(self))
