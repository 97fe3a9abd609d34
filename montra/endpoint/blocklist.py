"""Addresses that are never sent to: opt-outs and networks that want no measurement."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from montra.endpoint.addresses import AddressSet, parse_block


class BlocklistError(ValueError):
    """A blocklist that cannot be used; the message is one clear line with file and line number."""


class Blocklist:
    """A set of IPv4 addresses. `ignored_ipv6`: entries for IPv6, valid but without meaning here.

    One address, range (a.b.c.d-e) or CIDR block a line, `#` begins a comment, as in zmap's blocklists. A block with
    host bits set blocks the whole network around it, which errs on the safe side.
    """

    def __init__(self, addresses: AddressSet | None = None, ignored_ipv6: int = 0) -> None:
        self._addresses = AddressSet([]) if addresses is None else addresses
        self.ignored_ipv6 = ignored_ipv6

    @classmethod
    def parse(cls, text: str, name: str = "blocklist") -> Blocklist:
        """Read a blocklist from text; `name` is what errors call it. Raises BlocklistError."""
        blocks: list[tuple[int, int]] = []
        ignored = 0
        for number, line in enumerate(text.splitlines(), 1):
            entry = line.partition("#")[0].strip()
            if not entry:
                continue
            if ":" in entry and _is_ipv6(entry):
                ignored += 1
                continue
            try:
                blocks.append(parse_block(entry, host_bits=True))
            except ValueError as error:
                raise BlocklistError(f"{name}, line {number}: {error}") from None
        return cls(AddressSet(blocks), ignored)

    @classmethod
    def load(cls, path: Path) -> Blocklist:
        """Read a blocklist file (UTF-8). Raises BlocklistError, also for a file that cannot be read."""
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BlocklistError(f"cannot read the blocklist {path}: {error}") from None
        return cls.parse(text, str(path))

    def __len__(self) -> int:
        """Return how many addresses are blocked."""
        return len(self._addresses)

    def __contains__(self, ip: int) -> bool:
        return ip in self._addresses

    def contains_many(self, ips: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Return bool[n]: which addresses are blocked."""
        blocked: NDArray[np.bool_] = self._addresses.ranks(ips) >= 0
        return blocked


def _is_ipv6(entry: str) -> bool:
    try:
        ipaddress.IPv6Network(entry, strict=False)
    except ValueError:
        return False
    return True
