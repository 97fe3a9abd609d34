"""All that an analysis found, and its summary as plain data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.contents.known import Contents, KeyContent
from analysis.given import Given
from analysis.imbalance.load import Load, top_share
from analysis.load import Run
from analysis.network.clients import Client
from analysis.network.completeness import Coverage, TargetSeries
from analysis.network.nodes import Nodes
from analysis.popularity.top import TopKey
from analysis.traffic.copies import Copies
from analysis.traffic.publishers import Publishers
from analysis.traffic.rates import KeyCounts, Series
from analysis.trust.canaries import Canaries
from analysis.trust.capture import CaptureRate
from analysis.trust.ledger import LossTotal
from analysis.trust.validation import Validation
from zone_store.run.folder import LookupsMade


@dataclass(frozen=True, slots=True)
class Analysis:
    """The analysis of one run.

    given: what it was told; capture: what corrects rates, None if nobody knows; lookups_made: how the lookups were;
    requesters: distinct (address, port) of users' lookups and announces; key_contents: what is known of each key.
    """

    run: Run
    out: Path
    given: Given
    capture: CaptureRate | None
    validation: Validation
    lookups_made: LookupsMade
    series: Series
    targets: TargetSeries
    keys: KeyCounts
    top: list[TopKey]
    publishers: Publishers
    load: Load
    clients: list[Client]
    requesters: int
    nodes: Nodes
    coverage: Coverage
    copies: Copies
    losses: list[LossTotal]
    contents: Contents
    key_contents: list[KeyContent]

    @property
    def canaries(self) -> Canaries | None:
        """What the run captured of its own lookups, None for a run that made none."""
        return self.given.canaries

    @property
    def tells_publishes(self) -> bool:
        """Tell whether lookups of this overlay say if they search or publish."""
        return bool(self.given.republish_s)

    @property
    def lookups(self) -> int:
        """Users' lookups."""
        return self.copies.lookups

    @property
    def lookups_per_minute(self) -> float:
        """Users' lookups captured a minute of the time in which the run was at work; what was missed is not added."""
        return self.a_minute(self.lookups)

    @property
    def corrected_per_minute(self) -> tuple[float, float, float]:
        """Users' lookups a minute with those added that were missed, and the bounds; NaN where nobody knows."""
        return (math.nan,) * 3 if self.capture is None else self.capture.corrected(self.lookups_per_minute)

    def a_minute(self, count: int) -> float:
        """Return a count as a rate a minute of the time in which the run was at work."""
        return count * 60 / self.run.running_seconds if self.run.running_seconds > 0 else 0.0

    @property
    def searches(self) -> int:
        """Users' lookups that say they search."""
        return int(self.keys.searches.sum())

    @property
    def publishes(self) -> int:
        """Users' lookups that say they publish."""
        return int(self.keys.publishes.sum())

    @property
    def node_lookups(self) -> int:
        """Users' node lookups (find_node)."""
        return int(self.keys.node_lookups.sum())

    @property
    def announces(self) -> int:
        """Users' announces."""
        return int(self.keys.announces.sum())

    @property
    def distinct_keys(self) -> int:
        """Keys that were looked up or announced to."""
        return int(((self.keys.lookups > 0) | (self.keys.announces > 0)).sum())

    @property
    def tells_clients(self) -> bool:
        """Tell whether queries of this overlay carry their client's version."""
        return self.given.tells_clients

    def as_dict(self) -> dict[str, Any]:
        """Return the summary: what analysis.json holds. Holds no address; NaN is None."""
        run, manifest = self.run, self.run.manifest
        summary = {
            "schema": 1,
            "run": {
                "name": run.name,
                "overlay": manifest.overlay,
                "zone": manifest.zone,
                "start_ns": run.start_ns,
                "end_ns": run.end_ns,
                "seconds": run.seconds,
                "running_seconds": run.running_seconds,
                "sealed": manifest.sealed,
                "exit": manifest.exit,
                "montra_version": manifest.montra_version,
                "git": manifest.git,
                "versions": manifest.versions,
                "captures": run.captures,
                "crawls": len(run.crawls),
            },
            "analysed_by": self.given.analysed_by,
            "attribution": {
                "rule": self.lookups_made.rule,
                "span_ns": self.lookups_made.span_ns,
                "refresh_bits": self.lookups_made.refresh_bits,
            },
            "lookups": self.lookups,
            "lookups_per_minute": self.lookups_per_minute,
            "lookups_per_minute_corrected": dict(zip(("rate", "low", "high"), self.corrected_per_minute, strict=True)),
            "capture": None if self.capture is None else asdict(self.capture),
            "searches": self.searches if self.tells_publishes else None,
            "publishes": self.publishes if self.tells_publishes else None,
            "searches_per_minute": self.a_minute(self.searches) if self.tells_publishes else None,
            "publishes_per_minute": self.a_minute(self.publishes) if self.tells_publishes else None,
            "canaries": None if self.canaries is None else asdict(self.canaries),
            "node_lookups": self.node_lookups,
            "announces": self.announces,
            "maintenance": self.copies.maintenance,
            "keys": self.distinct_keys,
            "requesters": self.requesters,
            "coverage": asdict(self.coverage) | {"unmonitored_s": self.coverage.unmonitored_s},
            "copies": {
                "mean": self.copies.mean,
                "packets": self.copies.packets,
                "closest_share": self.copies.closest_share,
                "unranked": self.copies.unranked,
            },
            "destinations": {
                "used": "inferred",
                "mean_confidence": self.copies.mean_confidence,
                "as_observed_share": self.copies.observed_share,
            },
            "load": {
                "nodes": len(self.load.node),
                "left_out": self.load.left_out,
                "gini": self.load.gini,
                "gini_by_hashing": self.load.expected_gini,
                "top_1_percent_share": top_share(self.load.rate, 0.01),
                "top_10_percent_share": top_share(self.load.rate, 0.1),
            },
            "kinds": [
                {"kind": kind, "maintenance": why, "rows": rows} for (kind, why), rows in self.copies.kinds.items()
            ],
            "top_keys": [asdict(key) | {"key": key.key.hex()} for key in self.top],
            "publishers": asdict(self.publishers)
            | {"keys": [asdict(key) | {"key": key.key.hex()} for key in self.publishers.keys]},
            "contents": asdict(self.contents)
            | {"identified_share": self.contents.identified_share}
            | {"top": [asdict(key) | {"key": key.key.hex()} for key in self.contents.top]},
            "nodes": asdict(self.nodes),
            "clients": [asdict(client) for client in self.clients],
            "losses": [asdict(loss) for loss in self.losses],
        }
        plain: dict[str, Any] = _without_nan(summary)
        return plain


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
