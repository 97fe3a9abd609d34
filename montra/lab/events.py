"""The truth as the lab writes it: one JSON line for each event, told apart by its `event` field.

t_ns: nanoseconds since the Unix epoch when the lab gave the command or read the packet in the node's own log (so up to
`poll_s` late, and not ordered between nodes within that time). IDs and keys are hex, addresses dotted. `index` numbers
the nodes in the order of their coming and is never used again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import msgspec

from montra.lab.settings import LabSettings

#: Version of the lines below.
SCHEMA = 1
#: Name of the file in the lab's out folder.
LOG_NAME = "lab.jsonl"

FIND_NODE = "find_node"
GET_PEERS = "get_peers"
ANNOUNCE_PEER = "announce_peer"


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    t_ns: int


class Began(_Event, frozen=True, kw_only=True, tag="began"):
    """First line: what was asked for, and of which libtorrent."""

    schema: int
    libtorrent: str
    settings: LabSettings


class Ready(_Event, frozen=True, kw_only=True, tag="ready"):
    """All nodes run, after `seconds`. `bootstrap`: addresses of nodes that never leave."""

    seconds: float
    nodes: int
    bootstrap: list[tuple[str, int]]


class Converged(_Event, frozen=True, kw_only=True, tag="converged"):
    """The routing tables hold `recall` of the 8 truly closest neighbours (mean; `recall_low` of the worst node)."""

    seconds: float
    recall: float
    recall_low: float
    cpu_s: float
    peak_rss_bytes: int


class _NodeEvent(_Event, frozen=True, kw_only=True):
    index: int
    id: str
    ip: str
    port: int


class NodeUp(_NodeEvent, frozen=True, kw_only=True, tag="node_up"):
    """A node started."""


class NodeDown(_NodeEvent, frozen=True, kw_only=True, tag="node_down"):
    """A node fell silent for good."""


class _Command(_Event, frozen=True, kw_only=True):
    index: int
    ip: str
    port: int
    key: str
    noseed: bool


class Lookup(_Command, frozen=True, kw_only=True, tag="lookup"):
    """Node `index`, at this address, was told to look the key up."""


class Announce(_Command, frozen=True, kw_only=True, tag="announce"):
    """Node `index`, at this address, was told to announce under the key: a lookup, then announce_peer."""


class _Packet(_Event, frozen=True, kw_only=True):
    index: int
    ip: str
    port: int
    key: str
    method: str


class Received(_Packet, frozen=True, kw_only=True, tag="received"):
    """Node `index` received a query for a key of the workload from this address."""


class Sent(_Packet, frozen=True, kw_only=True, tag="sent"):
    """Node `index` sent a query for a key of the workload to this address."""


class Overflow(_Event, frozen=True, kw_only=True, tag="overflow"):
    """The log of node `index` overflowed or held what cannot be read: the truth is incomplete, the lab gives up."""

    index: int


class Done(_Event, frozen=True, kw_only=True, tag="done"):
    """The workload is over: no command or packet follows, though nodes may still come and go.

    reason: finished, stopped, closed, interrupted, max_life or failed; skipped: commands for which no requester was
    free; live: nodes up.
    """

    reason: str
    lookups: int
    announces: int
    skipped: int
    live: int
    cpu_s: float
    peak_rss_bytes: int


Event = Began | Ready | Converged | NodeUp | NodeDown | Lookup | Announce | Received | Sent | Overflow | Done
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class EventLog:
    """Writes events, one line each; `flush` hands them to whoever follows the file."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._encoder = msgspec.json.Encoder()

    def write(self, event: Event) -> None:
        """Append one event."""
        self._file.write(self._encoder.encode(event).decode() + "\n")

    def flush(self) -> None:
        """Make all written lines visible to readers."""
        self._file.flush()


def decode_event(line: str | bytes) -> Event:
    """Return the event of one line; raises msgspec.MsgspecError."""
    return _decoder.decode(line)


def read_events(path: Path) -> Iterator[Event]:
    """Yield the events of a finished log. A last line cut short by a crash is left out.

    Raises OSError, and msgspec.MsgspecError for any other line that is no event.
    """
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield decode_event(line)
