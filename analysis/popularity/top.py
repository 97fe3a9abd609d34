"""The keys asked for most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.engine.database import Database, ids
from analysis.load import Run
from analysis.quantity import made_by
from analysis.table import Column, Table

TOP_KEYS = 50


@dataclass(frozen=True, slots=True)
class Top:
    """The keys with most lookups, most first, equals in order of keys.

    keys uint8[n, L]; sort: what each is; counts: int64[n] of each column of `COUNTS`; lookups: those of all keys;
    running_seconds: in which they came.
    """

    keys: NDArray[np.uint8]
    sort: list[str]
    counts: dict[str, NDArray[np.int64]]
    lookups: int
    running_seconds: float

    @property
    def rate_per_minute(self) -> NDArray[np.float64]:
        """Lookups a minute as captured, float64[n]."""
        asked = self.counts["lookups"].astype(np.float64)
        return asked * 60 / self.running_seconds if self.running_seconds > 0 else np.zeros(len(asked))

    @property
    def share(self) -> NDArray[np.float64]:
        """Share of all lookups, float64[n]."""
        return self.counts["lookups"] / max(1, self.lookups)

    def table(self, tells_publishes: bool) -> Table:
        """Return them as a table; tells_publishes: whether lookups say if they search or publish."""
        count, told, people = (
            self.counts,
            COUNTS[: 3 if tells_publishes else 1],
            COUNTS[3 : 6 if tells_publishes else 4],
        )
        looked_up = np.maximum(1, count["lookups"])
        columns = [
            Column("key", self.keys, "", "the key asked for"),
            Column("sort", self.sort, "", "what the key is, as far as it is told"),
            *(Column(name, count[name], "lookups", meaning) for name, meaning in told),
            Column("per_minute", self.rate_per_minute, "a minute", "lookups a minute of running time, as captured"),
            Column("share", self.share, "share", "of all users' lookups"),
            *(Column(name, count[name], "requesters", meaning) for name, meaning in people),
        ]
        if not tells_publishes:
            columns += [
                Column("announces", count["announces"], "announces", COUNTS[6][1]),
                Column(
                    "no_seed_share", count["no_seed"] / looked_up, "share", "of its lookups, those of seeds (BEP 33)"
                ),
            ]
        return Table(
            "top_keys",
            "Keys asked for most",
            f"One row for each of the {TOP_KEYS} keys with most users' lookups, most first.",
            made_by(top_of),
            ("lookups", "contents") if tells_publishes else ("lookups",),
            tuple(columns),
            people="requesters",
        )


COUNTS = (
    ("lookups", "users' lookups of the key"),
    ("searches", "of the lookups, those that say they search"),
    ("publishes", "of the lookups, those that say they publish"),
    ("requesters", "distinct (address, port) of the lookups"),
    ("searchers", "distinct (address, port) that searched"),
    ("publishers", "distinct (address, port) that published or announced"),
    ("announces", "users' announces to the key"),
    ("no_seed", "of the lookups, those with noseed=1, so those of seeds (BEP 33)"),
)
"""What is counted of each key, and what it means."""


def top_of(db: Database, run: Run, most: int = TOP_KEYS) -> Top:
    """Return the keys with most lookups."""
    names = [name for name, _ in COUNTS]
    found = db.arrays(
        f"SELECT key, sort, {', '.join(names)} FROM keys WHERE lookups > 0 ORDER BY lookups DESC, key LIMIT {most}"
    )
    return Top(
        keys=ids(found["key"], run.manifest.id_bytes),
        sort=[str(sort) for sort in found["sort"]],
        counts={name: found[name].astype(np.int64) for name in names},
        lookups=int(db.one("SELECT coalesce(sum(lookups), 0)::BIGINT FROM keys")),
        running_seconds=run.running_seconds,
    )
