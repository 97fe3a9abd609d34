"""One run folder with lookups in, all numbers and tables out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from analysis.canaries import Canaries
from analysis.clients import ClientCounter, VersionName, hex_version
from analysis.completeness import coverage, target_series
from analysis.copies import CopiesCounter
from analysis.ledger import loss_totals
from analysis.load import NANOS, load
from analysis.load_balance import DestinationCounter, load_of
from analysis.popularity import top_keys
from analysis.rates import KeyCounter, SeriesCounter, masks
from analysis.result import Analysis
from analysis.tables import write_tables
from zone_store.run.reader import RunReader

OUT = "analysis"
"""Folder of tables and figures in a run folder."""


def analyze(
    folder: Path,
    out: Path | None = None,
    *,
    version_name: VersionName = hex_version,
    analysed_by: str = "",
    canaries: Canaries | None = None,
) -> Analysis:
    """Analyse an attributed run and write its tables into `out` (RUN/analysis); the same run gives the same bytes.

    version_name: names a `version` column value (the overlay's); analysed_by: version of the analysing program;
    canaries: what the run captured of its own, None if it made none. Works on unsealed runs, as far as they go, and on
    runs without a capture. Raises RunError for a folder that is no run, has no lookups yet, or is damaged.
    """
    analysis = examine(folder, folder / OUT if out is None else out, version_name, analysed_by, canaries)
    write_tables(analysis)
    return analysis


def examine(
    folder: Path, out: Path, version_name: VersionName, analysed_by: str = "", canaries: Canaries | None = None
) -> Analysis:
    """Return the analysis without writing anything: two passes over the lookups, the second for the top keys only."""
    with RunReader(folder) as reader:
        run, made = load(reader), reader.lookups_made()
        series, keys, copies = SeriesCounter(run), KeyCounter(run.manifest.id_bytes), CopiesCounter()
        clients, destinations = ClientCounter(), DestinationCounter(run)
        packets = 0
        for table in reader.lookups():
            which = masks(table)
            for counter in (series, keys, copies, clients, destinations):
                counter.add(table, which)
            packets += int(table.packets.sum(dtype=np.int64))
        counts = keys.result()
        over_time = series.result()
        named, requesters = clients.result(version_name)
        return Analysis(
            run=run,
            out=out,
            analysed_by=analysed_by,
            lookups_made=made,
            series=over_time,
            targets=target_series(run, over_time.begin_ns + over_time.width_s * NANOS // 2),
            keys=counts,
            top=top_keys(counts, reader.lookups(), run.running_seconds),
            load=load_of(run, destinations.result(), over_time),
            clients=named,
            requesters=requesters,
            coverage=coverage(run),
            copies=copies.result(),
            losses=loss_totals(run, packets, made.dropped),
            canaries=canaries,
        )
