"""Lookups with known truth, without a run on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from msgspec.structs import replace as replace_struct
from numpy.typing import NDArray

from analysis.attachments import Attachments
from analysis.engine.database import SCHEMA, Database
from analysis.engine.source import Source
from analysis.given import Given
from analysis.load import NANOS, Run
from analysis.traffic.chapter import Traffic, examine
from analysis.trust.validation import Validation
from zone_store.captures import Attachment, Kind
from zone_store.run.folder import LookupsMade

from ..samples import START_NS, Contents, attachment, run_of

KINDS = {"lookup": Kind.LOOKUP, "search": Kind.SEARCH, "publish": Kind.PUBLISH, "announce": Kind.ANNOUNCE}


def window(hours: float, gaps: Sequence[tuple[float, float]] = (), attachments: Sequence[Attachment] = ()) -> Run:
    """Return a run of so many hours, down between these hours of it, with these targets."""
    run = run_of(Contents(minutes=0))
    down = tuple((START_NS + round(a * 3600) * NANOS, START_NS + round(b * 3600) * NANOS) for a, b in gaps)
    end_ns = START_NS + round(hours * 3600) * NANOS
    return replace(run, end_ns=end_ns, gaps=down, attachments=Attachments.of(attachments, 20, end_ns))


def rows(
    seconds: NDArray[np.float64],
    requester: NDArray[np.int64] | int = 1,
    key: NDArray[np.int64] | int = 0,
    what: str = "lookup",
    flags: NDArray[np.int64] | int = 0,
    maintenance: int = 0,
) -> pa.Table:
    """Return lookups at these times after the window's start, by requesters and for keys of these numbers."""
    n = len(seconds)
    zero = np.zeros(n, np.uint32)
    columns = dict.fromkeys(SCHEMA.names, zero) | {
        "time_ns": START_NS + np.asarray(np.asarray(seconds) * NANOS, np.int64),
        "last_ns": START_NS + np.asarray(np.asarray(seconds) * NANOS, np.int64),
        "requester": np.broadcast_to(np.asarray(requester, np.uint64), n) << np.uint64(16) | np.uint64(4672),
        "key": [int(one).to_bytes(20, "big") for one in np.broadcast_to(key, n)],
        "kind": np.full(n, KINDS.get(what, Kind.OTHER)),
        "what": [what] * n,
        "flags": np.broadcast_to(flags, n),
        "maintenance": np.full(n, maintenance),
        "country": [""] * n,
    }
    columns |= dict.fromkeys(("copies", "packets", "destination", "inferred", "closest"), zero + 1)
    return pa.table({name: pa.array(columns[name]).cast(SCHEMA.field(name).type) for name in SCHEMA.names}, SCHEMA)


def database(*tables: pa.Table, sorts: dict[int, str] | None = None) -> Database:
    """Return a database of these lookups; sorts: of keys, by number."""
    told = None
    if sorts is not None:
        keys = [one.to_bytes(20, "big") for one in sorts]
        told = pa.table(
            {"key": pa.array(keys, pa.binary()), "sort": list(sorts.values()), "told_by": ["contents"] * len(sorts)}
        )
    return Database.of(pa.concat_tables([SCHEMA.empty_table(), *tables]), told)


def traffic(run: Run, db: Database, given: Given | None = None, validation: Validation | None = None) -> Traffic:
    """Return the chapter of a run with these lookups."""
    made = LookupsMade(rule=1, span_ns=0, refresh_bits=0)
    nowhere = Path("nowhere")
    return examine(
        Source(
            run=run,
            given=given or Given(),
            capture=None,
            validation=validation or Validation(),
            lookups_made=made,
            db=db,
            said=lambda: iter(()),
            folder=nowhere,
            out=nowhere,
        )
    )


class Analysed(NamedTuple):
    """What figures and `over` read of an analysis."""

    run: Run
    traffic: Traffic


KAD = Given(republish_s={"file": 5 * 3600.0, "keyword": 24 * 3600.0})


def kad_run(seed: int, zone: str = "a4/8", hours: float = 6, told: bool = True) -> Analysed:
    """Return a run of Kad with 300 keys, two thirds of them files; told: whether their sorts are."""
    rng = np.random.default_rng(seed)
    targets = [attachment(n + 1, n.to_bytes(20, "big"), 30.0 * n) for n in range(40)]
    for one in targets:
        one.visible = ((one.found_ns + 600 * NANOS, 0),)
    run = window(hours, [(1, 1.25)], targets)
    run = replace(run, name=f"run{seed}", manifest=replace_struct(run.manifest, overlay="kad", zone=zone))
    share = rng.permutation(1 / np.arange(1, 301))
    parts = []
    for what, count in (("search", 1500), ("publish", 2500)):
        seconds = np.sort(rng.uniform(0, hours * 3600, count))
        seconds = seconds[(seconds < 3600) | (seconds >= 4500)]
        key = rng.choice(300, len(seconds), p=share / share.sum())
        parts.append(rows(seconds, rng.integers(1, 400, len(seconds)), key, what))
    sorts = {key: "file" if key % 3 else "keyword" for key in range(300)} if told else {}
    return Analysed(run, traffic(run, database(*parts, sorts=sorts), KAD))
