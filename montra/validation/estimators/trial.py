"""One trial: play a world, analyse its runs as a user would, and compare what is stated with what is true."""

from __future__ import annotations

import math
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias

import numpy as np

from analysis.over import over
from analysis.result import Analysis
from montra.validation.estimators.known import Drawn, Stated
from montra.validation.estimators.made import Made
from montra.validation.estimators.scenarios import SCENARIOS, Scenario
from montra.validation.estimators.stated import beside, beside_over, of_quantity
from montra.validation.estimators.truths import truth_of

#: Attributes and analyses a run as a user would, writing into its folder only; to be sent to other processes.
Analyse: TypeAlias = Callable[[Path], Analysis]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one trial said of one number.

    estimator: "chapter.name", "over_chapter.name" of several runs; truth: NaN where none is known; drawn: where the
    trials of a scenario tell it together (`settled`); value: NaN where it was withheld; low, high: NaN where no
    interval was stated.
    """

    scenario: str
    estimator: str
    seed: int
    truth: float
    value: float
    low: float
    high: float
    drawn: Drawn | None = None

    @property
    def judged(self) -> bool:
        """Tell whether there is an interval and a truth."""
        return not any(math.isnan(x) for x in (self.truth, self.low, self.high))

    @property
    def hit(self) -> bool:
        """Tell whether the truth lies within the interval."""
        # Bounds that a float's last digit misses are met.
        slack = 1e-9 * max(abs(self.truth), 1.0)
        return self.low - slack <= self.truth <= self.high + slack


def run_trial(scenario: Scenario, seed: int, analyse: Analyse) -> list[Outcome]:
    """Play a scenario once and return what was said of each number; truths are not `settled` yet."""
    rng = np.random.default_rng([seed, zlib.crc32(scenario.name.encode())])
    with tempfile.TemporaryDirectory(prefix="montra-trial-") as folder:
        made = scenario.play(Path(folder), rng)
        return [_outcome(scenario, seed, one, made) for one in _stated(made, analyse)]


def run_trials(
    names: Iterable[str], trials: int, seed: int, analyse: Analyse, processes: int = 1
) -> Iterator[list[Outcome]]:
    """Yield the outcomes of so many trials of each of these scenarios, in order, as they are done."""
    tasks = [(name, seed + i, analyse) for name in names for i in range(trials)]
    if processes == 1:
        yield from map(_run, tasks)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_run, tasks)


def settled(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return outcomes with the truths that all trials of a scenario tell together."""
    drawn: dict[tuple[str, str], list[Drawn]] = {}
    for one in outcomes:
        if one.drawn is not None:
            drawn.setdefault((one.scenario, one.estimator), []).append(one.drawn)
    truths = {what: parts[0].reduce(np.concatenate([part.values for part in parts])) for what, parts in drawn.items()}
    return [
        one if one.drawn is None else replace(one, truth=truths[one.scenario, one.estimator], drawn=None)
        for one in outcomes
    ]


def _run(task: tuple[str, int, Analyse]) -> list[Outcome]:
    name, seed, analyse = task
    return run_trial(next(one for one in SCENARIOS if one.name == name), seed, analyse)


def _outcome(scenario: Scenario, seed: int, stated: Stated, made: list[Made]) -> Outcome:
    known = truth_of(stated.name, made) if stated.truth is None else stated.truth
    told = math.nan if isinstance(known, Drawn) else known
    drawn = known if isinstance(known, Drawn) else None
    return Outcome(scenario.name, stated.name, seed, told, stated.value, stated.low, stated.high, drawn)


def _stated(made: list[Made], analyse: Analyse) -> Iterator[Stated]:
    """Yield the numbers of one run, or those of several together."""
    analyses = [analyse(one.folder) for one in made]
    if len(analyses) == 1:
        yield from map(of_quantity, *zip(*analyses[0].quantities().items(), strict=True))
        yield from beside(analyses[0], made[0])
        return
    overview = over(analyses)
    yield from map(of_quantity, *zip(*overview.quantities().items(), strict=True))
    yield from beside_over(overview, made)
