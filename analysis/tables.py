"""Tables of an analysis as CSV and Parquet, and its summary as JSON: no addresses, and the same bytes each time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.imbalance.load import curve
from analysis.result import Analysis
from analysis.traffic.copies import MOST
from analysis.traffic.publishers import Publishers
from analysis.traffic.rates import ccdf, key_rates
from analysis.trust.canaries import Canaries
from zone_store.run.folder import RunError, write_atomic

SUMMARY = "analysis.json"

Columns = Mapping[str, "list[str] | NDArray[Any]"]
"""Columns in order: text as lists, all else as arrays."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_tables(analysis: Analysis) -> None:
    """Write all tables and the summary into the analysis' folder; raises RunError when the disk does not take them."""
    out = analysis.out
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror}") from error
    for name, columns in tables(analysis).items():
        write_atomic(out / f"{name}.csv", csv_bytes(columns))
        write_atomic(out / f"{name}.parquet", parquet_bytes(columns))
    # There can be tens of millions of keys: in Parquet only.
    write_atomic(out / "keys.parquet", parquet_bytes(_keys(analysis)))
    write_atomic(out / "contents.parquet", parquet_bytes(_contents(analysis)))
    summary = json.dumps(analysis.as_dict(), indent=2, allow_nan=False, ensure_ascii=False)
    write_atomic(out / SUMMARY, summary.encode() + b"\n")


def tables(analysis: Analysis) -> dict[str, Columns]:
    """Return the small tables, by file name: columns in order."""
    series, targets, load, copies = analysis.series, analysis.targets, analysis.load, analysis.copies
    return {
        "rates": {
            "begin_ns": series.begin_ns,
            "running_s": series.running_s,
            "lookups": series.column("lookups"),
            "node_lookups": series.column("node_lookups"),
            "announces": series.column("announces"),
            "maintenance": series.column("maintenance"),
            "searches": series.column("searches"),
            "publishes": series.column("publishes"),
            "lookups_per_minute": series.a_minute("lookups"),
            "announces_per_minute": series.a_minute("announces"),
            "searches_per_minute": series.a_minute("searches"),
            "publishes_per_minute": series.a_minute("publishes"),
            **_corrected(analysis, series.a_minute("lookups")),
        },
        "key_rates": _key_rates(analysis),
        "top_keys": {
            "key": [key.key.hex() for key in analysis.top],
            "lookups": _ints(key.lookups for key in analysis.top),
            "searches": _ints(key.searches for key in analysis.top),
            "publishes": _ints(key.publishes for key in analysis.top),
            "lookups_per_minute": _floats(key.rate_per_minute for key in analysis.top),
            **_corrected(analysis, _floats(key.rate_per_minute for key in analysis.top)),
            "share": _floats(key.share for key in analysis.top),
            "requesters": _ints(key.requesters for key in analysis.top),
            "announces": _ints(key.announces for key in analysis.top),
            "announce_share": _floats(key.announce_share for key in analysis.top),
            "no_seed_share": _floats(key.no_seed_share for key in analysis.top),
        },
        "publishers": _publishers(analysis.publishers),
        "load": {
            "node": load.node,
            "attached_s": load.attached_s,
            "lookups": load.lookups,
            "lookups_per_minute": load.rate,
        },
        "lorenz": dict(zip(("share_of_nodes", "share_of_load"), curve(load.rate), strict=True)),
        "clients": {
            "client": [client.name for client in analysis.clients],
            "lookups": _ints(client.lookups for client in analysis.clients),
            "share": _floats(client.share for client in analysis.clients),
            "announces": _ints(client.announces for client in analysis.clients),
            "requesters": _ints(client.requesters for client in analysis.clients),
        },
        "nodes": {
            "client": [client.name for client in analysis.nodes.clients],
            "nodes": _ints(client.nodes for client in analysis.nodes.clients),
            "share": _floats(client.share for client in analysis.nodes.clients),
        },
        "crawls": _crawls(analysis),
        "targets": {
            "time_ns": targets.time_ns,
            "found": targets.found,
            "accepted": targets.accepted,
            "visible": targets.visible,
        },
        "copies": {"monitors": np.arange(MOST + 1), "lookups": copies.copies},
        "ranks": {"rank": np.arange(MOST + 1), "lookups": copies.ranks},
        "canaries": _canaries(analysis.canaries),
        "canary_misses": _misses(analysis.canaries),
        "kinds": {
            "kind": [kind for kind, _ in copies.kinds],
            "maintenance": [why for _, why in copies.kinds],
            "rows": _ints(copies.kinds.values()),
        },
        "losses": {
            "name": [loss.name for loss in analysis.losses],
            "severity": [loss.severity for loss in analysis.losses],
            "count": _ints(loss.count for loss in analysis.losses),
            "first_ns": _ints(loss.first_ns for loss in analysis.losses),
            "last_ns": _ints(loss.last_ns for loss in analysis.losses),
            "meaning": [loss.text for loss in analysis.losses],
        },
    }


