"""Questions to nodes: what is asked, why, and which ID to ask for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum, auto

from crawler.pace import Address
from zone_store.keyspace.zone import Zone


class Purpose(Enum):
    """Why a question is put."""

    ENTRY = auto()  # a random ID of the zone, to a bootstrap node or a helper outside
    OWN_ID = auto()  # the node's own ID: liveness, its nearest neighbours, does it name our monitor
    SLICE = auto()  # an ID that leaves the node's at a random bit: one bucket of its table
    RECHECK = auto()  # the node's own ID once more, before it counts as gone
    PROBE = auto()  # the node's own ID, because someone wants to know now


class Lane(IntEnum):
    """Order of sending; FRESH and KNOWN take turns, so that neither invented nor known contacts starve the other, and
    PROBE is at most every fifth while others wait.
    """

    PROBE = 0
    ENTRY = 1
    FRESH = 2
    KNOWN = 3
    SLICE = 4


@dataclass(slots=True, eq=False)
class Question:
    """One question to one address, from first sending to answer or silence.

    node_id: expected at the address, b"" if not known (for DHTs whose queries name whom they are meant for); crawl:
    number of the crawl that waits for it, 0 for none; left: questions this node may still be put in this crawl after
    this one; tries: packets sent; answered, closed: an answer came; nobody waits for it any more.
    """

    address: Address
    target: bytes
    purpose: Purpose
    lane: Lane
    node_id: bytes = b""
    crawl: int = 0
    left: int = 0
    tries: int = 0
    answered: bool = False
    closed: bool = False

    @property
    def is_random(self) -> bool:
        """The target was drawn for this question: what the reply names is an independent sample (completeness.py)."""
        return self.purpose is Purpose.SLICE or self.purpose is Purpose.ENTRY


def leaving_at(node_id: bytes, bit: int, rng: random.Random) -> bytes:
    """Draw an ID that shares exactly the first `bit` bits with `node_id` (0 <= bit < bits of the ID)."""
    tail = len(node_id) * 8 - bit - 1
    head = int.from_bytes(node_id) >> tail ^ 1
    return (head << tail | rng.getrandbits(tail)).to_bytes(len(node_id))


def slice_targets(
    node_id: bytes, neighbours: Sequence[bytes], zone: Zone, count: int, rng: random.Random
) -> list[bytes]:
    """Choose `count` IDs to ask a node of the zone for, after its own: as many different buckets of its table.

    A reply to the node's own ID names its nearest contacts (`neighbours`): the buckets deeper than the shortest prefix
    they share with it are exhausted by that. What is left of the zone are the buckets between the zone's length and
    that depth, found without knowing the network's size or bucket size. Each bucket holds k of the nodes in a part of
    the zone twice as large as the next one's, so in the mean each bucket, asked of all nodes, names every node k times:
    all are equally worth asking, and drawing among them evenly gives a sample that is new in each crawl. Once none is
    left, the answer to any ID of the zone is drawn from the same few contacts, and an even draw over the zone does.
    """
    bits = len(node_id) * 8
    depth = 0
    if neighbours:  # of all, the lowest or the highest is farthest
        own = int.from_bytes(node_id)
        farthest = max(own ^ int.from_bytes(min(neighbours)), own ^ int.from_bytes(max(neighbours)))
        depth = bits - farthest.bit_length()
    buckets = range(zone.length, min(depth + 1, bits))
    if count == 1 and buckets:  # the usual case, at a third of the cost
        chosen = [buckets[int(rng.random() * len(buckets))]]
    else:
        chosen = rng.sample(buckets, min(count, len(buckets)))
    targets = [leaving_at(node_id, bit, rng) for bit in chosen]
    return targets + [zone.random_id(rng) for _ in range(count - len(targets))]
