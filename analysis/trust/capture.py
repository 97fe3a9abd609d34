"""What share of lookups a run captured, as far as anybody measured it, and numbers corrected by that."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from analysis.trust.canaries import Canaries
from analysis.trust.validation import Validation

BY_CANARIES = "canaries"
BY_TRUTH = "comparison with the truth"


_WIDER = 1.107
"""Half-widths of 95 % are made those of 97 %: in trials score intervals of 95 % held the truth a little less often."""
_DIFFER = 1 / 3
"""Assumed: standard deviation of the share missed from key to key, as a share of it."""


@dataclass(frozen=True, slots=True)
class CaptureRate:
    """Share of lookups captured, with its 95 % interval, the number of tries, and who measured it."""

    share: float
    low: float
    high: float
    trials: int
    source: str

    def of_users(self, effective_keys: float) -> CaptureRate:
        """Return the rate as that of users' lookups, which are for as few keys as `effective_keys` (Simpson) says.

        What measured it asked for keys of its own; which of the few popular ones are missed more is chance.
        """
        if not effective_keys > 0:
            return self
        chance = 1.96 * _DIFFER * (1 - self.share) / math.sqrt(effective_keys)
        low = self.share - math.hypot(_WIDER * (self.share - self.low), chance)
        high = self.share + math.hypot(_WIDER * (self.high - self.share), chance)
        return replace(self, low=max(0.0, low), high=min(1.0, high))

    def corrected(self, rate: float) -> tuple[float, float, float]:
        """Return a rate with what was missed added: rate / capture, and its bounds by those of the capture rate.

        Assumed: all users' clients are captured as those that were measured; the interval is that of the capture rate
        alone.
        """
        return rate / self.share, rate / self.high, rate / self.low if self.low > 0 else math.inf


LOOKUPS = ("capture",)
"""The shares of a validation that tell how much was captured of all lookups; of those that publish, the first known."""
PUBLISHES = ("capture_announces", "capture")


def capture_of(
    canaries: Canaries | None, validation: Validation, names: tuple[str, ...] = LOOKUPS
) -> CaptureRate | None:
    """Return the capture rate by canaries, else by a comparison with the truth; None if neither captured anything."""
    if canaries is not None and canaries.capture.hits:
        share = canaries.capture
        return CaptureRate(share.share, share.low, share.high, share.trials, BY_CANARIES)
    for name in names:
        for one in validation.proportions:
            if one.name == name and one.share > 0:
                return CaptureRate(one.share, one.low, one.high, one.trials, BY_TRUTH)
    return None
