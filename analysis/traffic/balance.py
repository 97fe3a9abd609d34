"""The balance of supply and demand of each key: P / (S + P), P its publishers and S its searches (paper, figure 6).

Publishers are told apart by (address, port), and what one publishes again is dropped; searches all count, since each
shows demand. Both are of the same window, so the ratio of their rates is that of their numbers.

Of an info-hash a silent monitor sees no announce, and a get_peers precedes search and announce alike. What tells supply
there is `noseed=1` (BEP 33), by which a client says that it has the whole content: P are requesters that sent it or
that announced, S the other get_peers. Clients that never send it are counted as demand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.engine.database import Database
from analysis.engine.keys import INFO_HASH, UNKNOWN
from analysis.engine.sorts import BUDDY
from analysis.traffic.intervals import Z, share_bounds, widened
from zone_store.captures import Flag

STEPS = 100
"""Classes of the distribution between 0 and 1."""

#: Keys with their publishers and searches, by how an overlay's lookups tell them.
_TOLD = "SELECT sort, publishers AS p, searches AS s FROM keys WHERE publishers + searches > 0"
_SEEDS = f"""
    SELECT sort, coalesce(supply.p, 0) AS p, lookups - no_seed AS s FROM keys LEFT JOIN (
        SELECT key, count(*) AS p FROM (
            SELECT DISTINCT key, requester FROM users
            WHERE what = 'announce' OR (what = 'lookup' AND flags & {int(Flag.NO_SEED)} <> 0)
        ) GROUP BY key
    ) AS supply USING (key) WHERE sort = '{INFO_HASH}'
"""


class Once(NamedTuple):
    """Keys whose kind hangs on one message: alone_p, alone_s: with nothing but one publisher, or one search; last_p:
    searched, and published by one; last_s: published, and searched once.
    """

    alone_p: int
    alone_s: int
    last_p: int
    last_s: int


@dataclass(frozen=True, slots=True)
class Balance:
    """P / (S + P) of the keys of one sort.

    only_searched, only_published: keys whose ratio is 0, and 1; steps int64[STEPS]: keys strictly between, by class i
    from i / STEPS to (i + 1) / STEPS; published, searches: sums of P and S over all keys; once: keys by what one
    message made of them, see `Once`; excess: relative variance of the numbers of all publishes and of all searches
    beyond that of independent ones, which all keys share.
    """

    sort: str
    only_searched: int
    only_published: int
    steps: NDArray[np.int64]
    published: int
    searches: int
    once: Once
    excess: tuple[float, float] = (0.0, 0.0)

    @property
    def keys(self) -> int:
        """Keys published or searched."""
        return self.only_searched + self.only_published + int(self.steps.sum())

    @property
    def both(self) -> int:
        """Keys published and searched."""
        return int(self.steps.sum())

    def share(self, of: str) -> tuple[float, float, float]:
        """Return `only_searched`, `only_published` or `both` as a share of all keys, with its bounds.

        These are of all zones, of which one's keys are a sample (`share_bounds`), widened by how the share would move
        had all keys been published, or searched, more or less often together: a change of ln(rate) by d adds as many
        keys to those that have any as have exactly one.
        """
        share, once = getattr(self, of) / self.keys, self.once
        # (change of the keys in question, change of all keys) with publishes, and with searches.
        slopes = {
            "only_published": ((once.alone_p, once.alone_p), (-once.last_s, once.alone_s)),
            "only_searched": ((-once.last_p, once.alone_p), (once.alone_s, once.alone_s)),
            "both": ((once.last_p, once.alone_p), (once.last_s, once.alone_s)),
        }[of]
        moved = ((own - share * whole) ** 2 * excess for (own, whole), excess in zip(slopes, self.excess, strict=True))
        by = Z * math.sqrt(sum(moved)) / self.keys
        return share, *widened(share, share_bounds(getattr(self, of), self.keys), by)

    def cdf(self) -> NDArray[np.float64]:
        """Return the share of keys with a ratio of at most 0, 1 / STEPS, ... 1: float64[STEPS + 1]."""
        return np.append(self.line()[1:-2], 1.0)

    def line(self) -> NDArray[np.float64]:
        """Return the same as a line with its jumps at 0 and 1, float64[STEPS + 3] at `LINE_X`."""
        below = self.only_searched + np.append(0, np.cumsum(self.steps))
        return np.concatenate([[0.0], below / self.keys, [1.0]])


LINE_X = np.concatenate([[0.0], np.linspace(0, 1, STEPS + 1), [1.0]])
"""Ratios of `Balance.line`."""


def balance_of(db: Database, *, told: bool, excess: tuple[float, float] = (0.0, 0.0)) -> tuple[Balance, ...]:
    """Return the balance of each sort of key; none where nothing tells supply from demand.

    told: whether lookups say if they search or publish; excess: as in `Balance`.
    """
    found = _of(db, _TOLD if told else _SEEDS, excess)
    # Without any client that says it is a seed, there is nothing to tell supply by.
    return found if told else tuple(one for one in found if one.published)


def told_balances(found: Sequence[Balance]) -> list[Balance]:
    """Return those of content: of keys that nobody told the sort of, only where no sort is told."""
    of_content = [one for one in found if one.sort != BUDDY]
    return [one for one in of_content if one.sort != UNKNOWN] or of_content


def _of(db: Database, told: str, excess: tuple[float, float]) -> tuple[Balance, ...]:
    rows = db.rows(
        f"SELECT sort, CASE WHEN p = 0 THEN -1 WHEN s = 0 THEN {STEPS} "
        f"ELSE least({STEPS - 1}, p * {STEPS} // (s + p)) END::BIGINT AS step, "
        "count(*), sum(p)::BIGINT, sum(s)::BIGINT, "
        "count(*) FILTER (p = 1 AND s = 0), count(*) FILTER (p = 0 AND s = 1), "
        "count(*) FILTER (p = 1 AND s > 0), count(*) FILTER (p > 0 AND s = 1) "
        f"FROM ({told}) WHERE p + s > 0 GROUP BY sort, step ORDER BY sort, step"
    )
    found = []
    for sort in dict.fromkeys(row[0] for row in rows):
        own = [row for row in rows if row[0] == sort]
        steps = np.zeros(STEPS + 2, np.int64)
        steps[[row[1] + 1 for row in own]] = [row[2] for row in own]
        published, searches, *once = (sum(row[i] for row in own) for i in range(3, 9))
        found.append(
            Balance(
                sort=sort,
                only_searched=int(steps[0]),
                only_published=int(steps[-1]),
                steps=steps[1:-1],
                published=published,
                searches=searches,
                once=Once(*once),
                excess=excess,
            )
        )
    return tuple(found)
