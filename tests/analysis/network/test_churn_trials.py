"""A hundred seeded zones each: the truth lies within the stated bounds in 93 of them at least."""

from __future__ import annotations

from collections import Counter

import pytest

from analysis.network.chapter import arriving as come_in_a_crawl
from analysis.network.chapter import settled_ns, still_unknown
from analysis.network.churn import SHARES, Churn, churn_of
from analysis.network.population import Population, population_of
from analysis.network.rhythm import Rhythm
from analysis.network.stays import stays_of

from .crawled import EXPONENTIAL, LOGNORMAL, START_NS, WEIBULL, Seen, World, arriving, see

TRIALS, LEAST = 100, 93

WORLDS = {
    "exponential, crawls back to back": World(EXPONENTIAL, nodes=300, hours=3),
    "weibull, a crawl each five minutes": World(WEIBULL, nodes=300, hours=6, pause_s=240, early=0.5),
    "lognormal, found late": World(LOGNORMAL, nodes=250, hours=2.5, crawl_s=90, found=0.7, early=0.2, missed=0.01),
}


def analysed(seen: Seen) -> tuple[Population, Churn, Rhythm]:
    """Return what the analysis says."""
    stays, rhythm = stays_of(seen.run)
    population = population_of(seen.run, settled_ns(rhythm, seen.run), come_in_a_crawl(stays, rhythm))
    inside = (population.mean, population.mean_low, population.mean_high)
    return population, churn_of(stays, rhythm, still_unknown(seen.run, rhythm), inside), rhythm


def truths(world: World, seen: Seen, rhythm: Rhythm) -> dict[str, float]:
    """Return what is true, by name."""
    shorter = float(world.law.cdf(rhythm.shortest_s))
    from_s = (settled_ns(rhythm, seen.run) - START_NS) / 1e9
    rate = 60 * arriving(world) * (1 - shorter)
    found = {
        "population": seen.population(from_s, world.hours * 3600),
        "network_size": world.nodes * 256,
        "arrivals": rate,
        "departures": rate,
        "stay_mean": float(world.law.expect(lb=rhythm.shortest_s) / world.law.sf(rhythm.shortest_s)),
    }
    for share in SHARES:
        for method in ("create", "km"):
            found[f"stay_{round(100 * share)}_{method}"] = float(world.law.ppf(shorter + share * (1 - shorter)))
    return found


@pytest.mark.parametrize("name", WORLDS)
def test_bounds_hold_the_truth(name: str) -> None:
    world = WORLDS[name]
    hits, told, off = Counter[str](), Counter[str](), Counter[str]()
    for seed in range(TRIALS):
        seen = see(world, seed)
        population, churn, rhythm = analysed(seen)
        numbers = {one.name: one for one in (*population.quantities(), *churn.quantities())}
        wanted = truths(world, seen, rhythm)
        assert numbers["crawl_lag"].value == 2
        for quantity, truth in wanted.items():
            number = numbers[quantity]
            if number.told:
                told[quantity] += 1
                hits[quantity] += number.low <= truth <= number.high
                off[quantity] += number.value / truth - 1
    for quantity, n in told.items():
        # what is told in part of the trials only is told where chance lets it be reached
        assert hits[quantity] >= LEAST / TRIALS * n - 1, f"{quantity}: {hits[quantity]} of {n}"
        if n == TRIALS:
            assert hits[quantity] >= LEAST, f"{quantity}: {hits[quantity]} of {n}"
            assert abs(off[quantity]) / n < 0.06, f"{quantity}: off by {off[quantity] / n:.3f}"
    assert all(told[quantity] == TRIALS for quantity in ("population", "arrivals", "departures", "stay_50_km"))
