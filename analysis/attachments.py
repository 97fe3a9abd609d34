"""The targets of a run as columns: half a million of them take tens of megabytes, and no object each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zone_store.captures import Attachment
from zone_store.keyspace import ids as keyspace

SEALED = "sealed"
"""Reason of attachments that sealing the run ended, not the target."""

_TOGETHER = 1 << 14
"""So many attachments are objects at a time."""


@dataclass(frozen=True, slots=True)
class Attachments:
    """All attachments of a run, by rising number: one row each, n rows; a target may have several.

    number uint32[n]; target_id uint8[n, L]; node int64[n]: index of the distinct target ID, in order of IDs; address
    int64[n]: index of the distinct address (IP) of the target, which is held nowhere; found_ns, introduced_ns,
    accepted_ns int64[n]: 0 = never; until_ns int64[n]: when it ended, or the run's end; lost bool[n]: ended before
    sealing, for a reason of the target's or its monitor's; reason uint8[n]: index in `reasons`, whose first is "" (none
    told); version uint32[n]; status uint8[n] (`Status`); bare bool[n]: left without a monitor, the fleet being thin.
    visible_of int64[v]: rows; visible_begin_ns, visible_end_ns int64[v]: when the target was seen handing its monitor
    out, the open intervals ended with their attachment, empty ones left out.
    """

    number: NDArray[np.uint32]
    target_id: NDArray[np.uint8]
    node: NDArray[np.int64]
    address: NDArray[np.int64]
    found_ns: NDArray[np.int64]
    introduced_ns: NDArray[np.int64]
    accepted_ns: NDArray[np.int64]
    until_ns: NDArray[np.int64]
    lost: NDArray[np.bool_]
    reason: NDArray[np.uint8]
    reasons: tuple[str, ...]
    version: NDArray[np.uint32]
    status: NDArray[np.uint8]
    bare: NDArray[np.bool_]
    visible_of: NDArray[np.int64]
    visible_begin_ns: NDArray[np.int64]
    visible_end_ns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.number)

    @property
    def nodes(self) -> int:
        """Distinct target IDs."""
        return int(self.node.max(initial=-1)) + 1

    @property
    def began_ns(self) -> NDArray[np.int64]:
        """Return from when each counts as watched, int64[n]: accepted, a bare one found; 0 = never."""
        return np.where(self.bare, self.found_ns, self.accepted_ns)

    @property
    def known_ns(self) -> NDArray[np.int64]:
        """Return from when on each row alone tells that its node was known, int64[n]: found, and no other row told it.

        A monitor that moves to another address of ours keeps the time at which its node was found.
        """
        order = np.lexsort((self.until_ns, self.found_ns, self.node))
        since, until = self.found_ns[order], self.until_ns[order]
        again = np.flatnonzero(np.diff(self.node[order]) == 0) + 1
        told_before = reached(self.node[order], until)[again - 1]
        since[again] = np.minimum(np.maximum(since[again], told_before), until[again])
        known = np.empty(len(self), np.int64)
        known[order] = since
        return known

    def named(self, reason: str) -> NDArray[np.bool_]:
        """Tell which ended for this reason, bool[n]."""
        at = self.reasons.index(reason) if reason in self.reasons else -1
        return self.reason == at if at >= 0 else np.zeros(len(self), np.bool_)

    def each(self) -> Iterator[Attachment]:
        """Yield rows again, without addresses, introductions and monitors' IDs (which are told as the target's).

        `monitor_port` tells whether there was a monitor; an attachment that lasted has no `lost_ns`.
        """
        ended = self.reason > 0
        for row in range(len(self)):
            target = self.target_id[row].tobytes()
            yield Attachment(
                number=int(self.number[row]),
                target_id=target,
                target_ip=0,
                target_port=0,
                monitor_id=target,
                monitor_ip=0,
                monitor_port=int(not self.bare[row]),
                found_ns=int(self.found_ns[row]),
                accepted_ns=int(self.accepted_ns[row]),
                lost_ns=int(self.until_ns[row]) if ended[row] else 0,
                reason=self.reasons[self.reason[row]],
            )

    @classmethod
    def of(cls, rows: Iterable[Attachment], id_bytes: int, end_ns: int) -> Attachments:
        """Return the columns of attachments, which are gone through once; end_ns: of the run.

        Raises ValueError if an ID has not `id_bytes` bytes.
        """
        reasons: dict[str, int] = {"": 0}
        stream = iter(rows)
        parts = [_columns([], id_bytes, end_ns, reasons)]
        while some := list(islice(stream, _TOGETHER)):
            parts.append(_columns(some, id_bytes, end_ns, reasons))
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        order = np.argsort(whole["number"], kind="stable")
        visible = {name: whole.pop(name) for name in list(whole) if name.startswith("visible")}
        whole = {name: values[order] for name, values in whole.items()}
        ip, visible_number = whole.pop("ip"), visible.pop("visible_of")
        return cls(
            **whole,
            **visible,
            reasons=tuple(reasons),
            node=_distinct(whole["target_id"]),
            address=np.unique(ip, return_inverse=True)[1].astype(np.int64),
            visible_of=np.searchsorted(whole["number"], visible_number).astype(np.int64),
        )

    @classmethod
    def none(cls, id_bytes: int) -> Attachments:
        """Return no attachments."""
        return cls.of((), id_bytes, 0)


def reached(node: NDArray[np.int64], until_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for rows in order of node the latest `until_ns` of the node's rows up to each, int64[n]."""
    times, place = np.unique(until_ns, return_inverse=True)
    if not len(times):
        return until_ns
    # A running maximum over all nodes; places of times are small numbers, times would not fit.
    return times[np.maximum.accumulate(node * len(times) + place) - node * len(times)]


def _columns(rows: list[Attachment], id_bytes: int, end_ns: int, reasons: dict[str, int]) -> dict[str, NDArray[Any]]:
    for one in rows:
        reasons.setdefault(one.reason, len(reasons))
    shown = [
        (one.number, begin, min(end or until, until))
        for one in rows
        for until in (one.lost_ns or end_ns,)
        for begin, end in one.visible
    ]
    visible = np.array([one for one in shown if one[1] < one[2]], np.int64).reshape(-1, 3)
    return {
        "number": np.array([one.number for one in rows], np.uint32),
        "target_id": keyspace.pack([one.target_id for one in rows], id_bytes),
        "ip": np.array([one.target_ip for one in rows], np.uint32),
        "found_ns": np.array([one.found_ns for one in rows], np.int64),
        "introduced_ns": np.array([one.introduced_ns for one in rows], np.int64),
        "accepted_ns": np.array([one.accepted_ns for one in rows], np.int64),
        "until_ns": np.array([one.lost_ns or end_ns for one in rows], np.int64),
        "lost": np.array([bool(one.lost_ns) and one.reason != SEALED for one in rows], np.bool_),
        "reason": np.array([reasons[one.reason] for one in rows], np.uint8),
        "version": np.array([one.version for one in rows], np.uint32),
        "status": np.array([one.status for one in rows], np.uint8),
        "bare": np.array([not one.monitor_port for one in rows], np.bool_),
        "visible_of": visible[:, 0],
        "visible_begin_ns": visible[:, 1],
        "visible_end_ns": visible[:, 2],
    }


def _distinct(ids: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return for each row of uint8[n, L] the place of its ID among the distinct ones, int64[n]."""
    order = keyspace.sort_order(ids)
    ordered = keyspace.take(ids, order)
    new = np.zeros(len(ids), np.int64)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    place = np.empty(len(ids), np.int64)
    place[order] = np.cumsum(new)
    return place
