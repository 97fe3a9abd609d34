"""The attributed lookups of a run, by requester address and key, and which command of the truth explains which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from montra.lab.events import FIND_NODE
from montra.validation.truth import PUBLISH, SEARCH, TruthLookup
from zone_store.captures import Kind, Lookups, Maintenance

#: Kinds that ask for a key, as analysis counts them; an announce is a lookup's second phase and a row of its own.
LOOKUP_KINDS = (Kind.LOOKUP, Kind.SEARCH, Kind.PUBLISH)

#: Of methods that only one kind of lookup begins with, that kind.
KIND_OF = {SEARCH: Kind.SEARCH, PUBLISH: Kind.PUBLISH}

Asker = tuple[int, int, bytes]
"""Source address (host order), source port, key."""


class Found(NamedTuple):
    """An attributed lookup: first and last copy, distinct monitors, attachment number of the destination.

    maintenance: whether attribution took it for no user's lookup, so that analysis leaves it out; inferred, confidence:
    attachment number of the most probable destination, and its probability; kind: Kind.
    """

    time_ns: int
    last_ns: int
    copies: int
    destination: int
    maintenance: bool
    inferred: int
    confidence: float
    kind: int = Kind.LOOKUP

    @property
    def node_lookup(self) -> bool:
        """Whether it was made with find_node."""
        return self.kind == Kind.NODE_LOOKUP

    def may_be(self, command: TruthLookup) -> bool:
        """Whether its kind leaves open that it is this command: of find_node only one that uses it."""
        return command.method == FIND_NODE or not self.node_lookup

    def differs_from(self, command: TruthLookup) -> bool:
        """Whether it was taken for another kind of lookup than this command makes."""
        return KIND_OF.get(command.method, self.kind) != self.kind

    def agrees_with(self, command: TruthLookup) -> bool:
        """Whether it was taken for what this command is for; a lookup for a buddy never is."""
        return KIND_OF.get(command.method) == self.kind


@dataclass(frozen=True, slots=True)
class Attributed:
    """by_asker: the lookups for keys of the truth, in time order for each asker; counted: users' lookups in the window,
    for whatever key: what analysis would report of it.
    """

    by_asker: dict[Asker, list[Found]]
    counted: int


class Match(NamedTuple):
    """What explains a command: its row, and the further rows within its time that no command explains."""

    row: Found
    rest: tuple[Found, ...] = ()


def index_lookups(
    tables: Iterable[Lookups], commands: Sequence[TruthLookup], since_ns: int, until_ns: int
) -> Attributed:
    """Return the rows of the commands' requesters and keys, and the number of users' lookups in [since_ns, until_ns).

    Only these rows become objects, so a large run costs no more than its blocks.
    """
    keys = sorted({command.key for command in commands})
    width = f"V{len(keys[0]) if keys else 1}"
    wanted = np.array(keys, width)
    requesters = np.array(sorted({command.requester.ip for command in commands}), np.uint32)
    found: dict[Asker, list[Found]] = {}
    counted = 0
    for table in tables:
        lookups = np.isin(table.kind, LOOKUP_KINDS)
        inside = (since_ns <= table.time_ns) & (table.time_ns < until_ns)
        counted += int(np.count_nonzero(lookups & inside & (table.maintenance == Maintenance.NONE)))
        # by address first: comparing numbers is far cheaper than comparing keys
        part = table.take((lookups | (table.kind == Kind.NODE_LOOKUP)) & np.isin(table.source_ip, requesters))
        if not len(part):
            continue
        part = part.take(np.isin(np.ascontiguousarray(part.key).view(width).ravel(), wanted))
        rows = zip(
            *(getattr(part, name).tolist() for name in Found._fields[:4]),
            (part.maintenance != Maintenance.NONE).tolist(),
            part.inferred.tolist(),
            part.confidence.tolist(),
            part.kind.tolist(),
            strict=True,
        )
        askers = zip(part.source_ip.tolist(), part.source_port.tolist(), map(bytes, part.key), strict=True)
        for asker, row in zip(askers, rows, strict=True):
            found.setdefault(asker, []).append(Found(*row))
    return Attributed(found, counted)


def match(
    commands: Sequence[TruthLookup], found: dict[Asker, list[Found]], early_ns: int, window_ns: int
) -> dict[int, Match]:
    """Match commands and attributed lookups one to one; returns the matches by the command's place in `commands`.

    A row may explain a command of its requester and key that was given at most window_ns before its first copy (or
    early_ns after it), and that its kind leaves open. Of all such pairs those that agree on the kind are taken first,
    of them the nearest in time, and each command and row once.
    """
    by_asker: defaultdict[Asker, list[int]] = defaultdict(list)
    for number, command in enumerate(commands):
        by_asker[command.requester.ip, command.requester.port, command.key].append(number)
    matches: dict[int, Match] = {}
    for asker, numbers in by_asker.items():
        rows = found.get(asker, [])
        pairs = sorted(
            (row.differs_from(commands[number]), abs(delay), number, place)
            for number in numbers
            for place, row in enumerate(rows)
            if row.may_be(commands[number]) and -early_ns <= (delay := row.time_ns - commands[number].t_ns) <= window_ns
        )
        chosen: dict[int, int] = {}
        taken: set[int] = set()
        for *_, number, place in pairs:
            if number not in chosen and place not in taken:
                chosen[number] = place
                taken.add(place)
        spare: defaultdict[int, list[Found]] = defaultdict(list)
        for *_, number, place in pairs:
            if place not in taken:
                spare[number].append(rows[place])
        matches |= {number: Match(rows[place], tuple(spare[number])) for number, place in chosen.items()}
    return matches
