"""The nodes of a synthetic zone: who they are, and when they come and go. Times are seconds from the window's start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from montra.validation.estimators.laws import Floats
from montra.validation.estimators.world import World
from zone_store.captures import Status
from zone_store.keyspace.zone import Zone

_PRIVATE = 0x0A000000
_PORTS = (1024, 65536)
LEAST_AWAY_S = 300.0
"""Nobody is away more briefly: to crawls that would be no absence."""


@dataclass(frozen=True, slots=True)
class Population:
    """Nodes, a row each: ids uint8[n, L]; ip uint32, port uint16, version uint32, status uint8, miss float64 (chance
    that a lookup that ends there is not heard), mute bool: [n]. Sessions, by node and time: node int64[s], begin_s,
    end_s float64[s]; those under way at the window's start began before 0.
    """

    ids: NDArray[np.uint8]
    ip: NDArray[np.uint32]
    port: NDArray[np.uint16]
    version: NDArray[np.uint32]
    status: NDArray[np.uint8]
    miss: Floats
    mute: NDArray[np.bool_]
    node: NDArray[np.int64]
    begin_s: Floats
    end_s: Floats

    def alive(self, times_s: Floats) -> NDArray[np.int64]:
        """Return how many are there at each time."""
        begun = np.searchsorted(np.sort(self.begin_s), times_s, side="right")
        ended = np.searchsorted(np.sort(self.end_s), times_s, side="right")
        return np.asarray(begun - ended, np.int64)


def random_ids(rng: np.random.Generator, zone: str, n: int, id_bytes: int) -> NDArray[np.uint8]:
    """Return n IDs of a zone as hashing places them, uint8[n, id_bytes]."""
    within = Zone.parse(zone, 8 * id_bytes)
    low, high = (np.frombuffer(end, np.uint8) for end in (within.low(), within.high()))
    return np.asarray(low | (rng.integers(0, 256, (n, id_bytes), np.uint8) & (low ^ high)), np.uint8)


def populate(world: World, rng: np.random.Generator) -> Population:
    """Return a zone in its steady state: some came long before the window begins."""
    visits = _visitors(world, rng)
    returns, owner = _regulars(world, rng)
    n_visitors = len(visits)
    sessions = np.concatenate([visits, returns])
    node = np.concatenate([np.arange(n_visitors), n_visitors + owner])
    nodes = n_visitors + (int(owner.max()) + 1 if len(owner) else 0)
    order = np.lexsort((sessions[:, 0], node))
    ip = (_PRIVATE + rng.choice(1 << 22, nodes, replace=False)).astype(np.uint32)
    shared = rng.random(nodes) < world.shared_ips
    ip[shared] = rng.choice(ip, int(shared.sum()))
    spread = world.miss_spread**2
    a = world.miss * (world.miss * (1 - world.miss) / spread - 1) if spread else 0.0
    miss = rng.beta(a, a * (1 - world.miss) / world.miss, nodes) if spread else np.full(nodes, world.miss)
    status = np.where(rng.random(nodes) < world.firewalled, int(Status.TCP_FIREWALLED), 0)
    return Population(
        ids=random_ids(rng, world.zone, nodes, world.id_bytes),
        ip=ip,
        port=rng.integers(*_PORTS, nodes).astype(np.uint16),
        version=versions(world, rng, nodes),
        status=status.astype(np.uint8),
        miss=miss,
        mute=rng.random(nodes) < world.mute,
        node=node[order],
        begin_s=sessions[order, 0],
        end_s=sessions[order, 1],
    )


def versions(world: World, rng: np.random.Generator, n: int) -> NDArray[np.uint32]:
    """Return the clients of n nodes or requesters."""
    named, shares = zip(*world.clients, strict=True)
    return np.asarray(rng.choice(np.array(named, np.uint32), n, p=np.array(shares)), np.uint32)


def _visitors(world: World, rng: np.random.Generator) -> Floats:
    """Return (begin, end) of those that come once: who is there at first, and who comes at random times."""
    alive = world.nodes * (1 - world.regulars)
    first = world.stay.draw_met(rng, int(rng.poisson(alive)))
    begin = -first * rng.random(len(first))
    come = rng.random(int(rng.poisson(alive / world.stay.mean * world.seconds))) * world.seconds
    return np.concatenate(
        [np.stack([begin, begin + first], 1), np.stack([come, come + world.stay.draw(rng, len(come))], 1)]
    )


def _regulars(world: World, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Return (begin, end) of those that come again and again, and whose each is."""
    online = world.stay.mean / (world.stay.mean + LEAST_AWAY_S + world.away_s)
    n = round(world.nodes * world.regulars / online)
    there = rng.random(n) < online
    met = world.stay.draw_met(rng, n)
    # Of those away a part is in the first minutes, in which nobody comes back.
    first = rng.random(n) * (LEAST_AWAY_S + world.away_s) < LEAST_AWAY_S
    back = np.where(first, LEAST_AWAY_S * rng.random(n), 0.0) + rng.exponential(world.away_s, n)
    begin = np.where(there, -met * rng.random(n), back)
    end = np.where(there, begin + met, begin + world.stay.draw(rng, n))
    owner = np.arange(n)
    sessions, owners = [], []
    while len(owner):
        inside = begin < world.seconds
        begin, end, owner = begin[inside], end[inside], owner[inside]
        sessions.append(np.stack([begin, end], 1))
        owners.append(owner)
        begin = end + LEAST_AWAY_S + rng.exponential(world.away_s, len(owner))
        end = begin + world.stay.draw(rng, len(owner))
    return (np.concatenate(sessions), np.concatenate(owners)) if sessions else (np.empty((0, 2)), owner)
