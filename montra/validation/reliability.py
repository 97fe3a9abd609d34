"""Are confidences what they say? Of those given 0.9, nine in ten should be right.

A reliability table (A. H. Murphy, R. L. Winkler, Applied Statistics 26, 1977) puts lookups into bins of confidence and
compares each bin's mean confidence with the share that was right. The expected calibration error is the mean of the
gaps, weighted by lookups; the Brier score the mean of (confidence - right)^2, which also rewards telling apart.

Lookups inferred to end at one target are right or wrong together: whether it had died is one event for all of them. So
a bin is judged only if it holds lookups of many targets, beside enough lookups to know its share.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from montra.validation.clustered import Clustered, clustered
from montra.validation.judge import Judged
from montra.validation.wilson import Proportion, wilson

#: Lower edges of the bins. Finer near 1, where nearly all lookups are.
EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99)
#: Largest gap of a well-filled bin that counts as calibrated. A bin is well filled when the interval of its share is no
#: wider than that either way, and it holds so many targets.
MOST_GAP = 0.05
LEAST_TARGETS = 30


class Claim(NamedTuple):
    """What attribution claimed of one lookup, and whether it held. target: the run and the target claimed."""

    confidence: float
    right: bool
    target: tuple[str, int] = ("", 0)


@dataclass(frozen=True, slots=True)
class Bin:
    """Lookups of confidences in [low, high), the last bin up to 1: mean confidence and share right, NaN for none.

    by_target: the share with an interval that does not take lookups of one target for independent.
    """

    low: float
    high: float
    confidence: float
    right: Proportion
    by_target: Clustered

    @property
    def gap(self) -> float:
        """Share right minus mean confidence."""
        return self.right.share - self.confidence

    @property
    def well_filled(self) -> bool:
        """Whether it tells enough to be judged."""
        known = max(self.right.high - self.right.share, self.right.share - self.right.low)
        return self.by_target.clusters >= LEAST_TARGETS and known <= MOST_GAP


@dataclass(frozen=True, slots=True)
class Reliability:
    """The table and its sums. confidence: mean of all; expected_error: calibration error; brier: score, 0 is best."""

    bins: tuple[Bin, ...]
    right: Proportion
    confidence: float
    expected_error: float
    brier: float

    @property
    def worst_gap(self) -> float:
        """Largest gap of a well-filled bin, without its sign; NaN if none is."""
        return max((abs(one.gap) for one in self.bins if one.well_filled), default=math.nan)

    @property
    def calibrated(self) -> bool:
        """Whether every well-filled bin (one at least) is within MOST_GAP."""
        return self.worst_gap <= MOST_GAP


def reliability(claims: Sequence[Claim], edges: Sequence[float] = EDGES) -> Reliability:
    """Return how far confidences can be believed; raises ValueError for one outside [0, 1]."""
    if any(not 0 <= claim.confidence <= 1 for claim in claims):
        raise ValueError("a confidence outside [0, 1]")
    bins = []
    for low, high in zip(edges, [*edges[1:], math.inf], strict=True):
        inside = [claim for claim in claims if low <= claim.confidence < high]
        right = wilson(sum(claim.right for claim in inside), len(inside))
        targets: defaultdict[tuple[str, int], list[bool]] = defaultdict(list)
        for claim in inside:
            targets[claim.target].append(claim.right)
        by_target = clustered((sum(of), len(of)) for of in targets.values())
        bins.append(Bin(low, min(high, 1.0), _mean(claim.confidence for claim in inside), right, by_target))
    gaps = [abs(one.gap) * one.right.trials for one in bins if one.right.trials]
    return Reliability(
        tuple(bins),
        wilson(sum(claim.right for claim in claims), len(claims)),
        _mean(claim.confidence for claim in claims),
        sum(gaps) / len(claims) if claims else math.nan,
        _mean((claim.confidence - claim.right) ** 2 for claim in claims),
    )


def claims_of(judged: Judged, run: str) -> list[Claim]:
    """Return the claims of all captured lookups of a run that has been judged."""
    return [
        Claim(verdict.found.row.confidence, verdict.inferred is None, (run, verdict.found.row.inferred))
        for verdict in judged.verdicts
        if verdict.found is not None
    ]


def table(found: Reliability) -> list[tuple[str, ...]]:
    """Return a header and a row of text for each bin that holds anything."""
    header = ("Confidence", "Lookups", "Targets", "Mean", "Right", "95 %", "Gap")
    rows = [
        (
            f"{one.low:.2f} to {one.high:.2f}",
            str(one.right.trials),
            str(one.by_target.clusters),
            f"{one.confidence:.3f}",
            f"{one.right.share:.3f}",
            f"{one.right.low:.3f} to {one.right.high:.3f}",
            f"{one.gap:+.3f}" + ("" if one.well_filled else " (few)"),
        )
        for one in found.bins
        if one.right.trials
    ]
    return [header, *rows]


def summary(found: Reliability) -> str:
    """Say in a line how well confidences hold."""
    if not found.right.trials:
        return "no lookup to judge"
    worst = (
        "no bin is well filled" if math.isnan(found.worst_gap) else f"worst well-filled bin {found.worst_gap:.3f} off"
    )
    verdict = "calibrated within 5 points" if found.calibrated else "not shown to be calibrated within 5 points"
    return (
        f"{verdict}: {worst}; mean confidence {found.confidence:.3f}, right {found.right.share:.3f}; "
        f"calibration error {found.expected_error:.3f}, Brier score {found.brier:.3f}"
    )


def _mean(values: Iterable[float]) -> float:
    held = list(values)
    return math.fsum(held) / len(held) if held else math.nan
