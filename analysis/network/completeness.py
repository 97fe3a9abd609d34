"""How much of the zone was known and monitored, over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.attachments import SEALED, Attachments
from analysis.load import NANOS, Run
from analysis.quantity import Quantity, made_by
from analysis.table import Column, Table

MOST_TIMES = 400
"""Times at which targets are counted, at most."""

_REASONS = (
    "silent to its monitor, gone from the crawls, changed_id, moved to another of our addresses, sealed at the end"
)


@dataclass(frozen=True, slots=True)
class TargetSeries:
    """Targets at each time_ns int64[n]: found and not lost, of them attached (accepted), of them visible; int64[n].

    running bool[n]: whether the run was at work then.
    """

    time_ns: NDArray[np.int64]
    running: NDArray[np.bool_]
    found: NDArray[np.int64]
    accepted: NDArray[np.int64]
    visible: NDArray[np.int64]

    def table(self) -> Table:
        """Return it as a table."""
        return Table(
            "targets",
            "Nodes and their monitors",
            "one moment of the window: nodes of the zone that the instrument knew, and how they were monitored",
            made_by(target_series),
            ("targets", "ledger"),
            (
                Column("time_ns", self.time_ns, "ns", "when"),
                Column("found", self.found, "nodes", "found and not yet lost, those just gone among them"),
                Column("accepted", self.accepted, "nodes", "of them with a monitor that they have spoken to"),
                Column("visible", self.visible, "nodes", "of them seen handing their monitor out"),
            ),
        )


@dataclass(frozen=True, slots=True)
class Coverage:
    """What share of the zone's nodes was monitored for what share of the time.

    completeness: of crawls by capture-recapture, weighted by their duration, and the least of them (NaN = no estimate):
    upper bounds, being the share found of established nodes that others list (see `crawler.completeness`);
    found_s, accepted_s, visible_s: target-seconds known, attached, and known to hand the monitor out, without bare_s:
    those that a thin fleet left without a monitor; targets: distinct node IDs found; monitored: of them, ever attached;
    bare: of them, always without a monitor by choice; attach_s: median seconds from finding to attaching (NaN = none);
    reasons: monitors ended, by reason.
    """

    completeness: float
    least_completeness: float
    found_s: float
    accepted_s: float
    visible_s: float
    targets: int
    monitored: int
    attach_s: float
    reasons: dict[str, int]
    bare: int = 0
    bare_s: float = 0.0

    @property
    def unmonitored_s(self) -> float:
        """Target-seconds found but not visible: in them lookups that ended there could be missed."""
        return self.found_s - self.visible_s

    def quantities(self) -> list[Quantity]:
        """Return the numbers."""
        function = made_by(coverage)
        unknown = "no crawl met enough nodes twice to estimate how many it missed"
        bound = "an upper bound: nodes that no table names yet are in no estimate"
        shares = (
            ("crawl_completeness", self.completeness, "share of the zone's listed nodes that crawls found, on average"),
            ("least_crawl_completeness", self.least_completeness, "the same of the crawl that found least"),
        )
        counts = (
            ("nodes_found", self.targets, "nodes", "distinct node IDs found in the zone, over the whole window"),
            ("nodes_monitored", self.monitored, "nodes", "of them those that ever took their monitor in"),
            ("nodes_bare", self.bare, "nodes", "of them those left without a monitor by choice (thin fleet)"),
            ("known_s", self.found_s, "s", "node time known, summed over nodes meant to have a monitor"),
            ("attached_s", self.accepted_s, "s", "of it with an accepted monitor"),
            ("visible_s", self.visible_s, "s", "of it with a monitor that the node was seen to hand out"),
            ("unmonitored_s", self.unmonitored_s, "s", "node time known without a visible monitor: lookups could pass"),
            ("bare_s", self.bare_s, "s", "node time without a monitor by choice (thin fleet)"),
        )
        return [
            *(
                Quantity(
                    name, value, "share", meaning, function, ("crawls",), method=bound, withheld=_if_nan(value, unknown)
                )
                for name, value, meaning in shares
            ),
            *(Quantity(name, value, unit, meaning, function, ("targets",)) for name, value, unit, meaning in counts),
            Quantity(
                "attach_s",
                self.attach_s,
                "s",
                "median time from finding a node to its monitor being accepted",
                function,
                ("targets",),
                withheld=_if_nan(self.attach_s, "no monitor was accepted"),
            ),
        ]

    def table(self) -> Table:
        """Return why monitors ended."""
        return Table(
            "monitors_ended",
            "Why monitors ended",
            "one reason, and the monitors that ended for it",
            made_by(coverage),
            ("targets",),
            (
                Column("reason", list(self.reasons), "", _REASONS),
                Column("monitors", np.array(list(self.reasons.values()), np.int64), "monitors", "how many"),
            ),
        )


def target_series(run: Run) -> TargetSeries:
    """Return the numbers of targets in the middles of even steps; at times after sealing, those just before it."""
    steps = int(max(1, min(MOST_TIMES, run.seconds)))
    edges = np.linspace(run.start_ns, run.end_ns, steps + 1).astype(np.int64)
    return targets_at(run, edges[:-1] + np.diff(edges) // 2)


def targets_at(run: Run, times: NDArray[np.int64]) -> TargetSeries:
    """Return the numbers of targets at these times; at times after sealing, those just before it."""
    held = run.attachments
    sealed = int(held.until_ns[held.named(SEALED)].max(initial=0)) or run.end_ns
    shown = np.minimum(times, sealed - 1)
    running = np.ones(len(times), np.bool_)
    for begin, end in run.gaps:
        running &= (times < begin) | (times >= end)
    spoke = held.accepted_ns > 0
    return TargetSeries(
        times,
        running,
        at_once(held.known_ns, held.until_ns, shown),
        at_once(held.accepted_ns[spoke], held.until_ns[spoke], shown),
        at_once(held.visible_begin_ns, held.visible_end_ns, shown),
    )


def coverage(run: Run) -> Coverage:
    """Return how much was monitored."""
    held = run.attachments
    estimated = [crawl for crawl in run.crawls if crawl.estimate > 0]
    share = np.array([crawl.completeness for crawl in estimated])
    weight = np.array([max(crawl.seconds, 1e-9) for crawl in estimated])
    spoke, own, bare = held.accepted_ns > 0, ~held.bare, held.bare
    known_ns = held.known_ns
    waited = (held.accepted_ns - held.found_ns)[spoke] / NANOS
    ended = np.bincount(held.reason[own], minlength=len(held.reasons)).tolist()
    with_monitor = np.unique(held.node[own])
    return Coverage(
        completeness=float((share * weight).sum() / weight.sum()) if estimated else float("nan"),
        least_completeness=float(share.min()) if estimated else float("nan"),
        found_s=_lasted(held, known_ns, own),
        accepted_s=_lasted(held, held.accepted_ns, spoke),
        visible_s=float((held.visible_end_ns - held.visible_begin_ns).sum() / NANOS),
        targets=held.nodes,
        monitored=len(np.unique(held.node[spoke])),
        attach_s=float(np.median(waited)) if len(waited) else float("nan"),
        reasons=dict(sorted((name, n) for name, n in zip(held.reasons, ended, strict=True) if name and n)),
        bare=len(np.setdiff1d(held.node[bare], with_monitor)),
        bare_s=_lasted(held, known_ns, bare),
    )


def at_once(begin_ns: NDArray[np.int64], end_ns: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many intervals [begin, end) hold each time."""
    whole = begin_ns < end_ns
    begun = np.searchsorted(np.sort(begin_ns[whole]), times, side="right")
    return np.asarray(begun - np.searchsorted(np.sort(end_ns[whole]), times, side="right"), np.int64)


def _lasted(held: Attachments, since_ns: NDArray[np.int64], which: NDArray[np.bool_]) -> float:
    return float(np.maximum(held.until_ns - since_ns, 0)[which].sum() / NANOS)


def _if_nan(value: float, why: str) -> str:
    return why if np.isnan(value) else ""
