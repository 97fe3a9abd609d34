"""From a run folder to lookups, tables and the report: what `montra analyze` and `montra report` do.

The libraries of the extra `analysis` are imported where they are needed, so that monitoring does without them; where
they are missing the calls raise ImportError.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from montra.datagrams import ip_number
from montra.overlays import base as overlays
from montra.overlays.base import Overlay
from zone_store.attribution.attribute import attribute
from zone_store.attribution.store import LookupSummary, write_lookups
from zone_store.run.folder import LOOKUP_STORE, Manifest, RunError, read_manifest
from zone_store.run.reader import RunReader

if TYPE_CHECKING:
    from analysis.result import Analysis


def overlay_of(manifest: Manifest) -> Overlay:
    """Return the overlay of a run; raises RunError for one that this version does not know."""
    try:
        return overlays.load(manifest.overlay)
    except KeyError:
        raise RunError(f"the run is of overlay {manifest.overlay!r}, which this version does not know") from None


def attribute_run(run: Path, own_ips: frozenset[int] = frozenset()) -> LookupSummary:
    """Write the lookups of a run into its folder; raises RunError."""
    with RunReader(run) as reader:
        overlay = overlay_of(reader.manifest)
        return write_lookups(
            run,
            attribute(
                reader,
                span_ns=overlay.lookup_span_ns,
                refresh_bits=overlay.refresh_bits,
                own_ips=own_ips | _own_ips(reader.manifest),
            ),
        )


def analyze_run(run: Path) -> Analysis:
    """Attribute a run and write its tables; raises RunError, and ImportError without the extra `analysis`."""
    from analysis.analyze import analyze

    attribute_run(run)
    return analyze(run, version_name=overlay_of(read_manifest(run)).version_name)


def report_runs(runs: list[Path], out: Path | None = None) -> Path:
    """Write the report of runs, attributing those that are not yet; raises RunError, ImportError."""
    from analysis.report import report

    for run in runs:
        manifest = read_manifest(run)
        overlay = overlay_of(manifest)
        if not (manifest.sealed and (run / LOOKUP_STORE).exists()):  # an unsealed run may have grown since
            attribute_run(run)
    return report(runs, out, version_name=overlay.version_name)


def _own_ips(manifest: Manifest) -> frozenset[int]:
    """Return the crawler's address; a monitor sends nothing but to its target, which is no monitor."""
    crawler = manifest.parameters.get("addresses", {}).get("crawler", "")
    return frozenset([ip_number(crawler.rpartition(":")[0])]) if crawler else frozenset()
