"""What one benchmark found: figures, ratios, cost against size, goals. Everything else prints, draws or stores it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

#: A curve may be so much steeper than n log n, as an exponent, before it counts as growing faster: noise, caches.
STEEPER = 0.1


class Summary(NamedTuple):
    """Median, smallest and largest of the rounds."""

    median: float
    least: float
    most: float


def summary(values: Iterable[float]) -> Summary:
    """Summarise the rounds of one figure; raises ValueError for none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no rounds to summarise")
    return Summary(statistics.median(ordered), ordered[0], ordered[-1])


def ratios(rounds: Sequence[dict[str, dict[str, Any]]], a: str, b: str, figure: str) -> Summary:
    """Return a/b of a figure, formed in each round: what slows a whole round down does not matter."""
    return summary(one[a][figure] / one[b][figure] for one in rounds)


@dataclass(frozen=True, slots=True)
class Curve:
    """Total cost against size. size_name, cost_name: what they are, with units, as on the axes of a plot."""

    name: str
    size_name: str
    sizes: tuple[float, ...]
    cost_name: str
    costs: tuple[float, ...]

    @property
    def exponent(self) -> float:
        """Slope of log cost against log(n log n): 1 grows as n log n, below 1 slower. Needs two sizes above 1."""
        x = [math.log(n * math.log(n)) for n in self.sizes]
        y = [math.log(cost) for cost in self.costs]
        return statistics.linear_regression(x, y).slope

    @property
    def grows_as_wanted(self) -> bool:
        """Tell whether the cost grows no faster than n log n, but for noise."""
        return self.exponent <= 1 + STEEPER


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that was aimed at, in words with units, and whether it was reached."""

    name: str
    wanted: str
    measured: str
    met: bool


@dataclass(slots=True)
class Outcome:
    """Everything known of one benchmark.

    rounds: one dict for each round, system -> raw figures; figures: system -> figure (unit in its name) -> summary over
    rounds; ratios: "montra / plain, a CPU second" -> summary; problems: what does not add up, which fails the run;
    notes: what a reader must know to judge the figures.
    """

    bench: str
    machine: dict[str, str]
    settings: dict[str, Any]
    rounds: list[dict[str, dict[str, Any]]] = field(default_factory=list)
    figures: dict[str, dict[str, Summary]] = field(default_factory=dict)
    ratios: dict[str, Summary] = field(default_factory=dict)
    curves: list[Curve] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def summarise(self, *figures: str) -> None:
        """Fill `figures` from `rounds` with these figures of every system that has them."""
        for system in self.rounds[0] if self.rounds else ():
            known = [name for name in figures if all(name in one[system] for one in self.rounds)]
            self.figures[system] = {name: summary(one[system][name] for one in self.rounds) for name in known}

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as JSON's types; summaries as {median, least, most}, curves with their exponent."""
        plain = asdict(self)
        plain["figures"] = {s: {name: v._asdict() for name, v in found.items()} for s, found in self.figures.items()}
        plain["ratios"] = {name: v._asdict() for name, v in self.ratios.items()}
        plain["curves"] = [
            {**asdict(c), "exponent_of_n_log_n": c.exponent, "grows_as_wanted": c.grows_as_wanted} for c in self.curves
        ]
        return plain
