"""What is asked, by whom and when: Poisson arrivals, Zipf keys, uniform requesters."""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from montra.lab.population import random_key
from montra.lab.settings import WorkloadSettings
from zone_store.keyspace.zone import Zone

#: The same node must not ask for the same key again sooner: attribution takes copies less than 60 s apart for one
#: lookup, and a lookup with its announce lasts up to 20 s more.
REPEAT_GAP_S = 150.0
#: Draws before a command is given up because every drawn pair asked too recently.
MAX_DRAWS = 100


class Command(NamedTuple):
    """At `at_s` seconds after the start, somebody looks something up, or announces (as a seed, or not)."""

    at_s: float
    announce: bool
    seed: bool


def schedule(settings: WorkloadSettings, rng: random.Random) -> list[Command]:
    """Return all commands in order of time.

    A Poisson process that is known to have n arrivals in an interval has them at n independent uniform times, so the
    numbers asked for are exact and the arrivals still Poisson.
    """
    lookups = [Command(rng.uniform(0, settings.duration_s), False, False) for _ in range(settings.lookups)]
    announce_until = settings.duration_s * settings.announce_within
    announces = [
        Command(rng.uniform(0, announce_until), True, rng.random() < settings.seed_share)
        for _ in range(settings.announces)
    ]
    return sorted(lookups + announces)


def make_keys(settings: WorkloadSettings, zone: Zone, rng: random.Random) -> list[bytes]:
    """Return the info-hashes, most popular first; each lies outside the zone with probability `outside_share`."""
    if settings.keys:
        return [bytes.fromhex(key) for key in settings.keys]
    return [random_key(zone, rng.random() >= settings.outside_share, rng) for _ in range(settings.info_hashes)]


class Requests:
    """Draws (requester, key): the requester uniformly, the key by Zipf's law over its rank."""

    def __init__(self, keys: Sequence[bytes], zipf: float, rng: random.Random) -> None:
        self._keys = keys
        self._weights = list(itertools.accumulate((rank + 1) ** -zipf for rank in range(len(keys))))
        self._rng = rng
        self._recent: set[tuple[int, bytes]] = set()
        self._order: deque[tuple[float, tuple[int, bytes]]] = deque()

    def draw(self, now_s: float, requesters: Sequence[int]) -> tuple[int, bytes] | None:
        """Return a pair that did not ask within REPEAT_GAP_S before `now_s`, None if there is hardly any."""
        while self._order and self._order[0][0] <= now_s - REPEAT_GAP_S:
            self._recent.discard(self._order.popleft()[1])
        if not requesters:
            return None
        for _ in range(MAX_DRAWS):
            pair = self._rng.choice(requesters), self._rng.choices(self._keys, cum_weights=self._weights)[0]
            if pair not in self._recent:
                self._recent.add(pair)
                self._order.append((now_s, pair))
                return pair
        return None
