"""Likelihood-ratio tests: they favour the family that counts were drawn from, or say that it cannot be told."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from analysis.popularity.compare import Comparison, compare, standing
from analysis.popularity.families import CUT_OFF, FAMILIES, LOG_NORMAL, POWER_LAW, STRETCHED
from analysis.popularity.fit import fit, of_parameters
from analysis.popularity.shape import Fitted, Scope

TRIALS = 100
TRUTHS = {POWER_LAW: (2.2,), LOG_NORMAL: (1.0, 1.2), STRETCHED: (0.5, 3.0), CUT_OFF: (1.5, 50.0)}
BENT = [LOG_NORMAL, STRETCHED, CUT_OFF]


def compared(family: str, keys: int, rng: np.random.Generator) -> list[Comparison]:
    counts = of_parameters(family, 1, *TRUTHS[family]).draw(keys, rng)
    plain = fit(counts, POWER_LAW)
    return compare(counts, [plain, *(fit(counts, other, plain) for other in BENT)])


@pytest.mark.parametrize("family", BENT)
def test_with_many_keys_the_true_family_is_favoured_over_each_other(family: str) -> None:
    rng = np.random.default_rng(1)
    found = [standing(compared(family, 20_000, rng)) for _ in range(TRIALS)]
    assert sum(one == [family] for one in found) >= 93


@pytest.mark.parametrize("family", list(FAMILIES))
def test_with_few_keys_the_true_family_is_seldom_refused(family: str) -> None:
    rng = np.random.default_rng(2)
    found = [standing(compared(family, 300, rng)) for _ in range(TRIALS)]
    assert sum(family in one for one in found) >= 93


@pytest.mark.parametrize("keys", [300, 5000])
def test_of_a_power_law_it_cannot_be_told(keys: int) -> None:
    rng = np.random.default_rng(3)
    found = [compared(POWER_LAW, keys, rng) for _ in range(TRIALS)]
    assert sum(standing(one) == list(FAMILIES) for one in found) >= 93
    assert all(one.favours != POWER_LAW for pairs in found for one in pairs)


def test_the_bent_families_are_not_told_apart_where_none_is_better_than_the_power_law() -> None:
    pairs = compared(POWER_LAW, 400, np.random.default_rng(4))
    assert [(one.first, one.second) for one in pairs] == [
        (POWER_LAW, LOG_NORMAL),
        (POWER_LAW, STRETCHED),
        (POWER_LAW, CUT_OFF),
        (LOG_NORMAL, STRETCHED),
        (LOG_NORMAL, CUT_OFF),
        (STRETCHED, CUT_OFF),
    ]
    assert [one.nested for one in pairs] == [True] * 3 + [False] * 3
    assert {one.favours for one in pairs} == {""}
    assert all(0 <= one.p <= 1 for one in pairs)


@pytest.mark.parametrize(
    ("goods", "favoured", "said"),
    [
        ((0.5, 0.5, 0.5, 0.5), {}, "power law suffices"),
        ((0.0, 0.0, 0.0, 0.0), {}, "none fits"),
        ((0.0, 0.5, 0.5, 0.5), {}, "power law doubtful"),
        ((0.5, 0.5, 0.5, 0.5), {POWER_LAW: LOG_NORMAL}, "not a power law"),
        ((0.5, 0.5, 0.0, 0.0), {POWER_LAW: LOG_NORMAL, STRETCHED: LOG_NORMAL, CUT_OFF: LOG_NORMAL}, "log-normal"),
    ],
)
def test_a_verdict_in_few_words(goods: tuple[float, ...], favoured: dict[str, str], said: str) -> None:
    counts = of_parameters(POWER_LAW, 1, 2.2).draw(100, np.random.default_rng(0))
    fits = [fit(counts, name) for name in FAMILIES]
    compared = [
        Comparison(one, other, 0.0, 1.0, one == POWER_LAW, other if favoured.get(one) == other else "")
        for one, other in permutations(FAMILIES, 2)
    ]
    fitted = [Fitted(one, {}, good) for one, good in zip(fits, goods, strict=True)]
    assert Scope("tail", 1, 100, fitted, compared).verdict_in_brief == said
