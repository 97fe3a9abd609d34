"""Tables and numbers of popularity over windows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.popularity.change import CHANGES, FALSE, LEAST_CHANGE, changes_of
from analysis.popularity.pairs import LEAST_TOTAL
from analysis.popularity.stability import MEASURES, stability_of
from analysis.quantity import Quantity, made_by
from analysis.table import Column, Table

if TYPE_CHECKING:
    from analysis.popularity.over import Compared

_WORDS = {"overlap": "share of keys in both lists", "rank-biased overlap": "the same, upper ranks weighing more"}
_WHAT = {
    "new": "not asked for in the first window",
    "rising": f"asked for at least {LEAST_CHANGE:g} times as often",
    "dying": f"asked for at least {LEAST_CHANGE:g} times as seldom",
    "gone": "not asked for any more",
}


def stability_table(rows: Sequence[Compared]) -> Table:
    """Return how stable the lists of the most popular keys are, and what chance alone leaves."""
    told = [row for row in rows if row.stability.keys]
    hours = np.array([row.hours_apart for row in told])
    measured = []
    for at, name in enumerate(MEASURES):
        word = name.replace("'", "").replace("-", " ").replace(" ", "_").lower()
        meaning = _WORDS.get(name, "agreement of the order of the keys of either list, tau-b")
        found = np.array([row.stability.found[at] for row in told])
        chance = np.array([row.stability.chance[at] for row in told]).reshape(-1, 3)
        measured += [
            Column(word, found, "", meaning),
            Column(f"{word}_unchanged", chance[:, 0], "", "the same, expected if no key's popularity had changed"),
            Column(f"{word}_unchanged_low", chance[:, 1], "", "chance goes below in 2 of 100 cases at most"),
            Column(f"{word}_unchanged_high", chance[:, 2], "", "chance goes above in 2 of 100 cases at most"),
        ]
    return Table(
        "key_stability",
        "Stability of the most popular keys",
        "One row for two windows of one zone: what the lists of their most popular keys have in common. What chance "
        "alone leaves is told by dealing out each key's lookups in both windows again, all of a requester together.",
        made_by(stability_of),
        ("lookups",),
        (
            *_which(told),
            Column("hours_apart", hours, "h", "from middle to middle"),
            Column("of_day_apart", np.minimum(hours % 24, -hours % 24), "h", "difference of their times of day"),
            Column("keys", _ints(row.stability.keys for row in told), "keys", "length of the lists"),
            *measured,
        ),
    )


def changes_table(rows: Sequence[Compared]) -> Table:
    """Return how many keys became more or less popular from each window to the next."""
    told = [row for row in rows if row.next_to]
    return Table(
        "key_changes",
        "Keys that came, rose, fell and went",
        f"One row for two windows of one zone next to each other. Of keys with {LEAST_TOTAL} lookups or more in both "
        f"together; at most {FALSE:.0%} of the changes told are expected to be chance. A key's rate is compared with "
        "that of the other keys, so that neither night and day, nor the windows' lengths and captures, are a change.",
        made_by(changes_of),
        ("lookups",),
        (
            *_which(told),
            Column("keys", _ints(row.keys for row in told), "keys", "compared"),
            *(Column(kind, _ints(row.changes[kind] for row in told), "keys", _WHAT[kind]) for kind in CHANGES),
        ),
    )


def changed_keys(rows: Sequence[Compared]) -> Table:
    """Return the keys whose change is surest, for windows next to each other."""
    told = [row for row in rows if row.next_to]
    each = [row for row in told for _ in row.told.kind]

    def put(values: Iterable[NDArray[np.float64] | NDArray[np.int64]]) -> NDArray[np.float64]:
        return np.concatenate([np.empty(0), *values])

    def rates(which: str) -> NDArray[np.float64]:
        return put(getattr(row.pair, which) * 60 / max(1e-9, getattr(row, which).running_seconds) for row in told)

    high = put(row.told.high for row in told)
    return Table(
        "changed_keys",
        "Keys that changed most surely",
        "One row for a key that became more or less popular from one window of a zone to the next, surest first.",
        made_by(changes_of),
        ("lookups",),
        (
            *_which(each),
            Column("key", [key.hex() for row in told for key in row.pair.keys.tolist()], "", "the key asked for"),
            Column("change", [kind for row in told for kind in row.told.kind], "", "what became of it"),
            Column("before", rates("first"), "a minute", "how often it was asked for in the first window, as captured"),
            Column("after", rates("second"), "a minute", "the same in the second window"),
            Column("ratio", put(row.told.ratio for row in told), "", "after to before, against the other keys"),
            Column("ratio_low", put(row.told.low for row in told), "", "lower bound of its 95 % interval"),
            Column("ratio_high", np.where(np.isfinite(high), high, np.nan), "", "upper bound, if there is one"),
            Column("q", put(row.told.q for row in told), "p", "share of false ones among changes at least so sure"),
            Column(
                "requesters",
                put(row.pair.requesters for row in told).astype(np.int64),
                "requesters",
                "distinct ones, in the window with more of them",
            ),
        ),
        people="requesters",
    )


def varying(table: Table, names: Sequence[str] = ()) -> list[str]:
    """Return the names of a table's columns, or of those named, that differ from row to row: all where none does."""
    wanted = [one for one in table.columns if not names or one.name in names]
    differing = [one.name for one in wanted if len(set(np.asarray(one.values).tolist())) > 1]
    return differing or [one.name for one in wanted]


def zone_quantities(rows: Sequence[Compared]) -> list[Quantity]:
    """Return for each zone and way of counting how much the lists of windows next to each other have in common."""
    found = []
    for (overlay, zone, measure), group in groupby(rows, key=lambda row: (row.overlay, row.zone, row.measure)):
        told = [row.stability for row in group if row.next_to and row.stability.keys]
        name = f"{overlay}_{zone.replace('/', '_')}_{measure}"
        words = (
            f"of the keys with most {measure} in zone {zone} of {overlay}, those that are still so in the next window"
        )
        overlaps = [one.found[0] for one in told], [one.chance[0][0] for one in told]
        meanings = ("overlap", f"{words}; mean over windows"), ("overlap_unchanged", f"{words}, if nothing had changed")
        for values, (part, meaning) in zip(overlaps, meanings, strict=True):
            mean = sum(values) / len(values) if values else math.nan
            withheld = "" if values else "too few lookups for a list of ten keys"
            found.append(
                Quantity(
                    f"{part}_{name}", mean, "share", meaning, made_by(stability_of), ("lookups",), withheld=withheld
                )
            )
    return found


def _which(rows: Sequence[Compared]) -> list[Column]:
    """Return the columns that say which windows a row compares."""
    return [
        Column("overlay", [row.overlay for row in rows], "", "the network"),
        Column("zone", [row.zone for row in rows], "", "prefix of the IDs monitored and its length in bits"),
        Column("counted", [row.measure for row in rows], "", "what is counted of each key"),
        Column("first_ns", _ints(row.first.start_ns for row in rows), "ns", "start of the first window"),
        Column("second_ns", _ints(row.second.start_ns for row in rows), "ns", "start of the second window"),
    ]


def _ints(values: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(values, np.int64)
