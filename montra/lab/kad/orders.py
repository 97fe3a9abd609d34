"""What is asked of whom and when: a plan drawn from the seed, and the commands on their way."""

from __future__ import annotations

import random
from typing import NamedTuple

from montra.lab.kad.population import Population, SharedFile
from montra.lab.kad.settings import KadWorkload

#: A new keyword search ends a node's last one, which takes 45 s (`SearchDefs.h`, SEARCHKEYWORD_LIFETIME); of their
#: clock.
SEARCH_S = 60.0
_TRIES = 100


class Order(NamedTuple):
    """One thing to do: at so many seconds after the start, by this node (index).

    Exactly one is there: a word to search for, a file to share, or a file to fetch.
    """

    at_s: float
    node: int
    word: str = ""
    share: SharedFile | None = None
    fetch: SharedFile | None = None


def plan(workload: KadWorkload, population: Population, rate: float, rng: random.Random) -> list[Order]:
    """Return all orders by time.

    A node is never told to search twice for one word, nor for two within `SEARCH_S` of its clock, nor for one that it
    publishes, which aMule refuses at times. Searches for which no node is free are left out.
    """
    orders = _shares(workload, population, rng)
    orders += _searches(workload, population, SEARCH_S / rate, rng)
    orders += _downloads(workload, population, rng)
    return sorted(orders, key=lambda order: (order.at_s, order.node))


def _shares(workload: KadWorkload, population: Population, rng: random.Random) -> list[Order]:
    return [
        Order(rng.uniform(0, workload.share_within_s), index, share=file)
        for file in population.files
        for index in file.publishers
    ]


def _searches(workload: KadWorkload, population: Population, rest_s: float, rng: random.Random) -> list[Order]:
    weights = [1 / (rank + 1) ** workload.zipf for rank in range(len(population.words))]
    words = rng.choices(population.words, weights, k=workload.searches)
    times = sorted(rng.uniform(0, workload.duration_s) for _ in words)
    orders: list[Order] = []
    free_s = [0.0] * len(population.nodes)
    asked = {(index, word) for file in population.files for index in file.publishers for word in file.words}
    for at_s, word in zip(times, words, strict=True):
        for _ in range(_TRIES):
            index = rng.randrange(len(population.nodes))
            if free_s[index] <= at_s and (index, word) not in asked:
                free_s[index] = at_s + rest_s
                asked.add((index, word))
                orders.append(Order(at_s, index, word=word))
                break
    return orders


def _downloads(workload: KadWorkload, population: Population, rng: random.Random) -> list[Order]:
    wanted = [file for file in population.files if len(file.publishers) < len(population.nodes)]
    if not wanted:
        return []
    orders: list[Order] = []
    asked: set[tuple[int, str]] = set()
    for file in rng.choices(wanted, [len(file.publishers) for file in wanted], k=workload.downloads):
        for _ in range(_TRIES):
            index = rng.randrange(len(population.nodes))
            if index not in file.publishers and (index, file.hash) not in asked:
                asked.add((index, file.hash))
                orders.append(Order(rng.uniform(0, workload.duration_s), index, fetch=file))
                break
    return orders