def csv_bytes(columns: Columns) -> bytes:
    """Return columns as CSV with a header line; NaN is empty, and no cell of text begins like a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    lists = [values.tolist() if isinstance(values, np.ndarray) else values for values in columns.values()]
    writer.writerows([_cell(value) for value in row] for row in zip(*lists, strict=True))
    return text.getvalue().encode()


def parquet_bytes(columns: Columns) -> bytes:
    """Return columns as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({name: _arrow(values) for name, values in columns.items()}), sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _cell(value: Any) -> Any:
    if isinstance(value, float) and value != value:
        return ""
    # Spreadsheets would run such a cell; names of clients are chosen by strangers.
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _ints(values: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(values, np.int64)


def _floats(values: Iterable[float]) -> NDArray[np.float64]:
    return np.fromiter(values, np.float64)


def _arrow(values: list[str] | NDArray[Any]) -> Any:
    if isinstance(values, list):
        return pa.array(values, pa.string())
    if values.ndim == 1:
        return pa.array(values)
    rows, width = values.shape
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), rows, [None, pa.py_buffer(values.tobytes())])


def _key_rates(analysis: Analysis) -> Columns:
    """Return the CCDFs of rates for each kind, one under the other."""
    kinds = {
        "lookup": analysis.keys.lookups,
        "node_lookup": analysis.keys.node_lookups,
        "announce": analysis.keys.announces,
        "search": analysis.keys.searches,
        "publish": analysis.keys.publishes,
    }
    curves = {name: ccdf(key_rates(counts, analysis.run.running_seconds)) for name, counts in kinds.items()}
    return {
        "kind": [name for name, (x, _) in curves.items() for _ in x],
        "per_minute": np.concatenate([x for x, _ in curves.values()]),
        "share_of_keys_at_least": np.concatenate([share for _, share in curves.values()]),
    }


def _crawls(analysis: Analysis) -> Columns:
    crawls = analysis.run.crawls
    counts = ("number", "begin_ns", "end_ns", "seen", "answered", "new", "gone", "changed", "queries", "replies")
    shares = ("estimate", "completeness", "completeness_low", "completeness_high")
    return {name: _ints(getattr(crawl, name) for crawl in crawls) for name in counts} | {
        name: _floats(getattr(crawl, name) for crawl in crawls) for name in shares
    }


def _corrected(analysis: Analysis, rates: NDArray[np.float64]) -> Columns:
    """Return rates a minute corrected by the run's capture rate, and their bounds; NaN where nobody knows it."""
    factors = (np.nan, np.nan, np.nan) if analysis.capture is None else analysis.capture.corrected(1.0)
    names = ("corrected_per_minute", "corrected_low", "corrected_high")
    return {name: rates * factor for name, factor in zip(names, factors, strict=True)}


def _publishers(found: Publishers) -> Columns:
    """Return the keys published most, with an estimate for each thing they may be."""
    keys = found.keys
    columns: dict[str, list[str] | NDArray[Any]] = {
        "key": [key.key.hex() for key in keys],
        "publishes": _ints(key.publishes for key in keys),
        "publishes_per_minute": _floats(key.rate_per_minute for key in keys),
        "requesters": _ints(key.requesters for key in keys),
        "repeats": _ints(key.repeats for key in keys),
        "sort": [key.sort for key in keys],
        "told_by": [key.told_by for key in keys],
    }
    for name in found.intervals_s:
        estimates = [key.estimates[name] for key in keys]
        columns |= {
            f"{name}_interval_s": _floats(one.interval_s for one in estimates),
            f"{name}_watched": _floats(one.watched for one in estimates),
            f"{name}_seen": _floats(one.seen for one in estimates),
            f"{name}_publishers": _floats(one.publishers for one in estimates),
            f"{name}_low": _floats(one.low for one in estimates),
            f"{name}_high": _floats(one.high for one in estimates),
            f"{name}_withheld": [one.withheld for one in estimates],
        }
    return columns


def _canaries(canaries: Canaries | None) -> Columns:
    shares = [] if canaries is None else [canaries.capture, canaries.observed, canaries.inferred]
    return {
        "what": ["captured", "observed_destination_right", "inferred_destination_right"][: len(shares)],
        "hits": _ints(share.hits for share in shares),
        "trials": _ints(share.trials for share in shares),
        "share": _floats(share.share for share in shares),
        "low": _floats(share.low for share in shares),
        "high": _floats(share.high for share in shares),
    }


def _misses(canaries: Canaries | None) -> Columns:
    causes = () if canaries is None else canaries.causes
    return {
        "what": [cause.what for cause in causes],
        "cause": [cause.cause for cause in causes],
        "count": _ints(cause.count for cause in causes),
        "share": _floats(cause.share for cause in causes),
        "of_all": _floats(cause.of_all for cause in causes),
        "meaning": [cause.meaning for cause in causes],
    }


def _contents(analysis: Analysis) -> Columns:
    """Return what is known of each content ID; names only where they are to be shown."""
    known = analysis.key_contents
    return {
        "key": [one.key.hex() for one in known],
        "sort": [one.sort for one in known],
        "size": _ints(one.size for one in known),
        "files": _ints(one.files for one in known),
        "searches": _ints(one.searches for one in known),
        "publishes": _ints(one.publishes for one in known),
        "told_by": [one.told_by for one in known],
        "word": [one.word for one in known],
        "name": [one.name for one in known],
    }


def _keys(analysis: Analysis) -> Columns:
    """Return the keys of content: what only node lookups asked for is mostly the ID of a node, and not told."""
    keys = analysis.keys
    content = (keys.lookups > 0) | (keys.announces > 0)
    return {
        "key": keys.keys[content],
        "lookups": keys.lookups[content],
        "node_lookups": keys.node_lookups[content],
        "announces": keys.announces[content],
        "searches": keys.searches[content],
        "publishes": keys.publishes[content],
        "no_seed_lookups": keys.no_seed[content],
    }
