"""A hundred worlds of known loads: how often the intervals of nodes' load and rates hold the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from analysis.imbalance import estimates
from analysis.imbalance.estimates import Estimate, measured, rates, realised

from .worlds import LEAST_HITS, capture_by_trials, gaps, hits, hot, lognormal, no_doubt

NODES = 100
NAMES = ("gini", "top_1_percent", "top_10_percent", "variation")

World = Callable[[int, np.random.Generator], np.ndarray]


def load(world: World, mean: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rates, exposures and lookups made."""
    rate = world(NODES, rng)
    rate *= mean / rate.mean()
    exposure = np.where(rng.random(NODES) < 0.5, 1.0, rng.uniform(0.1, 1, NODES))
    return rate, exposure, rng.poisson(rate * exposure)


@pytest.mark.parametrize(("world", "mean"), [(lognormal, 5.0), (hot, 20.0)])
def test_the_realised_load_is_held(world: World, mean: float) -> None:
    """Truth: the lookups made, nine in ten of them captured, of some nodes more and of others fewer."""

    def trial(seed: int) -> Iterator[tuple[str, Estimate, float]]:
        rng = np.random.default_rng(seed)
        _, exposure, made = load(world, mean, rng)
        counts = rng.binomial(made, np.clip(1 - rng.gamma(9, 0.1 / 9, NODES), 0, 1))
        found = realised(counts, exposure, capture_by_trials(0.9, rng), no_doubt(counts))
        return zip(NAMES, found, measured(made / exposure).tolist(), strict=True)

    held = hits(trial)
    assert min(held.values()) >= LEAST_HITS, held


@pytest.mark.parametrize("world", [gaps])
def test_the_realised_load_is_held_where_destinations_are_wrong(world: World) -> None:
    """Truth: the lookups at the nodes where they ended; one in twenty is inferred to have ended at the next."""

    def trial(seed: int) -> Iterator[tuple[str, Estimate, float]]:
        rng = np.random.default_rng(seed)
        _, exposure, made = load(world, 20.0, rng)
        counts, following = rng.binomial(made, 0.95), np.arange(NODES) ^ 1
        moved = rng.binomial(counts, 0.05)
        inferred = counts - moved + moved[following]
        doubt = replace(no_doubt(inferred), next=following, wrong=np.full(NODES, 0.05))
        found = realised(inferred, exposure, capture_by_trials(0.95, rng), doubt)
        return zip(NAMES, found, measured(made / exposure).tolist(), strict=True)

    held = hits(trial)
    assert min(held.values()) >= LEAST_HITS, held


@pytest.mark.parametrize(("world", "mean"), [(gaps, 10.0), (hot, 30.0)])
def test_the_rates_are_held(world: World, mean: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truth: the rates of these nodes; what is missed does not matter."""
    monkeypatch.setattr(estimates, "_DRAWS", 40)

    def trial(seed: int) -> Iterator[tuple[str, Estimate, float]]:
        rng = np.random.default_rng(seed)
        rate, exposure, made = load(world, mean, rng)
        counts = rng.binomial(made, 0.9)
        return zip(NAMES, rates(counts, exposure, None, no_doubt(counts)), measured(rate).tolist(), strict=True)

    held = hits(trial)
    assert min(held.values()) >= LEAST_HITS, held


def test_the_rates_are_held_where_nodes_are_missed_unlike_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Truth: the rates; of many lookups at each node, so that chance hides nothing, a tenth is missed on average."""
    monkeypatch.setattr(estimates, "_DRAWS", 40)

    def trial(seed: int) -> Iterator[tuple[str, Estimate, float]]:
        rng = np.random.default_rng(seed)
        rate, exposure, made = load(hot, 1000.0, rng)
        counts = rng.binomial(made, np.clip(1 - rng.gamma(9, 0.1 / 9, NODES), 0, 1))
        found = rates(counts, exposure, capture_by_trials(0.9, rng), no_doubt(counts))
        return zip(NAMES, found, measured(rate).tolist(), strict=True)

    held = hits(trial)
    assert min(held.values()) >= LEAST_HITS, held


def test_the_rates_are_held_where_requesters_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Truth: the rates; each who comes asks once, twice, three times... (geometric, 1.6 on average)."""
    monkeypatch.setattr(estimates, "_DRAWS", 40)
    repeats = (2 - 0.625) / 0.625  # of a geometric law, on average over lookups

    def trial(seed: int) -> Iterator[tuple[str, Estimate, float]]:
        rng = np.random.default_rng(seed)
        rate, exposure, came = load(gaps, 20.0, rng)
        counts = came + rng.negative_binomial(np.maximum(came, 1), 0.625) * (came > 0)
        found = rates(counts, exposure, None, no_doubt(counts), repeats)
        return zip(NAMES, found, measured(rate).tolist(), strict=True)

    held = hits(trial)
    assert min(held.values()) >= LEAST_HITS, held
