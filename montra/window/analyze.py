"""From a run folder to lookups, tables and the report: what `montra analyze` and `montra report` do.

The libraries of the extra `analysis` are imported where they are needed, so that monitoring does without them; where
they are missing the calls raise ImportError.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from montra import __version__
from montra.datagrams import ip_number
from montra.overlays import base as overlays
from montra.overlays.base import Overlay
from zone_store.attribution import RULE, LookupSummary, attribute_into, workers_for
from zone_store.run.folder import LookupsMade, Manifest, RunError, read_manifest
from zone_store.run.reader import RunReader

if TYPE_CHECKING:
    from analysis.result import Analysis


def overlay_of(manifest: Manifest) -> Overlay:
    """Return the overlay of a run; raises RunError for one that this version does not know."""
    try:
        return overlays.load(manifest.overlay)
    except KeyError:
        raise RunError(f"the run is of overlay {manifest.overlay!r}, which this version does not know") from None


def attribute_run(run: Path, workers: int | None = None) -> LookupSummary:
    """Write the lookups of a run into its folder, in so many processes (None: as many as help); raises RunError."""
    with RunReader(run) as reader:
        overlay = overlay_of(reader.manifest)
        return attribute_into(
            run,
            reader,
            span_ns=overlay.lookup_span_ns,
            refresh_bits=overlay.refresh_bits,
            own_ips=_own_ips(reader.manifest.parameters),
            workers=workers_for(reader.manifest) if workers is None else workers,
        )


def analyze_run(run: Path, workers: int | None = None) -> Analysis:
    """Attribute a run and write its tables; raises RunError, and ImportError without the extra `analysis`.

    workers: processes to attribute in, None for as many as help.
    """
    from analysis.analyze import analyze

    attribute_run(run, workers)
    return analyze(run, version_name=overlay_of(read_manifest(run)).version_name, analysed_by=__version__)


def report_runs(runs: list[Path], out: Path | None = None, workers: int | None = None) -> Path:
    """Write the report of runs, attributing those that are not yet or were otherwise; raises RunError, ImportError.

    workers: processes to attribute in, None for as many as help.
    """
    from analysis.report import report

    for run in runs:
        overlay = overlay_of(read_manifest(run))
        if not _attributed(run, overlay):
            attribute_run(run, workers)
    return report(runs, out, version_name=overlay.version_name, analysed_by=__version__)


def _attributed(run: Path, overlay: Overlay) -> bool:
    """Tell whether a run is sealed (another may have grown since) and its lookups are as this version makes them."""
    wanted = LookupsMade(rule=RULE, span_ns=overlay.lookup_span_ns, refresh_bits=overlay.refresh_bits)
    with RunReader(run) as reader:
        try:
            return reader.manifest.sealed and reader.lookups_made().same_way(wanted)
        except RunError:  # none yet, or damaged: they can be made
            return False


def _own_ips(parameters: dict[str, Any]) -> frozenset[int]:
    """Return the crawlers' addresses, of a merged run those of all its sources.

    A monitor sends nothing but to its target, which is no monitor.
    """
    crawler = parameters.get("addresses", {}).get("crawler", "")
    own = {ip_number(crawler.rpartition(":")[0])} if crawler else set()
    return frozenset(own).union(*(_own_ips(source.get("parameters", {})) for source in parameters.get("merged", ())))
