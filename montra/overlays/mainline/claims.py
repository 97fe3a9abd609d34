"""Answer once: of all monitors that are asked for an info-hash, one gives a token, so that an announce can be seen.

If every monitor gave one, announces would go to monitors instead of real nodes; so for a while an info-hash belongs to
the monitor that was asked for it first. Tokens need no memory: they are a keyed hash of the address they are given to.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

from montra.overlays.mainline.shapes import TOKEN_BYTES

#: How long an info-hash belongs to its monitor. rTorrent announces 45 s after its first find_node at a silent node.
CLAIM_NS = 120 * 10**9
#: Claims at a time; more are refused.
MAX_CLAIMS = 65_536


class Claims:
    """Which monitor answers for which info-hash. Bounded; times are arguments.

    secret: of at most 64 bytes; who knows it can make tokens.
    """

    def __init__(self, secret: bytes, max_claims: int = MAX_CLAIMS) -> None:
        self._secret = secret
        self._max = max_claims
        # key -> (end, monitor), the first to end first. A plain dict takes ever longer to find the first of what is
        # left while many are taken out.
        self._held: OrderedDict[bytes, tuple[int, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def holder(self, now_ns: int, key: bytes, monitor_id: bytes) -> bytes:
        """Return whose a key is: the monitor's that was asked first, so perhaps this one's; b"" if there is no room."""
        while self._held:
            oldest = next(iter(self._held))
            if self._held[oldest][0] > now_ns:
                break
            del self._held[oldest]
        claim = self._held.get(key)
        if claim is not None:
            return claim[1]
        if len(self._held) >= self._max:
            return b""
        self._held[key] = (now_ns + CLAIM_NS, monitor_id)
        return monitor_id

    def token(self, ip: int) -> bytes:
        """Return the token for whoever asks from this IPv4 address."""
        return blake2b(ip.to_bytes(4, "big"), digest_size=TOKEN_BYTES, key=self._secret).digest()
