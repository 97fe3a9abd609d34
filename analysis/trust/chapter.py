"""How far the numbers of a run go: what it captured of its own lookups, of a known truth, and what it lost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.quantity import Quantity, made_by
from analysis.table import Column, Table
from analysis.trust.canaries import Canaries, Share
from analysis.trust.capture import BY_CANARIES, CaptureRate, capture_of
from analysis.trust.ledger import LossTotal, loss_totals
from analysis.trust.validation import Validation, read_validation

if TYPE_CHECKING:
    from analysis.engine.source import Source

_SCORE = "score interval of a binomial share (Wilson 1927)"


@dataclass(frozen=True, slots=True)
class Trust:
    """What tells how far numbers go.

    capture: what corrects rates, None if nobody knows; canaries: what the run captured of its own lookups, None if it
    made none; validation: a comparison with the truth; losses: the ledger, what costs data first.
    """

    capture: CaptureRate | None
    canaries: Canaries | None
    validation: Validation
    losses: list[LossTotal]

    def quantities(self) -> list[Quantity]:
        """Return the capture rate, and what the canaries told."""
        return [*self._capture(), *self._canaries()]

    def tables(self) -> list[Table]:
        """Return canaries, their misses, the shares of a validation, and the ledger."""
        return [self._canary_table(), self._misses(), self._validated(), self._ledger()]

    def _capture(self) -> list[Quantity]:
        meaning = "share of users' lookups that the run captured, supposing that all clients are captured alike"
        if self.capture is None:
            return [
                Quantity(
                    "capture_rate",
                    np.nan,
                    "share",
                    meaning,
                    made_by(capture_of),
                    ("canaries", "validation"),
                    withheld="the run made no lookups of its own, and nobody compared it with a truth",
                )
            ]
        source = "canaries" if self.capture.source == BY_CANARIES else "validation"
        return [
            Quantity(
                "capture_rate",
                self.capture.share,
                "share",
                meaning,
                made_by(capture_of),
                (source,),
                self.capture.low,
                self.capture.high,
                f"{_SCORE}, by {self.capture.source}, at 97 %, and chance in which of the popular keys are missed",
            )
        ]

    def _canaries(self) -> list[Quantity]:
        if self.canaries is None:
            return []
        shares = {
            "canaries_captured": (self.canaries.capture, "share of the run's own lookups that it captured"),
            "canaries_observed": (
                self.canaries.observed,
                "of its own lookups captured, the share whose observed destination is the nearest node that answered",
            ),
            "canaries_inferred": (
                self.canaries.inferred,
                "of its own lookups captured, the share whose inferred destination is the nearest node that answered",
            ),
        }
        by = self.canaries.function
        return [_share(name, share, meaning, by) for name, (share, meaning) in shares.items()]

    def _canary_table(self) -> Table:
        of = self.canaries
        shares = [] if of is None else [of.capture, of.observed, of.inferred]
        names = ["captured", "observed_destination_right", "inferred_destination_right"][: len(shares)]
        return Table(
            "canaries",
            "The run's own lookups",
            "A row for each thing that its own lookups can tell of a run.",
            _judge(self.canaries),
            ("canaries",),
            (
                Column("what", names, "", "what is counted"),
                Column("hits", np.array([one.hits for one in shares], np.int64), "lookups", "for which it holds"),
                Column("trials", np.array([one.trials for one in shares], np.int64), "lookups", "that could tell"),
                Column("share", np.array([one.share for one in shares]), "share", "hits of trials"),
                Column("low", np.array([one.low for one in shares]), "share", f"lower 95 % bound: {_SCORE}"),
                Column("high", np.array([one.high for one in shares]), "share", "upper 95 % bound"),
            ),
        )

    def _misses(self) -> Table:
        causes = () if self.canaries is None else self.canaries.causes
        return Table(
            "canary_misses",
            "Why own lookups were missed",
            "A row for each cause of misses of the run's own lookups.",
            _judge(self.canaries),
            ("canaries", "captures", "targets"),
            (
                Column("what", [one.what for one in causes], "", "what was missed: capture, destination or inferred"),
                Column("cause", [one.cause for one in causes], "", "name of the cause"),
                Column("count", np.array([one.count for one in causes], np.int64), "lookups", "missed for this cause"),
                Column("share", np.array([one.share for one in causes]), "share", "of misses of that sort"),
                Column("of_all", np.array([one.of_all for one in causes]), "share", "of all that could be missed so"),
                Column("meaning", [one.meaning for one in causes], "", "the cause in words"),
            ),
        )

    def _validated(self) -> Table:
        found = self.validation.proportions
        return Table(
            "validation",
            "Comparison with the truth",
            "A row for each share that a comparison of the run with a known truth tells.",
            made_by(read_validation),
            ("validation",),
            (
                Column("name", [one.name for one in found], "", "name of the share"),
                Column("what", [one.what for one in found], "", "the share in words"),
                Column("share", np.array([one.share for one in found]), "share", "hits of trials"),
                Column("low", np.array([one.low for one in found]), "share", "lower 95 % bound"),
                Column("high", np.array([one.high for one in found]), "share", "upper 95 % bound"),
                Column("trials", np.array([one.trials for one in found], np.int64), "", "what it rests on"),
            ),
        )

    def _ledger(self) -> Table:
        rows = self.losses
        return Table(
            "losses",
            "The ledger of losses",
            "A row for each name on the ledger: what was lost, refused or left out.",
            made_by(loss_totals),
            ("ledger", "lookups"),
            (
                Column("name", [one.name for one in rows], "", "name on the ledger"),
                Column("severity", [one.severity for one in rows], "", "what it costs: data, coverage or noise"),
                Column("count", np.array([one.count for one in rows], np.int64), "", "how many"),
                Column(
                    "first_ns", np.array([one.first_ns for one in rows], np.int64), "ns", "since 1970, of the first"
                ),
                Column("last_ns", np.array([one.last_ns for one in rows], np.int64), "ns", "since 1970, of the last"),
                Column("meaning", [one.text for one in rows], "", "the name in words"),
            ),
        )


def examine(source: Source) -> Trust:
    """Return the chapter of one run."""
    packets = int(source.db.one("SELECT coalesce(sum(packets), 0) FROM lookups"))
    losses = loss_totals(source.run, packets, source.lookups_made.dropped)
    return Trust(source.capture, source.given.canaries, source.validation, losses)


def _judge(canaries: Canaries | None) -> str:
    return made_by(Canaries) if canaries is None else canaries.function


def _share(name: str, share: Share, meaning: str, function: str) -> Quantity:
    withheld = "" if share.trials else "none could be judged"
    low, high = (share.low, share.high) if share.trials else (math.nan, math.nan)
    return Quantity(name, share.share, "share", meaning, function, ("canaries",), low, high, _SCORE, withheld)
