"""What the fleet asks of the address plan: the protocol, so that monitors import nothing of the endpoint."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class AddressPool(Protocol):
    """The local (address, port) pairs that monitors may take; each is held by one monitor at most.

    A `local` is the endpoint's index of a pair. A `group` is what clients deduplicate on (the /24 of an IPv4
    address): neighbours in ID space should not share one.
    """

    def acquire(self, target_id: bytes, avoid: frozenset[int] = frozenset()) -> int | None:
        """Take a free pair for the monitor beside `target_id`, as far as possible in ID order from others of its group.

        `avoid`: locals already tried in vain for this target (their addresses are not offered again).
        None when nothing is free.
        """
        ...

    def release(self, local: int) -> None:
        """Give a pair back."""
        ...

    def address(self, local: int) -> tuple[int, int]:
        """Return (ip, port) of a pair."""
        ...

    def group(self, local: int) -> int:
        """Return the group number of a pair."""
        ...

    def is_own(self, ip: int, port: int) -> bool:
        """Tell whether an address is one of ours."""
        ...

    def are_own(self, ip: NDArray[np.uint32], port: NDArray[np.uint16]) -> NDArray[np.bool_]:
        """Tell bool[n] which of the addresses ip uint32[n], port uint16[n] are ours."""
        ...
