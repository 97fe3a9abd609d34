"""Who asks for which key, and when: bursts, requesters of unequal activity, repeats. Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from montra.validation.estimators.laws import Floats
from montra.validation.estimators.population import random_ids, versions
from montra.validation.estimators.world import HOUR_S, SECOND_NS, Publishing, World
from zone_store.captures import Kind

FILE, KEYWORD, UNSORTED = 1, 2, 0

_STEP_S = 10.0
_AT_ONCE_S = 75.0
"""Within it a client does not ask for a key again: to a monitor it would be the same lookup."""
_SHARED_ADDRESS = 0.1
"""Share of requesters that have the address of another."""
_UNEQUAL = 0.4
"""Shape of the gamma distribution of requesters' activity: a tenth of them ask half of all."""
_SPREAD, _IN_FASHION, _FASHION = 1.6, 0.005, 30.0
_DAY_S = 24 * HOUR_S
_REQUESTERS = 0x0B000000


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys: ids uint8[k, L]; sort uint8[k]; rate float64[k]: lookups a minute that are expected (searches where
    lookups tell); publishers float64[k]: mean number of clients that publish it at a time.
    """

    ids: NDArray[np.uint8]
    sort: NDArray[np.uint8]
    rate: Floats
    publishers: Floats


@dataclass(frozen=True, slots=True)
class Requesters:
    """Requesters: id uint8[r, L], ip uint32, port uint16, version uint32, weight float64 (of their activity): [r]."""

    ids: NDArray[np.uint8]
    ip: NDArray[np.uint32]
    port: NDArray[np.uint16]
    version: NDArray[np.uint32]
    weight: Floats


@dataclass(frozen=True, slots=True)
class Asked:
    """Lookups by time: time_s float64, requester int64, key int64, kind uint8: [n]."""

    time_s: Floats
    requester: NDArray[np.int64]
    key: NDArray[np.int64]
    kind: NDArray[np.uint8]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Asked:
        """Return these lookups."""
        return Asked(self.time_s[rows], self.requester[rows], self.key[rows], self.kind[rows])

    @classmethod
    def joined(cls, parts: list[Asked]) -> Asked:
        """Return all, by time."""
        columns = zip(*((p.time_s, p.requester, p.key, p.kind) for p in parts), strict=True)
        time_s, requester, key, kind = (np.concatenate(column) for column in columns)
        return cls(time_s, requester, key, kind).take(np.argsort(time_s, kind="stable"))


def requesters_of(world: World, rng: np.random.Generator) -> Requesters:
    """Return all who may ask."""
    n = world.requesters
    ip = (_REQUESTERS + rng.choice(1 << 22, n, replace=False)).astype(np.uint32)
    shared = rng.random(n) < _SHARED_ADDRESS
    ip[shared] = rng.choice(ip, int(shared.sum()))
    ids = rng.integers(0, 256, (n, world.id_bytes), np.uint8)
    weight = rng.gamma(_UNEQUAL, size=n)
    port = rng.integers(1024, 65536, n).astype(np.uint16)
    return Requesters(ids, ip, port, versions(world, rng, n), weight / weight.sum())


def keys_of(world: World, rng: np.random.Generator) -> Keys:
    """Return the keys with how often each is searched and by how many published."""
    sorts = [(sort, kind) for sort, kind in ((FILE, world.files), (KEYWORD, world.keywords)) if kind is not None]
    n = world.keys
    sort = np.full(n, UNSORTED, np.uint8)
    for place, (name, _) in enumerate(sorts):
        sort[place :: len(sorts)] = name
    weight = world.popularity.draw(rng, n).astype(np.float64) if world.popularity else _heavy(rng, n)
    publishers = np.zeros(n)
    for name, kind in sorts:
        own = np.flatnonzero(sort == name)
        publishers[own] = np.where(rng.random(len(own)) < kind.unpublished, 0, kind.publishers.draw(rng, len(own), 400))
        weight[own[(rng.random(len(own)) < kind.unsearched) & (publishers[own] > 0)]] = 0.0
    # By the expected weight: a zone with a key in fashion has more traffic, and its other keys no less.
    scale = 60 / world.seconds if world.popularity else world.lookups_a_minute / (n * _expected(world))
    return Keys(random_ids(rng, world.zone, n, world.id_bytes), sort, weight * scale, publishers)


def _heavy(rng: np.random.Generator, n: int) -> Floats:
    """Return weights with a heavy tail that no family fits: a log-normal body, and a few keys in fashion."""
    weight = rng.lognormal(0.0, _SPREAD, n)
    weight[rng.random(n) < _IN_FASHION] *= _FASHION
    return np.asarray(weight, np.float64)


def _expected(world: World) -> float:
    """Return the mean of these weights, keys that nobody searches counted as 0."""
    heavy = float(np.exp(_SPREAD**2 / 2)) * (1 + _IN_FASHION * (_FASHION - 1))
    kinds = [kind for kind in (world.files, world.keywords) if kind is not None]
    searched = [1 - kind.unsearched * (1 - kind.unpublished) for kind in kinds]
    return heavy * (sum(searched) / len(searched) if searched else 1.0)


def searches(world: World, keys: Keys, people: Requesters, rng: np.random.Generator) -> tuple[Asked, Floats]:
    """Return users' lookups through the window; those whose first was before it go on as others do.

    And the share of those wanted that were made, of all keys alike float64[k]: nobody asks for a key again at once.
    """
    back_s = 8 * world.repeat_s
    steps = int((world.seconds + back_s) / _STEP_S) + 1
    begins = np.arange(steps) * _STEP_S - back_s
    hour = (world.start_ns / SECOND_NS + begins) % _DAY_S / _DAY_S
    pace = _bursts(world, steps, rng) * (1 + world.daily * np.sin(2 * np.pi * hour))
    first_a_second = keys.rate.sum() / 60 / (1 + world.repeats)
    step = np.repeat(begins, rng.poisson(first_a_second * _STEP_S * pace))
    time_s = step + rng.random(len(step)) * _STEP_S
    key = rng.choice(len(keys.rate), len(time_s), p=keys.rate / keys.rate.sum())
    who = rng.choice(len(people.weight), len(time_s), p=people.weight)
    parts = [(time_s, who, key)]
    again = np.arange(len(time_s))
    stop = 1 / (1 + world.repeats)
    while len(again := again[rng.random(len(again)) > stop]):
        later, asker, wanted = parts[-1]
        pause_s = world.repeat_s * rng.normal(1, 0.05, len(again)).clip(0.5)
        parts.append((later[again] + pause_s, asker[again], wanted[again]))
        again = np.arange(len(again))
    time_s, who, key = (np.concatenate(column) for column in zip(*parts, strict=True))
    made, wanted = _searched(world, time_s, who, key)
    return made, np.full(len(keys.rate), len(made.key) / max(1, len(wanted)))


def exact_searches(world: World, keys: Keys, people: Requesters, rng: np.random.Generator) -> tuple[Asked, Floats]:
    """Return the same where the number of lookups for each key is given by its rate, not only on average.

    Where lookups tell, those of every other key are publishes. The share made is each key's own: of one that many ask
    for, more come from one requester at once.
    """
    count = np.round(keys.rate * world.seconds / 60).astype(np.int64)
    key = np.repeat(np.arange(len(count)), count)
    steps = int(world.seconds / _STEP_S)
    pace = np.cumsum(_bursts(world, steps, rng))
    at = np.interp(rng.random(len(key)) * pace[-1], np.append(0.0, pace), np.arange(steps + 1) * _STEP_S)
    who = (rng.integers(0, len(people.weight), len(count))[key] + _place(key)) % len(people.weight)
    made, wanted = _searched(world, at, who, key)
    return made, np.bincount(made.key, minlength=len(count)) / np.maximum(np.bincount(wanted, minlength=len(count)), 1)


def _searched(
    world: World, time_s: Floats, who: NDArray[np.int64], key: NDArray[np.int64]
) -> tuple[Asked, NDArray[np.int64]]:
    """Return lookups of the window by time, and the keys of all that were wanted, int64[n]."""
    order = np.lexsort((time_s, key, who))
    time_s, who, key = time_s[order], who[order], key[order]
    again = (who[1:] == who[:-1]) & (key[1:] == key[:-1]) & (np.diff(time_s) < _AT_ONCE_S)
    inside = (time_s >= 0) & (time_s < world.seconds)
    kept = np.append(True, ~again) & inside
    kinds = np.full(int(kept.sum()), int(Kind.SEARCH if world.overlay == "kad" else Kind.LOOKUP), np.uint8)
    if world.overlay == "kad" and world.popularity:
        kinds[key[kept] % 2 == 0] = int(Kind.PUBLISH)
    made = Asked.joined([Asked(time_s[kept], who[kept], key[kept], kinds)])
    return made, key[inside]


def publishes(
    world: World, keys: Keys, kind: Publishing, sort: int, people: Requesters, rng: np.random.Generator
) -> Asked:
    """Return the publishes of one sort of key: each client begins at a time of its own and repeats while it stays.

    From an interval before the window on, since who published then is a publisher still.
    """
    own = np.flatnonzero((keys.sort == sort) & (keys.publishers > 0))
    mean = keys.publishers[own]
    # In its steady state an interval before the window.
    before_s, span_s = kind.interval_s, kind.interval_s + world.seconds
    there = rng.poisson(mean)
    come = rng.poisson(mean * span_s / kind.stay.mean)
    # Distinct clients of a key: neighbours in an order that says nothing about them.
    of_key = np.concatenate([np.repeat(np.arange(len(own)), there), np.repeat(np.arange(len(own)), come)])
    key = own[of_key]
    who = (rng.integers(0, len(people.weight), len(own))[of_key] + _place(of_key)) % len(people.weight)
    met = kind.stay.draw_met(rng, int(there.sum()))
    begin = np.concatenate([-met * rng.random(len(met)), rng.random(int(come.sum())) * span_s]) - before_s
    end = begin + np.concatenate([met, kind.stay.draw(rng, int(come.sum()))])
    parts = []
    now = begin
    while len(now):
        inside = (now >= -kind.interval_s) & (now < world.seconds)
        kinds = np.full(int(inside.sum()), int(Kind.PUBLISH), np.uint8)
        parts.append(Asked(now[inside], who[inside], key[inside], kinds))
        now = now + kind.interval_s * (1 + kind.late * rng.random(len(now)))
        on = (now < end) & (now < world.seconds)
        now, end, who, key = now[on], end[on], who[on], key[on]
    return Asked.joined(parts)


def _place(of: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of each row among those of its value."""
    order = np.argsort(of, kind="stable")
    first = np.searchsorted(of[order], of[order])
    place = np.empty(len(of), np.int64)
    place[order] = np.arange(len(of)) - first
    return place


def _bursts(world: World, steps: int, rng: np.random.Generator) -> Floats:
    """Return factors float64[steps] of mean 1: log-normal, forgetting over burst_s."""
    if not world.burst:
        return np.ones(steps)
    sigma = float(np.sqrt(np.log1p(world.burst**2)))
    keep = float(np.exp(-_STEP_S / world.burst_s))
    noise = rng.normal(0, np.sqrt(1 - keep**2), steps)
    level = np.empty(steps)
    now = rng.normal()
    for i in range(steps):
        level[i] = now
        now = keep * now + noise[i]
    return np.exp(sigma * level - sigma**2 / 2)
