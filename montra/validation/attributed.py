"""The attributed lookups of a run, by requester address and key, and which command of the truth explains which."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from montra.validation.truth import TruthLookup
from zone_store.captures import Kind, Lookups, Maintenance

#: Kinds that ask for a key, as analysis counts them; an announce is a lookup's second phase and a row of its own.
LOOKUP_KINDS = (Kind.LOOKUP, Kind.SEARCH, Kind.PUBLISH)

Asker = tuple[int, int, bytes]
"""Source address (host order), source port, key."""


class Found(NamedTuple):
    """An attributed lookup: first copy, distinct monitors, attachment number of the destination.

    maintenance: whether attribution took it for no user's lookup, so that analysis leaves it out.
    """

    time_ns: int
    copies: int
    destination: int
    maintenance: bool


@dataclass(frozen=True, slots=True)
class Attributed:
    """by_asker: the lookups for keys of the truth, in time order for each asker; counted: users' lookups in the window,
    for whatever key: what analysis would report of it.
    """

    by_asker: dict[Asker, list[Found]]
    counted: int


class Match(NamedTuple):
    """What explains a command: its row, and how many more rows within its time no command explains."""

    row: Found
    parts: int


def index_lookups(tables: Iterable[Lookups], keys: Iterable[bytes], since_ns: int, until_ns: int) -> Attributed:
    """Return the lookups for `keys` (20 bytes each), and the number of users' lookups within [since_ns, until_ns).

    Only rows for the keys become objects, so a large run costs no more than its blocks.
    """
    wanted = np.array(sorted({bytes(key) for key in keys}), "V20")
    found: dict[Asker, list[Found]] = {}
    counted = 0
    for table in tables:
        packed = np.ascontiguousarray(table.key).view("V20").ravel()
        lookups = np.isin(table.kind, LOOKUP_KINDS)
        inside = (since_ns <= table.time_ns) & (table.time_ns < until_ns)
        counted += int(np.count_nonzero(lookups & inside & (table.maintenance == Maintenance.NONE)))
        for row in np.flatnonzero(np.isin(packed, wanted) & lookups):
            asker = int(table.source_ip[row]), int(table.source_port[row]), table.key[row].tobytes()
            found.setdefault(asker, []).append(
                Found(
                    int(table.time_ns[row]),
                    int(table.copies[row]),
                    int(table.destination[row]),
                    bool(table.maintenance[row] != Maintenance.NONE),
                )
            )
    return Attributed(found, counted)


def match(
    commands: Sequence[TruthLookup], found: dict[Asker, list[Found]], early_ns: int, window_ns: int
) -> dict[int, Match]:
    """Match commands and attributed lookups one to one; returns the matches by the command's place in `commands`.

    A row may explain a command of its requester and key that was given at most window_ns before its first copy (or
    early_ns after it). Of all such pairs the nearest in time are taken first, and each command and row once.
    """
    by_asker: defaultdict[Asker, list[int]] = defaultdict(list)
    for number, command in enumerate(commands):
        by_asker[command.requester.ip, command.requester.port, command.key].append(number)
    matches: dict[int, Match] = {}
    for asker, numbers in by_asker.items():
        rows = found.get(asker, [])
        pairs = sorted(
            (abs(delay), number, place)
            for number in numbers
            for place, row in enumerate(rows)
            if -early_ns <= (delay := row.time_ns - commands[number].t_ns) <= window_ns
        )
        chosen: dict[int, int] = {}
        taken: set[int] = set()
        for _, number, place in pairs:
            if number not in chosen and place not in taken:
                chosen[number] = place
                taken.add(place)
        spare = Counter(number for _, number, place in pairs if place not in taken)
        matches |= {number: Match(rows[place], spare[number]) for number, place in chosen.items()}
    return matches
