"""From complete groups to lookups: where each one ended, and by how much."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zone_store.attribution.groups import Groups
from zone_store.attribution.targets import Targets
from zone_store.attribution.words import fraction, settle_ties
from zone_store.captures import Lookups
from zone_store.keyspace import ids as keyspace

HEARD = 8
"""Of the monitors that got a copy the nearest so many are kept for inference: a lookup ends with eight nodes."""


@dataclass(slots=True)
class Draft(Lookups):
    """Lookups without what needs the other targets: closest, rank, maintenance, inferred and confidence are zero.

    heard int32[n, HEARD]: rows in `Targets` of the monitors that got a copy, nearest first, -1 where there are no more.
    """

    heard: NDArray[np.int32]

    def finished(self) -> Lookups:
        """Return the lookups alone."""
        return Lookups(*(getattr(self, f.name) for f in fields(Lookups)))


class _Reached(NamedTuple):
    """For each of g groups: the nearest monitors (as `Draft.heard`), and how many distinct ones."""

    heard: NDArray[np.int32]
    copies: NDArray[np.intp]


def lookups_of(groups: Groups, targets: Targets) -> Draft:
    """Return complete groups as drafts of lookups, by time_ns."""
    groups = _by_beginning(groups)
    reached = _reached(groups, targets)
    destination = targets.number[reached.heard[:, 0]]
    nothing = np.zeros(len(groups), np.uint8)
    return Draft(
        time_ns=groups.begin_ns,
        last_ns=groups.last_ns,
        source_ip=(groups.address >> np.uint64(32)).astype(np.uint32),
        source_port=(groups.address >> np.uint64(16)).astype(np.uint16),
        requester_id=groups.requester_id,
        key=groups.key,
        kind=groups.address.astype(np.uint8),
        flags=groups.flags,
        version=groups.version,
        copies=np.minimum(reached.copies, np.iinfo(np.uint16).max).astype(np.uint16),
        packets=groups.packets,
        destination=destination,
        closest=nothing.astype(np.uint32),
        rank=nothing.astype(np.uint16),
        margin=_margin(groups.key, reached, targets),
        maintenance=nothing,
        inferred=nothing.astype(np.uint32),
        confidence=nothing.astype(np.float32),
        heard=reached.heard,
    )


def _by_beginning(groups: Groups) -> Groups:
    order = np.argsort(groups.begin_ns, kind="stable")
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    return Groups(
        groups.begin_ns[order],
        groups.last_ns[order],
        groups.address[order],
        keyspace.take(groups.key, order),
        keyspace.take(groups.requester_id, order),
        groups.flags[order],
        groups.version[order],
        groups.packets[order],
        number[groups.owner],
        groups.target,
    )


def _reached(groups: Groups, targets: Targets) -> _Reached:
    """Order each group's monitors by XOR distance of their targets from the key."""
    owner, target = groups.owner, groups.target
    key_words = keyspace.words(groups.key)
    if not len(owner):
        return _Reached(np.empty((0, HEARD), np.int32), np.empty(0, np.intp))
    distance = targets.word[target] ^ key_words[0][owner]
    # One sort: the group's number in as many of the top bits as it needs, then what fits of the distance.
    bits = np.uint64(len(groups).bit_length())
    word = owner.astype(np.uint64) << (np.uint64(64) - bits) | distance >> bits
    order = np.argsort(word)
    ordered = word[order]
    together = ordered[1:] == ordered[:-1]
    tied = together & (target[order[1:]] != target[order[:-1]])
    if tied.any():
        whole = keyspace.words(keyspace.distance(keyspace.take(targets.ids, target), keyspace.take(groups.key, owner)))
        order = settle_ties(order, together, tied, [*whole, target])
    owner, target = owner[order], target[order]
    new_group = np.append(True, owner[1:] != owner[:-1])
    identity = targets.identity[target]
    first_of = np.flatnonzero(new_group | np.append(True, identity[1:] != identity[:-1]))
    first = np.flatnonzero(new_group[first_of])
    copies = np.diff(np.append(first, len(first_of)))
    heard = np.full((len(first), HEARD), -1, np.int32)
    place = np.arange(len(first_of)) - np.repeat(first, copies)
    kept = np.flatnonzero(place < HEARD)
    heard[np.repeat(np.arange(len(first)), copies)[kept], place[kept]] = target[first_of[kept]]
    return _Reached(heard, copies)


def _margin(keys: NDArray[np.uint8], reached: _Reached, targets: Targets) -> NDArray[np.float32]:
    """Return log2 of the runner-up's distance over the destination's, float32[g]; inf without a runner-up."""
    margin = np.full(len(keys), np.inf, np.float32)
    several = np.flatnonzero(reached.heard[:, 1] >= 0)
    keys = keyspace.take(keys, several)

    def distance(place: int) -> NDArray[np.float64]:
        rows = reached.heard[several, place].astype(np.intp)
        return fraction(keyspace.distance(keyspace.take(targets.ids, rows), keys))

    with np.errstate(divide="ignore"):  # the key may be the destination's very ID: inf
        margin[several] = np.log2(distance(1) / distance(0))
    return margin
