"""Traffic of several runs, by network: envelopes over zones and windows, and what the paper found beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.page.drawing import Drawing
from analysis.quantity import Quantity, made_by
from analysis.table import Column, Table
from analysis.traffic.balance import told_balances
from analysis.traffic.envelope import Envelope, envelopes_table, of_balances, of_rates
from analysis.traffic.key_rates import told_sorts
from analysis.traffic.over_figures import figures_of
from analysis.traffic.overall import Rate
from analysis.traffic.paper import CLAIMS, Compared, compared
from analysis.traffic.tables import PER_MINUTE, floats, ints, with_bounds

if TYPE_CHECKING:
    from analysis.result import Analysis
    from analysis.traffic.chapter import Traffic

_NO_RATE = Rate("", 0, 1.0, 1.0, (float("nan"),) * 3, (float("nan"),) * 3)


@dataclass(frozen=True, slots=True)
class RunTraffic:
    """One run in a line; rates by name of `series.NAMES`."""

    name: str
    overlay: str
    zone: str
    start_ns: int
    running_s: float
    rates: dict[str, Rate]
    keys: int
    requesters: int
    monitored_share: float


@dataclass(frozen=True, slots=True)
class OverTraffic:
    """The results.

    runs: each of them; envelopes: of rates of keys and of P/(S+P); compared: what the paper says, beside the runs of
    each network; factors: publishers for a publish a minute, by (overlay, sort of key), where a window tells them.
    """

    runs: tuple[RunTraffic, ...]
    envelopes: tuple[Envelope, ...]
    compared: tuple[Compared, ...]
    factors: dict[tuple[str, str], float]

    def quantities(self) -> list[Quantity]:
        """Return the numbers."""
        return [
            Quantity(
                f"{one.overlay}_{one.name}",
                one.share,
                "share",
                f"Share of {one.text}, of all keys of {one.runs} runs of {one.overlay.capitalize()} ({one.of}). "
                f"The paper: {one.paper:g} of Kad in 2008.",
                made_by(compared),
                ("lookups", "contents"),
                one.low,
                one.high,
                "Exact binomial, keys being a sample of the network's."
                if one.runs == 1
                else "Variance between zones (Student's t), at least exact binomial; a zone's windows are one draw.",
            )
            for one in self.compared
        ]

    def tables(self) -> list[Table]:
        """Return the tables."""
        return [self._runs(), self._paper(), envelopes_table(self.envelopes)]

    def figures(self) -> list[Drawing]:
        """Return the figures."""
        return figures_of(self.envelopes, self.factors)

    def _runs(self) -> Table:
        columns = [
            Column("run", [one.name for one in self.runs], "", "name of its folder"),
            Column("overlay", [one.overlay for one in self.runs], "", "network"),
            Column("zone", [one.zone for one in self.runs], "", "prefix of the IDs monitored and its length in bits"),
        ]
        for name in ("lookups", "searches", "publishes", "announces"):
            rates = [one.rates.get(name, _NO_RATE) for one in self.runs]
            for end, values, meaning in (
                ("per_minute", [rate.captured for rate in rates], f"{name} as captured"),
                ("corrected", [rate.corrected for rate in rates], f"{name} a minute with those missed"),
            ):
                if any(rate.count for rate in rates) and not all(math.isnan(value) for value, _, _ in values):
                    columns += with_bounds(f"{name}_{end}", values, PER_MINUTE, meaning)
        columns += [
            Column("keys", ints(one.keys for one in self.runs), "keys", "looked up or announced to"),
            Column("requesters", ints(one.requesters for one in self.runs), "requesters", "distinct (address, port)"),
            Column("monitored_share", floats(one.monitored_share for one in self.runs), "share", "of nodes' time"),
            Column("start_ns", ints(one.start_ns for one in self.runs), "ns", "start of the window"),
            Column("running_s", floats(one.running_s for one in self.runs), "s", "time in which it was at work"),
        ]
        return Table(
            "traffic_of_runs",
            "Traffic of each run",
            "One row for each run.",
            made_by(over),
            ("lookups", "targets", "ledger", "canaries", "validation"),
            tuple(columns),
        )

    def _paper(self) -> Table:
        rows = self.compared
        return Table(
            "paper",
            "Beside the paper",
            "One row for each share that the paper tells of Kad (Memon et al. 2009, section V), and network.",
            made_by(compared),
            ("lookups", "contents"),
            (
                Column("overlay", [one.overlay for one in rows], "", "network"),
                Column("what", [one.text for one in rows], "", "whose share of keys it is, in the paper's words"),
                Column("of", [one.of for one in rows], "", "the keys that it was found on here"),
                Column("paper", floats(one.paper for one in rows), "share", "as the paper tells"),
                *with_bounds(
                    "share", [(one.share, one.low, one.high) for one in rows], "share", "of the keys of all runs"
                ),
                Column("least", floats(one.least for one in rows), "share", "least of the runs"),
                Column("greatest", floats(one.greatest for one in rows), "share", "greatest of the runs"),
                Column("runs", ints(one.runs for one in rows), "runs", "that tell it"),
                Column("zones", ints(one.zones for one in rows), "zones", "of these runs"),
                Column("keys", ints(one.keys for one in rows), "keys", "of these runs, a key once for each"),
            ),
        )


def over(analyses: Sequence[Analysis]) -> OverTraffic | None:
    """Return what several runs tell of traffic; None where none of them captured anything.

    A network has envelopes where two of its runs have a curve.
    """
    if not any(analysis.traffic.keys for analysis in analyses):
        return None
    networks: dict[str, list[Analysis]] = {}
    for analysis in analyses:
        networks.setdefault(analysis.run.manifest.overlay, []).append(analysis)
    envelopes: list[Envelope] = []
    found: list[Compared] = []
    factors: dict[tuple[str, str], float] = {}
    for overlay, runs in networks.items():
        traffic = [one.traffic for one in runs]
        envelopes += _envelopes(overlay, traffic)
        factors |= {(overlay, sort): factor for sort, factor in _factors(traffic).items()}
        zoned = [(one.run.manifest.zone, one.traffic) for one in runs]
        found += [row for claim in CLAIMS if (row := compared(overlay, claim, zoned)) is not None]
    return OverTraffic(tuple(_line(one) for one in analyses), tuple(envelopes), tuple(found), factors)


def _line(analysis: Analysis) -> RunTraffic:
    run, traffic = analysis.run, analysis.traffic
    return RunTraffic(
        name=run.name,
        overlay=run.manifest.overlay,
        zone=run.manifest.zone,
        start_ns=run.start_ns,
        running_s=run.running_seconds,
        rates={rate.name: rate for rate in traffic.rates},
        keys=traffic.keys,
        requesters=traffic.requesters,
        monitored_share=traffic.series.monitored_share,
    )


def _envelopes(overlay: str, runs: Sequence[Traffic]) -> list[Envelope]:
    found = []
    messages = ("publish", "search") if any(one.tells_publishes for one in runs) else ("lookup", "announce")
    for message in messages:
        for sort in told_sorts((rates for one in runs for rates in one.key_rates), message):
            curves = [rates for one in runs if (rates := one.of_keys(message, sort)) is not None]
            if len(curves) > 1:
                found.append(of_rates(overlay, curves))
    balances = told_balances([one for traffic in runs for one in traffic.balance])
    sorts = sorted({one.sort for one in balances})
    alike = [[one for one in balances if one.sort == sort] for sort in sorts]
    return found + [of_balances(overlay, curves) for curves in alike if len(curves) > 1]


def _factors(runs: Sequence[Traffic]) -> dict[str, float]:
    """Return how many nodes publish a key for each of its publishes a minute, by sort: its republish interval.

    Runs whose window shows too little of the interval do not count, and a sort is left out of which none is left. Not
    corrected for what was missed, which differs from run to run.
    """
    return {
        name: seconds / 60
        for one in runs
        for name, seconds in one.publishers.intervals_s.items()
        if one.publishers.told(name)
    }
