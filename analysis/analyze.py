"""One run folder with lookups in, all numbers and tables out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from analysis.contents.known import contents_of
from analysis.contents.said import write_said
from analysis.given import Given
from analysis.imbalance.load import DestinationCounter, load_of
from analysis.load import NANOS, load
from analysis.network.clients import ClientCounter
from analysis.network.completeness import coverage, target_series
from analysis.network.nodes import nodes_of
from analysis.popularity.top import top_keys
from analysis.result import Analysis
from analysis.tables import write_tables
from analysis.traffic.copies import CopiesCounter
from analysis.traffic.publishers import publishers
from analysis.traffic.rates import KeyCounter, SeriesCounter, masks
from analysis.trust.capture import PUBLISHES, capture_of
from analysis.trust.ledger import loss_totals
from analysis.trust.validation import VALIDATION, read_validation
from zone_store.run.reader import RunReader

OUT = "analysis"
"""Folder of tables and figures in a run folder."""


_AS_IT_IS = Given()


def analyze(folder: Path, out: Path | None = None, given: Given = _AS_IT_IS) -> Analysis:
    """Analyse an attributed run and write its tables into `out` (RUN/analysis); the same run gives the same bytes.

    A `validation.json` in the run folder (a comparison with the truth) corrects numbers where no canaries do. Works on
    unsealed runs, as far as they go, and on runs without a capture. Raises RunError for a folder that is no run, has no
    lookups yet, or is damaged.
    """
    analysis = examine(folder, folder / OUT if out is None else out, given)
    write_tables(analysis)
    with RunReader(folder) as reader:
        write_said(analysis.out, reader.contents(), names=given.names)
    return analysis


def examine(folder: Path, out: Path, given: Given) -> Analysis:
    """Return the analysis without writing anything: a pass over the lookups, and two more for the top keys only."""
    validation = read_validation(folder / VALIDATION)
    capture = capture_of(given.canaries, validation)
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
        named, requesters = clients.result(given.version_name)
        contents, known = contents_of(counts, reader.contents(), given.words, names=given.names)
        return Analysis(
            run=run,
            out=out,
            given=given,
            capture=capture,
            validation=validation,
            lookups_made=made,
            series=over_time,
            targets=target_series(run, over_time.begin_ns + over_time.width_s * NANOS // 2),
            keys=counts,
            top=top_keys(counts, reader.lookups(), run.running_seconds),
            publishers=publishers(
                counts,
                reader.lookups(),
                run,
                given.republish_s,
                capture_of(given.canaries, validation, PUBLISHES),
                {one.key: (one.sort, one.told_by) for one in known},
            ),
            load=load_of(run, destinations.result(), over_time),
            clients=named,
            requesters=requesters,
            nodes=nodes_of(run, given.version_name, given.tells_reach),
            coverage=coverage(run),
            copies=copies.result(),
            losses=loss_totals(run, packets, made.dropped),
            contents=contents,
            key_contents=known,
        )
