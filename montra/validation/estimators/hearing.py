"""Where lookups end, and which monitors hear of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from montra.validation.estimators.crawled import Crawled
from montra.validation.estimators.demand import Asked, Keys, Requesters
from montra.validation.estimators.laws import Floats
from montra.validation.estimators.population import Population, random_ids
from montra.validation.estimators.world import HOUR_S, World
from zone_store.captures import Captures, Flag

_TOGETHER = 2048
_FAR = np.iinfo(np.uint64).max
_COPY_WITHIN_S = 1.5


@dataclass(frozen=True, slots=True)
class Reached:
    """The live nodes that lookups reached: session int64[n, reach], nearest first, -1 for none; rows as lookups.

    missed bool[n]: no monitor heard of it, whoever was asked.
    """

    session: NDArray[np.int64]
    missed: NDArray[np.bool_]


def reach(
    world: World, people: Population, keys: NDArray[np.uint8], times_s: Floats, rng: np.random.Generator
) -> Reached:
    """Return whom lookups for keys uint8[n, L] reach at these times."""
    word = _words(people.ids)[people.node]
    wanted = _words(keys)
    session = np.full((len(wanted), world.reach), -1, np.int64)
    for start in range(0, len(wanted), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        time = times_s[part, None]
        there = np.flatnonzero((people.begin_s < time.max(initial=0.0)) & (people.end_s > time.min(initial=np.inf)))
        far = word[there] ^ wanted[part, None]
        far[(people.begin_s[there] > time) | (people.end_s[there] <= time)] = _FAR
        count = min(world.reach, len(there))
        best = (
            np.argpartition(far, count - 1, axis=1)[:, :count]
            if count < len(there)
            else np.tile(np.arange(count), (len(far), 1))
        )
        distance = np.take_along_axis(far, best, 1)
        order = np.argsort(distance, axis=1)
        best, distance = np.take_along_axis(best, order, 1), np.take_along_axis(distance, order, 1)
        session[part, :count] = np.where(distance < _FAR, there[best], -1)
    first = session[:, 0]
    chance = np.where(first >= 0, people.miss[people.node[first]], 1.0)
    return Reached(session, rng.random(len(wanted)) < chance)


def heard(
    world: World, people: Population, crawled: Crawled, reached: Reached, times_s: Floats, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Return all copies: (lookup, attachment, time)."""
    rows, place = np.nonzero((reached.session >= 0) & ~reached.missed[:, None])
    got = rng.random(len(rows)) >= world.lost_copies
    rows, place = rows[got], place[got]
    at = times_s[rows] + rng.exponential(_COPY_WITHIN_S / 3, len(rows)).clip(0, _COPY_WITHIN_S) * (place + 1)
    attachment = _attached(crawled, people.node[reached.session[rows, place]], at)
    there = (attachment >= 0) & (at < world.seconds)
    for begin, end in world.gaps:
        there &= (at < begin * HOUR_S) | (at >= end * HOUR_S)
    return rows[there], attachment[there], at[there]


def captured(
    world: World, keys: Keys, who: Requesters, asked: Asked, copies: tuple[NDArray[np.int64], NDArray[np.int64], Floats]
) -> Captures:
    """Return copies of lookups as a run stores them, by time."""
    rows, attachment, at = copies
    order = np.argsort(at, kind="stable")
    rows, attachment, at = rows[order], attachment[order], at[order]
    asker = asked.requester[rows]
    # Kad's requests name nobody; on Mainline a third of the torrents that ask are seeds.
    names = world.overlay != "kad"
    seeds = (asked.requester * 7919 + asked.key) % 3 == 0
    return Captures(
        world.start_ns + np.round(at * 1e9).astype(np.int64),
        (attachment + 1).astype(np.uint32),
        who.ip[asker],
        who.port[asker],
        who.ids[asker] if names else np.zeros((len(rows), world.id_bytes), np.uint8),
        keys.ids[asked.key[rows]],
        asked.kind[rows],
        np.where(seeds[rows] & names, int(Flag.NO_SEED), 0).astype(np.uint16),
        who.version[asker] if names else np.zeros(len(rows), np.uint32),
        np.zeros(len(rows), np.uint16),
    )


def try_capture(world: World, people: Population, crawled: Crawled, rng: np.random.Generator) -> tuple[int, int]:
    """Return (captured, made) of lookups for random keys at random times in which the instrument ran."""
    times = np.sort(rng.random(3 * world.told) * (world.seconds - 5))
    for begin, end in world.gaps:
        times = times[(times < begin * HOUR_S - 5) | (times >= end * HOUR_S)]
    times = np.sort(rng.choice(times, world.told, replace=False))
    found = reach(world, people, random_ids(rng, world.zone, len(times), world.id_bytes), times, rng)
    rows, _, _ = heard(world, people, crawled, found, times, rng)
    return len(np.unique(rows)), len(times)


def _attached(crawled: Crawled, nodes: NDArray[np.int64], at: Floats) -> NDArray[np.int64]:
    """Return the attachment of each node at each time, -1 where there is none."""
    order = np.lexsort((crawled.from_s, crawled.of))
    span = 1e7
    begins = crawled.of[order] * span + np.minimum(crawled.from_s[order], span / 2)
    found = np.searchsorted(begins, nodes * span + at, side="right") - 1
    row = order[np.maximum(found, 0)]
    good = (found >= 0) & (crawled.of[row] == nodes) & (crawled.from_s[row] <= at) & (at < crawled.to_s[row])
    return np.where(good, row, -1)


def _words(ids: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the first eight bytes of IDs as numbers."""
    return np.ascontiguousarray(ids[:, :8]).view(">u8")[:, 0].astype(np.uint64)
