"""Lookups of users: who makes them, what is known of each afterwards, and what a client sends at its end."""

from __future__ import annotations

from dataclasses import dataclass, field

from montra.overlays.kad import phase_two
from montra.overlays.kad.opcodes import TagName
from montra.overlays.kad.tags import Tag
from montra.simulator.kad.searches import Contact, Search
from montra.simulator.kad.settings import Purpose


@dataclass(slots=True, eq=False)
class Requester:
    """Who looks something up. row: of the population, -1 = a node outside the zone; end_ns: its access delay; secret:
    makes its verify keys.
    """

    row: int
    node_id: bytes
    ip: int
    port: int
    client: int
    end_ns: int
    secret: bytes

    @property
    def place(self) -> tuple[int, int]:
        """Its address."""
        return self.ip, self.port


@dataclass(slots=True)
class KadRecord:
    """A lookup, for the truth.

    t_ns: its first query; finished_ns: the end of the search, 0 = still open. received: node's row -> when the first
    copy reached it; asked: (ip, port) of the instrument -> when a copy was first sent there, lost or not; stored: nodes
    that got its second phase.
    """

    t_ns: int
    requester: Requester
    purpose: Purpose
    key: bytes
    finished_ns: int = 0
    received: dict[int, int] = field(default_factory=dict)
    asked: dict[tuple[int, int], int] = field(default_factory=dict)
    stored: set[int] = field(default_factory=set)


class Lookup:
    """A lookup in progress. head: first 64 bits of the key; results: of each node's answer to its second phase; heard:
    contacts among the instrument's addresses.
    """

    __slots__ = ("head", "heard", "record", "results", "search")

    def __init__(self, record: KadRecord, search: Search, results: int) -> None:
        self.record = record
        self.search = search
        self.results = results
        self.head = int.from_bytes(record.key[:8])
        self.heard: dict[tuple[int, int], Contact] = {}


def second_phase(record: KadRecord) -> bytes:
    """Return what a client sends to those it has found. Names and sizes follow from the key."""
    key, size = record.key, 1 + int.from_bytes(record.key[-4:])
    name = f"file {key.hex()[-8:]}.bin"
    match record.purpose:
        case Purpose.KEYWORD:
            return phase_two.search_key(key)
        case Purpose.SOURCE:
            return phase_two.search_source(phase_two.SearchSource(key, 0, size))
        case Purpose.STORE_KEYWORD:
            file = phase_two.File(key[::-1], [(TagName.FILE_NAME, name), (TagName.FILE_SIZE, size)])
            return phase_two.publish_key(key, [file])
        case Purpose.STORE_NOTES:
            notes: list[Tag] = [(TagName.FILE_NAME, name), (TagName.FILE_RATING, 3), (TagName.FILE_SIZE, size)]
            return phase_two.publish_notes(phase_two.PublishNotes(key, record.requester.node_id, notes))
        case _:
            source: list[Tag] = [(TagName.SOURCE_TYPE, 1), (TagName.SOURCE_PORT, 4662), (TagName.FILE_SIZE, size)]
            return phase_two.publish_source(phase_two.PublishSource(key, record.requester.node_id, source))
