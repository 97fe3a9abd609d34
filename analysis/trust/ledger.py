"""The ledger of losses: what is missing, by name, and what each name means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.load import Run
from analysis.network.clients import plain_name
from zone_store.losses import Severity, meaning

NOT_ATTRIBUTED = "not_attributed"
"""Copies in the store that no lookup stands for."""

_ORDER = {Severity.DATA.value: 0, Severity.COVERAGE.value: 1, Severity.NOISE.value: 2, "": 3}
_UNATTRIBUTED = "copies in the store that no lookup stands for: captured since the attribution"


@dataclass(frozen=True, slots=True)
class LossTotal:
    """All ledger rows of one name.

    severity: "data", "coverage" or "noise" as in `zone_store.losses.Severity`, "" for a name unknown to this version;
    text: what the name means; count: sum; first_ns, last_ns: from the first row's beginning to the last one's end.
    """

    name: str
    severity: str
    text: str
    count: int
    first_ns: int
    last_ns: int


def loss_totals(run: Run, attributed: int, dropped: Mapping[str, int]) -> list[LossTotal]:
    """Return the totals, what costs data first, then by count.

    attributed: copies that lookups stand for; dropped: copies that the attribution left out, by name.
    """
    sums: dict[str, tuple[int, int, int]] = {}
    for loss in run.losses:
        count, first, last = sums.get(loss.name, (0, loss.begin_ns, loss.end_ns))
        sums[loss.name] = count + loss.count, min(first, loss.begin_ns), max(last, loss.end_ns)
    totals = [_total(name, *numbers) for name, numbers in sums.items()]
    totals += [_total(name, count, run.start_ns, run.end_ns) for name, count in dropped.items()]
    missing = run.captures - attributed - sum(dropped.values())
    if missing > 0:
        totals.append(LossTotal(NOT_ATTRIBUTED, Severity.DATA.value, _UNATTRIBUTED, missing, run.start_ns, run.end_ns))
    return sorted(totals, key=lambda total: (_ORDER[total.severity], -total.count, total.name))


def _total(name: str, count: int, first_ns: int, last_ns: int) -> LossTotal:
    known = meaning(name)
    severity, text = (known.severity.value, known.text) if known else ("", "a name that this version does not know")
    return LossTotal(plain_name(name), severity, text, count, first_ns, last_ns)
