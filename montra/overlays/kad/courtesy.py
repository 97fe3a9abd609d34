"""What a monitor says to strangers who ask it: nothing, or once for each content ID (paper section 3.6).

An empty RES makes the requester believe that it found a node without contacts; when its lookup ends it sends that node
what it sends to all it found (`Search.cpp:StorePacket`): what it publishes or searches. That tells what the content ID
is. Nothing of it is answered, so that the requester goes on to real nodes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

import numpy as np

from montra.datagrams import Counters
from montra.overlays.base import Asked, Replies, Scope
from montra.overlays.kad import messages
from montra.overlays.kad.head import HEAD_KEY
from montra.overlays.kad.wire import envelope
from zone_store.captures import Kind


class Reply(IntEnum):
    """What a stranger's REQ of a search or publish gets."""

    SILENT = 0
    ONCE = 1  # no contacts, from one monitor for each content ID


#: The one family: all clients of Kad treat a reply alike.
FAMILY: Final = "all"
#: Modes beside the names of policies, and what they are: a silent monitor displaces nobody (the disruption meter).
_MODES: Final[Mapping[str, Reply]] = {
    "least": Reply.SILENT,
    "paper": Reply.SILENT,
    **{member.name.lower(): member for member in Reply},
}
_POLICIES: Final = tuple(member.name.lower() for member in Reply)

#: For how long an answer may bring something: a store lives 140 s, a search 45 s.
INVITED_NS: Final = 180 * 10**9
#: Packets that one answer may bring: a keyword is published with 150 files at most, 50 in a packet.
MOST_PACKETS: Final = 8
#: Content IDs remembered as answered (some 230 bytes each), and answers that may still bring something; more content
#: IDs than that are not answered.
MAX_KEYS: Final = 1 << 20
MAX_INVITED: Final = 1 << 16


def reply_table(mode: str, exceptions: Mapping[str, str]) -> dict[str, str]:
    """Return the policy of each family, by name (see `montra.overlays.base.Overlay.reply_table`)."""
    if mode not in _MODES:
        raise ValueError(f"mode {mode!r} is none of {', '.join(_MODES)}")
    table = {FAMILY: _MODES[mode].name.lower()}
    for known, policy in exceptions.items():
        if known != FAMILY:
            raise ValueError(f"family {known!r} is none of {FAMILY}")
        if policy not in _POLICIES:
            raise ValueError(f"policy {policy!r} of {known} is none of {', '.join(_POLICIES)}")
        if mode == "paper" and policy != table[FAMILY]:
            raise ValueError(f'mode "paper" is silence to all, so {known} cannot get {policy!r}')
        table[known] = policy
    return table


def from_table(table: Mapping[str, str], scope: Scope) -> KadCourtesy | None:
    """Return who replies by a table of names, None where all are silent; raises ValueError for unknown names."""
    return KadCourtesy(scope) if reply_table("least", table)[FAMILY] == Reply.ONCE.name.lower() else None


class KadCourtesy:
    """Answers each content ID once (fits `montra.overlays.base.Courtesy`).

    scope: which content IDs, and when one may be answered again. Dropped are: claims_full (more content IDs than are
    remembered).
    """

    policies = _POLICIES

    def __init__(self, scope: Scope, max_keys: int = MAX_KEYS, max_invited: int = MAX_INVITED) -> None:
        self._scope = scope
        self._max_keys, self._max_invited = max_keys, max_invited
        before = sorted(scope.answered.items(), key=lambda item: item[1])
        # key -> until when, the first to end first. A plain dict takes ever longer to find the first of what is left
        # while many are taken out.
        self._answered = OrderedDict((key, at_ns + scope.once_ns) for key, at_ns in before[-max_keys:])
        # (ip, key) -> (until when, packets still taken)
        self._invited: OrderedDict[tuple[int, bytes], tuple[int, int]] = OrderedDict()

    def answer(self, now_ns: int, asked: Asked) -> Replies:
        """Reply to lookups of strangers (see `montra.overlays.base.Courtesy.answer`)."""
        batch, rows = asked.batch, asked.rows
        kind, keys = asked.scan.kind[rows], asked.scan.key[rows]
        about = (kind == Kind.SEARCH) | (kind == Kind.PUBLISH)
        # Clients send what they publish or search only to nodes whose distance to the key begins with eight zero bits
        # (`Search.cpp`, SEARCHTOLERANCE): an answer from farther away would bring nothing.
        near = keys[:, 0] == asked.monitor_ids[:, 0]
        counters = Counters()
        answered: list[int] = []
        payloads: list[bytes] = []
        for i in np.flatnonzero(about & near).tolist():
            row = int(rows[i])
            key = keys[i].tobytes()
            if not self._claim(now_ns, int(batch.source_ip[row]), key, counters):
                continue
            peer_key = int.from_bytes(batch.buffer[row, HEAD_KEY].tobytes(), "little")
            answered.append(row)
            payloads.append(envelope(messages.response(key), key=peer_key))
        policy = np.full(len(answered), Reply.ONCE, np.uint8)
        return Replies(
            np.array(answered, np.intp), payloads, policy, np.zeros(len(answered), np.bool_), dropped=counters
        )

    def invited(self, now_ns: int, ip: int, key: bytes) -> bool:
        """Tell whether an address was answered for this key, and count one of the packets that it may send."""
        until_ns, left = self._invited.get((ip, key), (0, 0))
        if until_ns <= now_ns or not left:
            return False
        self._invited[ip, key] = until_ns, left - 1
        return True

    def _claim(self, now_ns: int, ip: int, key: bytes, counters: Counters) -> bool:
        """Take a key for an answer to this address; False if it is taken, not ours, or there is no room."""
        answered, invited = self._answered, self._invited
        while answered and answered[oldest := next(iter(answered))] <= now_ns:
            del answered[oldest]
        if key in answered or not self._scope.mine(key):
            return False
        while invited and invited[first := next(iter(invited))][0] <= now_ns:
            del invited[first]
        if len(answered) >= self._max_keys or len(invited) >= self._max_invited:
            counters.add("claims_full")
            return False
        answered[key] = now_ns + self._scope.once_ns
        invited.pop((ip, key), None)  # of an earlier answer: an old place in the order would hide those that end first
        invited[ip, key] = now_ns + INVITED_NS, MOST_PACKETS
        return True
