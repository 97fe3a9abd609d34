"""What is true of a world's nodes: how many, how they come and go, what they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from montra.validation.estimators.known import Known
from montra.validation.estimators.laws import Law
from montra.validation.estimators.made import Made
from zone_store.keyspace.zone import Zone

SHORTEST_CRAWLS = 2.5
"""The analysis tells of stays that last so many crawls at least."""
_MOMENTS = 2000


def _shortest_s(made: Made) -> float:
    return SHORTEST_CRAWLS * made.world.crawl_s


def _population(made: Sequence[Made]) -> float:
    times = np.linspace(0, made[0].world.seconds, _MOMENTS)
    return float(made[0].people.alive(times).mean())


def _network(made: Sequence[Made]) -> float:
    world = made[0].world
    return world.nodes * 2.0 ** Zone.parse(world.zone, 8 * world.id_bytes).length


def _come(made: Sequence[Made]) -> float:
    """Return how many come a minute and stay long enough; as many go."""
    world = made[0].world
    return 60 * world.nodes / world.stay.mean * world.stay.beyond(_shortest_s(made[0]))


def _quantile(share: float, made: Sequence[Made]) -> float:
    stay = made[0].world.stay
    briefer = 1 - stay.beyond(_shortest_s(made[0]))
    return stay.quantile(briefer + share * (1 - briefer))


def _mean(made: Sequence[Made]) -> float:
    return mean_beyond(made[0].world.stay, _shortest_s(made[0]))


def mean_beyond(stay: Law, shortest_s: float) -> float:
    """Return the mean of stays that last so long at least: what is beyond it, summed on a logarithmic scale."""
    times = np.geomspace(shortest_s, 1e5 * stay.mean, 4_000)
    beyond = np.array([stay.beyond(time) for time in times.tolist()])
    return shortest_s + float(np.trapezoid(beyond, times)) / stay.beyond(shortest_s)


def _firewalled(made: Sequence[Made]) -> float:
    return made[0].world.firewalled


def _none(_: Sequence[Made]) -> float:
    return 0.0


def known_network() -> dict[str, Known]:
    """Return the truths by the names of their numbers."""
    known: dict[str, Known] = {
        "network.population": _population,
        "network.network_size": _network,
        "network.arrivals": _come,
        "network.departures": _come,
        "network.stay_mean": _mean,
        "network.tcp_firewalled": _firewalled,
        "network.udp_firewalled": _none,
    }
    for share in (0.25, 0.5, 0.75, 0.9):
        told: Callable[[Sequence[Made]], float] = partial(_quantile, share)
        for method in ("create", "km"):
            known[f"network.stay_{round(100 * share)}_{method}"] = told
    return known
