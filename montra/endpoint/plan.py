"""The address plan: every local (address, port) pair of a run, by number, and which monitor holds which.

Pure arithmetic over address intervals and a port range; no socket, no object for a pair. Number ("local") 0 is the
crawler, 1..N are the monitors' pairs, address by address in ascending order, each with all ports.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import ip_number, ip_text
from montra.endpoint.addresses import AddressSet, parse_block
from montra.endpoint.allocation import Allocation

#: The crawler's local.
CRAWLER = 0
#: A plan of more pairs is a slip of the pen, and local numbers are int32.
MAX_PAIRS = 1 << 24

# /24s at least, then the share of lookups whose closest monitor with a copy stands beside the true destination, in the
# worst of several labs of 128 to 300 libtorrent nodes (`montra validate lab`; the best with 16 /24s: 98 %). What
# attribution infers was right for 97 % or more in all of them.
_OBSERVED_RIGHT = ((16, 0.87), (4, 0.69), (1, 0.22))


class PlanError(ValueError):
    """Addresses and ports that make no plan; the message is one clear line."""


class AddressPlan:
    """The pairs of a run and their holders (fits `montra.monitors.pool.AddressPool`).

    crawler: "192.0.2.1:6881"; addresses: each "192.0.2.7", "192.0.2.7-20" or "192.0.2.0/24", duplicates count once,
    None for a crawl without monitors; ports: "6881" or "6881-6890"; per_ip: monitors that may share an IP, 0 for as
    many as there are ports. Raises PlanError.

    pairs: all there are; capacity: those that can be held at once.
    """

    def __init__(self, crawler: str, addresses: Sequence[str] | None, ports: str, per_ip: int = 0) -> None:
        self.ports = _parse_ports(ports)
        self.crawler = _parse_crawler(crawler)
        self.ips = AddressSet([] if addresses is None else _parse_monitors(addresses))
        self.per_ip = per_ip
        self.pairs = len(self.ips) * len(self.ports)
        self.capacity = len(self.ips) * min(per_ip or len(self.ports), len(self.ports))
        if self.pairs > MAX_PAIRS:
            raise PlanError(
                f"{self.pairs} (address, port) pairs are too many (at most {MAX_PAIRS}): name smaller blocks"
            )
        if self.crawler[0] in self.ips:
            # clients hold one contact of each exact IP: the crawler's entry would keep monitors out
            raise PlanError(
                f"the crawler's address {ip_text(self.crawler[0])} is also a monitor address: give it its own"
            )
        groups, begins = self.ips.subnets()
        self.groups = len(groups)
        self._held = Allocation(begins.tolist(), len(self.ports), per_ip)

    def acquire(self, target_id: bytes, avoid: frozenset[int] = frozenset()) -> int | None:
        """Take a free pair for the monitor beside `target_id`; None when nothing is free.

        The /24 whose nearest holder in ID order is farthest, there an unused IP if there is one.
        `avoid`: locals tried in vain; their IPs are not offered, their /24s only when no other has room.
        """
        slot = self._held.take(target_id, {(local - 1) // len(self.ports) for local in avoid})
        return None if slot is None else slot + 1

    def acquire_pair(self, target_id: bytes, ip: int, port: int) -> int | None:
        """Take one pair and no other for the monitor beside `target_id`; None when it is not free, or none of ours."""
        local = int(self.locals_of(np.array([ip], np.uint32), np.array([port], np.uint16))[0])
        return local if local > CRAWLER and self._held.take_slot(target_id, local - 1) else None

    def release(self, local: int) -> None:
        """Give a pair back; raises KeyError if it is not held."""
        self._held.give_back(local - 1)

    @property
    def held(self) -> int:
        """Pairs held at present."""
        return len(self._held)

    def address(self, local: int) -> tuple[int, int]:
        """Return (ip, port) of a local; raises IndexError for a number outside the plan."""
        if local == CRAWLER:
            return self.crawler
        rank, port = divmod(local - 1, len(self.ports))
        return self.ips.at(rank), self.ports[port]

    def group(self, local: int) -> int:
        """Return the /24 of a local: its address without the last octet."""
        return self.address(local)[0] >> 8

    def is_own(self, ip: int, port: int) -> bool:
        """Tell whether an address is the crawler's or any monitor pair, held or not."""
        return (ip, port) == self.crawler or (port in self.ports and ip in self.ips)

    def are_own(self, ip: NDArray[np.uint32], port: NDArray[np.uint16]) -> NDArray[np.bool_]:
        """Tell bool[n] which addresses are the crawler's or any monitor pair, held or not."""
        return self.locals_of(ip, port) >= 0

    def locals_of(self, ip: NDArray[np.uint32], port: NDArray[np.uint16]) -> NDArray[np.int32]:
        """Return int32[n], the locals of addresses ip uint32[n], port uint16[n]; -1 where it is none of ours."""
        rank = self.ips.ranks(ip)
        offset = port.astype(np.int64) - self.ports.start
        ours = (rank >= 0) & (offset >= 0) & (offset < len(self.ports))
        local = np.where(ours, 1 + rank * len(self.ports) + offset, -1)
        local[(ip == self.crawler[0]) & (port == self.crawler[1])] = CRAWLER
        return local.astype(np.int32)

    def addresses_of(self, local: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
        """Return ip uint32[n] and port uint16[n] of locals; raises IndexError if one is outside the plan."""
        if ((local < 0) | (local > self.pairs)).any():
            raise IndexError(f"a local outside 0..{self.pairs}")
        if not self.pairs:
            return np.full(len(local), self.crawler[0], np.uint32), np.full(len(local), self.crawler[1], np.uint16)
        rank, offset = np.divmod(np.maximum(local - 1, 0), len(self.ports))
        ip = self.ips.take(rank)
        port = (offset + self.ports.start).astype(np.uint16)
        crawler = local == CRAWLER
        ip[crawler], port[crawler] = self.crawler
        return ip, port

    def describe(self) -> dict[str, int | float | bool | str]:
        """Return what the plan holds, for the preflight of a run with monitors that may share an IP.

        pairs, ips, groups (/24s), ports; observed_right: the least share of libtorrent lookups whose observed
        destination is right with so many /24s; crawler_group_shared: the crawler sits in a /24 of monitors; note: a
        sentence on what to expect of destinations.
        """
        enough, most = _OBSERVED_RIGHT[0]
        right = next(share for least, share in _OBSERVED_RIGHT if self.groups >= least)
        note = (
            f"{self.groups} /24{'s' if self.groups > 1 else ''}: observed destinations are right for {right:.0%} of "
            "lookups or more, inferred ones for 97% or more"
        )
        if self.groups < enough:
            note += f"; with {enough} /24s observed ones are for {most:.0%} or more: clients ask one contact of each"
        return {
            "pairs": self.pairs,
            "ips": len(self.ips),
            "groups": self.groups,
            "ports": len(self.ports),
            "observed_right": right,
            "crawler_group_shared": self.shares_group(self.crawler[0]),
            "note": note,
        }

    def shares_group(self, ip: int) -> bool:
        """Tell whether an address lies in a /24 of monitors."""
        first = ip & ~255
        return self._overlaps(first, first + 255)

    def touches(self, low: int, high: int) -> bool:
        """Tell whether crawler or monitors have addresses from `low` to `high`, both included."""
        return low <= self.crawler[0] <= high or self._overlaps(low, high)

    def _overlaps(self, low: int, high: int) -> bool:
        return bool(((self.ips.starts <= high) & (self.ips.ends >= low)).any())


def _parse_ports(text: str) -> range:
    first, dash, last = text.partition("-")
    numbers = [first, last] if dash else [first, first]
    if not all(n.isascii() and n.isdigit() and 1 <= int(n) <= 65535 for n in numbers):
        raise PlanError(f"ports {text!r}: write one port or first-last, from 1 to 65535")
    low, high = int(numbers[0]), int(numbers[1])
    if low > high:
        raise PlanError(f"ports {text!r}: the first is above the last")
    return range(low, high + 1)


def _parse_crawler(text: str) -> tuple[int, int]:
    host, colon, port = text.rpartition(":")
    try:
        if not colon:
            raise ValueError("no port")
        ip = ip_number(host)
    except ValueError as error:
        raise PlanError(f"crawler {text!r}: write ADDRESS:PORT with an IPv4 address ({error})") from None
    _refuse_special(host, ip, ip)
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise PlanError(f"crawler {text!r}: the port must be from 1 to 65535")
    return ip, int(port)


def _parse_monitors(addresses: Sequence[str]) -> list[tuple[int, int]]:
    blocks = []
    for text in addresses:
        try:
            low, high = parse_block(text.strip())
        except ValueError as error:
            raise PlanError(f"monitor address {error}") from None
        _refuse_special(text, low, high)
        blocks.append((low, high))
    if not blocks:
        raise PlanError("no monitor addresses: name at least one address or CIDR block")
    return blocks


def _refuse_special(text: str, low: int, high: int) -> None:
    # 0/8 is "this network" (RFC 1122), 224/4 multicast and 240/4 reserved with the broadcast address
    if low < 1 << 24 or high >= 224 << 24:
        raise PlanError(f"{text!r}: addresses in 0.0.0.0/8 and from 224.0.0.0 on cannot be a host's own")
