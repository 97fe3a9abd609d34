"""The columns of lookups and keys in the engine: what each holds, and in what unit."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa


class Field(NamedTuple):
    """One column. type: of Arrow; unit: "" where it has none."""

    type: pa.DataType
    unit: str
    meaning: str


LOOKUPS = {
    "time_ns": Field(pa.int64(), "ns", "time of the first copy, since 1970"),
    "last_ns": Field(pa.int64(), "ns", "time of the last copy, since 1970"),
    "requester": Field(pa.uint64(), "", "pseudonym of the requester: of its address << 16 | port"),
    "requester_ip": Field(pa.uint32(), "", "pseudonym of the requester's address, which keeps common prefixes"),
    "key": Field(
        pa.binary(),
        "",
        "the key of a user's lookup or announce; of all else it may be the ID of a node, and is not told",
    ),
    "kind": Field(pa.uint8(), "", "what the query was, as a number of `zone_store.captures.Kind`"),
    "what": Field(
        pa.string(),
        "",
        "the same in words: lookup, search or publish (all three ask for a key), announce, node_lookup, other",
    ),
    "flags": Field(pa.uint16(), "", "bits of `zone_store.captures.Flag` that any copy had"),
    "version": Field(pa.uint32(), "", "the requester's client version as it came, 0 = none"),
    "copies": Field(pa.uint16(), "monitors", "distinct monitors that got a copy"),
    "packets": Field(pa.uint32(), "datagrams", "copies, repeats included"),
    "destination": Field(
        pa.uint32(), "", "attachment of the closest monitor that got a copy: the observed destination"
    ),
    "closest": Field(pa.uint32(), "", "attachment of the closest target attached then, 0 = none was"),
    "inferred": Field(pa.uint32(), "", "attachment of the most probable true destination"),
    "rank": Field(pa.uint16(), "", "of the observed destination among the targets attached then, 0 = closest"),
    "margin": Field(pa.float32(), "bits", "log2 of the runner-up's distance over the observed destination's"),
    "maintenance": Field(
        pa.uint8(), "", "why it is no user's lookup, as a number of `zone_store.captures.Maintenance`; 0 = it is one"
    ),
    "confidence": Field(pa.float32(), "share", "probability that the inferred destination is right"),
    "as_number": Field(pa.uint32(), "", "autonomous system of the requester's address, 0 = not told"),
    "country": Field(pa.string(), "", "country of the requester's address (ISO 3166), empty = not told"),
}
"""Columns of `lookups`, a row for each lookup; more in `zone_store.captures.Lookups`."""

KEYS = {
    "key": Field(pa.binary(), "", "the key asked for"),
    "sort": Field(
        pa.string(),
        "",
        "what the key is, as far as it is told: file, keyword, info_hash, buddy (a firewalled node's), or unknown",
    ),
    "lookups": Field(pa.int64(), "lookups", "users' lookups: those that search, that publish, and that do not tell"),
    "searches": Field(pa.int64(), "lookups", "of the lookups, those that say they search"),
    "publishes": Field(pa.int64(), "lookups", "of the lookups, those that say they publish"),
    "announces": Field(pa.int64(), "announces", "users' announces"),
    "no_seed": Field(pa.int64(), "lookups", "of the lookups, those with noseed=1, so those of seeds (BEP 33)"),
    "requesters": Field(pa.int64(), "requesters", "distinct (address, port) of the lookups"),
    "searchers": Field(pa.int64(), "requesters", "distinct (address, port) that searched"),
    "publishers": Field(
        pa.int64(),
        "requesters",
        "distinct (address, port) that published or announced: publishes with repeats dropped (paper, figure 6)",
    ),
    "first_ns": Field(pa.int64(), "ns", "time of the first lookup or announce, since 1970"),
    "last_ns": Field(pa.int64(), "ns", "time of the last lookup or announce, since 1970"),
}
"""Columns of keys.parquet, a row for each key that users' lookups or announces asked for, in order of keys."""

SCHEMA = pa.schema([(name, field.type) for name, field in LOOKUPS.items()])
"""Columns of `lookups`; keys may be of fixed length in files."""
