"""Which client programs ask, by the version field of their queries."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.counting import RowCounter, big_endian
from analysis.traffic.rates import Masks
from zone_store.captures import Lookups

VersionName = Callable[[int], str]
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class Client:
    """One client: users' lookups and announces, and distinct requesters (address, port), under its name."""

    name: str
    lookups: int
    announces: int
    requesters: int
    share: float


def hex_version(version: int) -> str:
    """Name a version column value by its bytes: what is shown when no overlay names it."""
    return f"{version:08x}" if version else "none"


def plain_name(name: str) -> str:
    """Return a name fit to be shown: printable, on one line, of bounded length. What clients send is hostile input."""
    shown = "".join(c if unicodedata.category(c)[0] not in "CZ" or c == " " else "?" for c in name)
    return shown if len(shown) <= _LONGEST_NAME else shown[: _LONGEST_NAME - 1] + "…"


class ClientCounter:
    """Counts table by table; only users' lookups and announces count."""

    def __init__(self) -> None:
        self._rows = RowCounter(4 + 4 + 2, 2)

    def add(self, table: Lookups, which: Masks) -> None:
        """Count a table."""
        user = which.lookups | which.announces
        rows = big_endian(table.version[user], table.source_ip[user], table.source_port[user])
        counts = np.stack([which.lookups[user], which.announces[user]], axis=1).astype(np.int64)
        self._rows.add(rows, counts)

    def result(self, version_name: VersionName) -> tuple[list[Client], int]:
        """Return the clients, most lookups first, and the number of distinct requesters over all of them.

        Versions with one name are one client; a requester that shows two names counts in both.
        """
        rows, counts = self._rows.result()
        versions, at = np.unique(np.ascontiguousarray(rows[:, :4]).view(">u4")[:, 0], return_inverse=True)
        names = [plain_name(version_name(version)) for version in versions.tolist()]
        distinct = sorted(set(names))
        place = {name: i for i, name in enumerate(distinct)}
        number = np.array([place[name] for name in names], np.int64)[at]
        sums = np.zeros((len(distinct), 2), np.int64)
        np.add.at(sums, number, counts)
        requesters = RowCounter(4 + 6, 1)
        requesters.add(_named(number, rows), np.ones((len(rows), 1), np.int64))
        pairs, _ = requesters.result()
        by_name = np.bincount(pairs[:, :4].copy().view(">u4")[:, 0], minlength=len(distinct))
        everyone = RowCounter(6, 1)
        everyone.add(rows[:, 4:], np.ones((len(rows), 1), np.int64))
        total = max(1, int(sums[:, 0].sum()))
        found = [
            Client(name, int(sums[i, 0]), int(sums[i, 1]), int(by_name[i]), int(sums[i, 0]) / total)
            for i, name in enumerate(distinct)
        ]
        return sorted(found, key=lambda c: (-c.lookups, c.name)), len(everyone.result()[0])


def _named(number: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return rows (version, requester) with the number of the version's name in place of the version."""
    return np.concatenate([big_endian(number.astype(np.uint32)), rows[:, 4:]], axis=1)
