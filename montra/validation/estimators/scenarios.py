"""The worlds of the trials: for each, what is hard about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from montra.validation.estimators.demand import Keys
from montra.validation.estimators.laws import LogNormal, Popularity, Weibull
from montra.validation.estimators.made import Made, make
from montra.validation.estimators.world import HOUR_S, SECOND_NS, Publishing, World

Play = Callable[[Path, np.random.Generator], list[Made]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of trial. play: writes its runs into a folder; what: what is hard about it."""

    name: str
    what: str
    play: Play


def _one(world: World) -> Play:
    def play(parent: Path, rng: np.random.Generator) -> list[Made]:
        return [make(world, parent, rng)]

    return play


def _zones(world: World, zones: tuple[str, ...]) -> Play:
    """Zones at one time, each with nodes and keys of its own."""

    def play(parent: Path, rng: np.random.Generator) -> list[Made]:
        return [make(replace(world, name=f"{world.name} {zone}", zone=zone), parent, rng) for zone in zones]

    return play


def _windows(world: World, starts_h: tuple[float, ...], change: Callable[[Keys, np.random.Generator], Keys]) -> Play:
    """One zone several times: the keys stay but for what changes after the first window."""

    def play(parent: Path, rng: np.random.Generator) -> list[Made]:
        made: list[Made] = []
        for start_h in starts_h:
            keys = change(made[0].keys, rng) if made else None
            start_ns = world.start_ns + round(start_h * HOUR_S) * SECOND_NS
            made.append(make(replace(world, start_ns=start_ns), parent, rng, keys))
        return made

    return play


def _in_fashion(keys: Keys, rng: np.random.Generator) -> Keys:
    """Return keys of which one in twenty is asked for five times as often, and one in twenty a fifth as often."""
    word = rng.random(len(keys.rate))
    factor = np.where(word < 0.05, 5.0, np.where(word < 0.1, 0.2, 1.0))
    return replace(keys, rate=keys.rate * factor)


def _as_they_were(keys: Keys, _: np.random.Generator) -> Keys:
    return keys


_CHURN = World("churn", hours=12.0, nodes=150.0, lookups_a_minute=2.0, requesters=300, keys=400, told=200)
_POPULAR = World("popularity", hours=2.0, nodes=120.0, keys=4000, requesters=4000, burst=0.2, reach=3, told=300)
_ZIPF = replace(_POPULAR, popularity=Popularity("zipf_rates", 0.8, 5.0))
_KAD = World(
    "published",
    overlay="kad",
    hours=6.0,
    nodes=150.0,
    lookups_a_minute=20.0,
    keys=1500,
    reach=3,
    files=Publishing(Popularity("power_law", 1.8), 5 * HOUR_S),
    keywords=Publishing(Popularity("power_law", 1.6), 24 * HOUR_S),
)

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "small",
        "a small zone for an hour: few of everything",
        _one(World("small", hours=1.0, nodes=60.0, keys=250, lookups_a_minute=25.0, told=250)),
    ),
    Scenario("poisson", "independent lookups", _one(World("poisson", burst=0.0, repeats=0.0, hours=2.0))),
    Scenario("bursts", "bursts, repeats, and a gap", _one(World("bursts", gaps=((1.2, 1.45),)))),
    Scenario("published", "publishers who come and go; part of an interval watched", _one(_KAD)),
    Scenario(
        "power_law", "popularity by a power law", _one(replace(_POPULAR, popularity=Popularity("power_law", 2.1)))
    ),
    Scenario(
        "cut_off",
        "popularity by a power law with a cut-off",
        _one(replace(_POPULAR, popularity=Popularity("power_law_cut_off", 1.6, 0.01))),
    ),
    Scenario(
        "log_normal",
        "popularity by a log-normal law",
        _one(replace(_POPULAR, popularity=Popularity("log_normal", 0.5, 1.4))),
    ),
    Scenario(
        "stretched",
        "popularity by a stretched exponential law",
        _one(replace(_POPULAR, popularity=Popularity("stretched_exponential", 0.5, 0.6))),
    ),
    Scenario(
        "published_power_law",
        "the same where lookups tell searches from publishes",
        _one(replace(_POPULAR, overlay="kad", popularity=Popularity("power_law", 2.1))),
    ),
    Scenario("zipf_rates", "counts by chance of rates that fall as a power of the rank", _one(_ZIPF)),
    Scenario("published_zipf_rates", "the same where lookups tell", _one(replace(_ZIPF, overlay="kad"))),
    Scenario("exponential", "sessions without memory", _one(replace(_CHURN, stay=Weibull(1.5 * HOUR_S)))),
    Scenario("weibull", "many brief sessions, some very long", _one(replace(_CHURN, stay=Weibull(1.2 * HOUR_S, 0.6)))),
    Scenario("lognormal", "sessions with a heavy tail", _one(replace(_CHURN, stay=LogNormal(HOUR_S, 1.2)))),
    Scenario(
        "zones",
        "four zones of one network",
        _zones(World("zones", hours=1.0, lookups_a_minute=20.0, keys=600), ("a4/8", "1c/8", "6b/8", "e7/8")),
    ),
    Scenario(
        "published_zones",
        "four zones in which publishes are told, watched for part of an interval",
        _zones(replace(_KAD, hours=2.0, nodes=80.0, keys=500), ("a4/8", "1c/8", "6b/8", "e7/8")),
    ),
    Scenario(
        "two_windows",
        "the same keys again, some in fashion and some out of it",
        _windows(World("two_windows", hours=2.0, keys=1000), (0.0, 24.0), _in_fashion),
    ),
    Scenario(
        "unchanged",
        "the same keys at another time of day, none more or less popular",
        _windows(World("unchanged", hours=1.0, daily=0.5, nodes=120.0, keys=1000), (0.0, 30.0), _as_they_were),
    ),
)
