"""What really happened, from the lab's log: each lookup with all nodes that received it.

Received is what the receiving node's own log says, so the truth does not pass through montra.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from montra.datagrams import ip_number
from montra.lab.events import (
    ANNOUNCE_PEER,
    GET_PEERS,
    LOG_NAME,
    SCHEMA,
    Announce,
    Began,
    Converged,
    Done,
    Event,
    Lookup,
    NodeDown,
    NodeUp,
    Overflow,
    Received,
    Sent,
    read_events,
)

#: Methods of lookups that tell by themselves what they are for (Kad); one for a helper looks like a publish.
SEARCH, PUBLISH, BUDDY = "search", "publish", "buddy"
#: `Truth.reason` of a workload that ran as asked for.
FINISHED = "finished"
#: A packet later than this after the last command of its (requester, key) belongs to no command. libtorrent announces
#: at most 15 s (its RPC timeout) after the last answer; the lab repeats a pair after 150 s at the earliest.
LONGEST_LOOKUP_NS = 100_000_000_000
#: A lookup that meets silent monitors takes up to 2 s to ask the last of the nearest (libtorrent).
_LASTS_NS = 3_000_000_000
#: What all nodes of a lab are.
_CLIENT = "libtorrent"


class TruthError(Exception):
    """A lab log that is missing, damaged or incomplete; one clear line."""


@dataclass(slots=True)
class TruthNode:
    """A real node. `down_ns`: when it fell silent, 0 while it lives.

    client: family of its program ("libtorrent", ...; "" = not told); labels: what else results are divided by, such as
    {"nat": "full cone"}.
    """

    index: int
    node_id: bytes
    ip: int
    port: int
    up_ns: int
    down_ns: int = 0
    client: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    number: int = field(init=False)

    def __post_init__(self) -> None:
        self.number = int.from_bytes(self.node_id, "big")

    def lives(self, t_ns: int) -> bool:
        """Whether the node is up at this time."""
        return self.up_ns <= t_ns and not 0 < self.down_ns <= t_ns


@dataclass(slots=True)
class TruthLookup:
    """One command and what came of it.

    method: the query it begins with, FIND_NODE for rTorrent, SEARCH, PUBLISH or BUDDY where lookups tell; told: whether
    its method is known from elsewhere than the queries, by which montra goes; received: when each node (by index) first
    received it; stored: nodes that received its announce_peer; asked: when the requester first sent it to each address
    (host-order IP, port), monitors' included.
    """

    t_ns: int
    requester: TruthNode
    key: bytes
    announce: bool
    noseed: bool
    received: dict[int, int] = field(default_factory=dict)
    stored: set[int] = field(default_factory=set)
    asked: dict[tuple[int, int], int] = field(default_factory=dict)
    method: str = GET_PEERS
    told: bool = False

    @property
    def key_number(self) -> int:
        """The key as an integer, for XOR distances."""
        return int.from_bytes(self.key, "big")


@dataclass(slots=True)
class Truth:
    """All that real nodes logged, of a lab or of any other source. stray: packets that belong to no command; end_ns,
    reason: when (0 = with the run) and why the packets' log ended; skipped: commands that could not be given; lasts_ns:
    so long a lookup may take, so that one begun later than that before the end cannot be judged.

    nodes are by index, which `TruthLookup.received` and `stored` refer to.
    """

    zone: str
    nodes: dict[int, TruthNode]
    lookups: list[TruthLookup]
    converged_ns: int = 0
    end_ns: int = 0
    reason: str = FINISHED
    stray: int = 0
    skipped: int = 0
    name: str = ""
    lasts_ns: int = _LASTS_NS

    def destination(self, lookup: TruthLookup) -> TruthNode | None:
        """Return the node nearest to the key among those that received the query, None if none did.

        The requester itself counts where it is among them: libtorrent asks itself when others hand it its own address,
        and that happens exactly when it is among the nearest to the key.
        """
        key = lookup.key_number
        nodes = (self.nodes[index] for index in lookup.received)
        return min(nodes, key=lambda node: node.number ^ key, default=None)


def load_truth(folder: Path) -> Truth:
    """Read the lab.jsonl of a lab's out folder; raises TruthError where it is missing, damaged or incomplete."""
    path = folder / LOG_NAME
    reader = _Reader()
    try:
        for event in read_events(path):
            reader.take(event)
    except OSError as error:
        raise TruthError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise TruthError(f"{path}: {error}") from error
    except KeyError as error:
        raise TruthError(f"{path}: node {error} was never up") from error
    return reader.truth(path)


class _Reader:
    """Takes events in the order of the log."""

    def __init__(self) -> None:
        self._nodes: dict[int, TruthNode] = {}
        self._lookups: list[TruthLookup] = []
        self._last: dict[tuple[int, int, bytes], TruthLookup] = {}
        self._zone = ""
        self._converged_ns = 0
        self._done: Done | None = None
        self._overflow = False
        self._stray = 0

    def take(self, event: Event) -> None:
        match event:
            case Lookup() | Announce():
                self._command(event)
            case Received():
                self._received(event)
            case Sent():
                self._sent(event)
            case NodeUp():
                self._nodes[event.index] = TruthNode(
                    event.index, bytes.fromhex(event.id), ip_number(event.ip), event.port, event.t_ns, 0, _CLIENT
                )
            case NodeDown():
                self._nodes[event.index].down_ns = event.t_ns
            case Began():
                if event.schema != SCHEMA:
                    raise TruthError(f"lab log of schema {event.schema}, this version reads {SCHEMA}")
                self._zone = event.settings.zone
            case Converged():
                self._converged_ns = event.t_ns
            case Overflow():
                self._overflow = True
            case Done():
                self._done = event

    def truth(self, path: Path) -> Truth:
        if not self._zone:
            raise TruthError(f"{path} has no beginning")
        if self._overflow:
            raise TruthError(f"{path}: a node's log overflowed or could not be read, so packets are missing")
        if self._done is None:
            raise TruthError(f"{path} has no end: the lab is still at work, or was killed")
        return Truth(
            self._zone,
            self._nodes,
            self._lookups,
            self._converged_ns,
            self._done.t_ns,
            self._done.reason,
            self._stray,
            self._done.skipped,
            path.parent.name,
        )

    def _command(self, event: Lookup | Announce) -> None:
        requester = self._nodes[event.index]
        lookup = TruthLookup(event.t_ns, requester, bytes.fromhex(event.key), isinstance(event, Announce), event.noseed)
        self._lookups.append(lookup)
        self._last[requester.ip, requester.port, lookup.key] = lookup

    def _received(self, event: Received) -> None:
        lookup = self._lookup(event.t_ns, ip_number(event.ip), event.port, event.key)
        if lookup is None:
            return
        if event.method == ANNOUNCE_PEER:
            lookup.stored.add(event.index)
        else:
            lookup.received.setdefault(event.index, event.t_ns)

    def _sent(self, event: Sent) -> None:
        requester = self._nodes[event.index]
        lookup = self._lookup(event.t_ns, requester.ip, requester.port, event.key)
        if lookup is not None and event.method != ANNOUNCE_PEER:
            lookup.asked.setdefault((ip_number(event.ip), event.port), event.t_ns)

    def _lookup(self, t_ns: int, ip: int, port: int, key: str) -> TruthLookup | None:
        lookup = self._last.get((ip, port, bytes.fromhex(key)))
        if lookup is None or t_ns - lookup.t_ns > LONGEST_LOOKUP_NS:
            self._stray += 1
            return None
        return lookup
