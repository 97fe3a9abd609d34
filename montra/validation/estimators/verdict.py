"""How often each estimator's interval held the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from scipy.stats import binom

from montra.validation.estimators.trial import Outcome, settled
from montra.validation.wilson import Proportion, wilson

LEAST = 0.93
"""Least share of trials in which a 95 % interval must hold the truth."""
ENOUGH = 100
"""Of fewer trials a share somewhat below that tells nothing."""
HOLDS, FAILS, TOO_FEW = "holds", "FAILS", "too few trials"
_WORST = (FAILS, TOO_FEW, HOLDS)
UNLIKELY = 0.01
"""A scenario contradicts that if so few hits would come by chance more rarely than this."""


@dataclass(frozen=True, slots=True)
class InScenario:
    """One estimator in one scenario.

    trials: played; withheld: of them, those in which it gave no number; held: intervals that held the truth, of those
    that could be judged; truth, estimate, width: means over these, the width of intervals as a share of the truth (NaN
    where that is 0; infinite where one has no end).
    """

    scenario: str
    trials: int
    withheld: int
    held: Proportion
    truth: float
    estimate: float
    width: float

    @property
    def contradicts(self) -> bool:
        """Tell whether an interval that holds in 93 of 100 would hardly hold so rarely."""
        return bool(binom.cdf(self.held.hits, self.held.trials, LEAST) < UNLIKELY)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One estimator: in each scenario that could judge it, and in all together."""

    estimator: str
    scenarios: tuple[InScenario, ...]
    held: Proportion

    @property
    def verdict(self) -> str:
        """Whether it held often enough in all trials together, and no scenario contradicts that: of `HOLDS`..."""
        if any(one.contradicts for one in self.scenarios):
            return FAILS
        if self.held.hits >= LEAST * self.held.trials:
            return HOLDS
        return FAILS if self.held.trials >= ENOUGH else TOO_FEW

    @property
    def worst(self) -> InScenario:
        """The scenario in which it held least often."""
        return min(self.scenarios, key=lambda one: one.held.share)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """All of them, worst first; never_judged: estimators with an interval that no scenario knows the truth of."""

    judged: list[Verdict]
    never_judged: list[str]

    @property
    def failing(self) -> list[Verdict]:
        """Those that do not hold."""
        return [one for one in self.judged if one.verdict == FAILS]


def verdicts(outcomes: Sequence[Outcome]) -> Verdicts:
    """Return the verdict on each estimator that stated an interval."""
    by_estimator: dict[str, dict[str, list[Outcome]]] = {}
    for one in settled(outcomes):
        by_estimator.setdefault(one.estimator, {}).setdefault(one.scenario, []).append(one)
    judged, never = [], []
    for estimator, scenarios in by_estimator.items():
        told = [_in_scenario(name, rows) for name, rows in scenarios.items() if any(one.judged for one in rows)]
        if told:
            hits, trials = sum(one.held.hits for one in told), sum(one.held.trials for one in told)
            judged.append(Verdict(estimator, tuple(told), wilson(hits, trials)))
        elif any(not math.isnan(one.low) for rows in scenarios.values() for one in rows):
            never.append(estimator)
    return Verdicts(
        sorted(judged, key=lambda one: (_WORST.index(one.verdict), one.held.share, one.estimator)), sorted(never)
    )


def _in_scenario(scenario: str, rows: Sequence[Outcome]) -> InScenario:
    known = [one for one in rows if one.judged]
    widths = [(one.high - one.low) / abs(one.truth) for one in known if one.truth]
    return InScenario(
        scenario=scenario,
        trials=len(rows),
        withheld=sum(math.isnan(one.value) for one in rows),
        held=wilson(sum(one.hit for one in known), len(known)),
        truth=fmean(one.truth for one in known),
        estimate=fmean(one.value for one in known),
        width=fmean(widths) if widths else math.nan,
    )


def table(found: Verdicts) -> list[tuple[str, ...]]:
    """Return the verdicts as rows, the header first: numbers of the scenario in which each held least often."""
    rows: list[tuple[str, ...]] = [
        ("Estimator", "Held", "Worst scenario", "held", "Truth", "Estimate", "Width", "Withheld", "Verdict")
    ]
    for one in found.judged:
        worst = one.worst
        rows.append(
            (
                one.estimator,
                f"{one.held.hits} of {one.held.trials}",
                worst.scenario,
                f"{worst.held.hits} of {worst.held.trials}",
                f"{worst.truth:.4g}",
                f"{worst.estimate:.4g}",
                "none" if math.isnan(worst.width) else f"{worst.width:.0%}",
                str(worst.withheld),
                one.verdict,
            )
        )
    return rows
