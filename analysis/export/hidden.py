"""Lookups and keys as they may leave the house: what few requesters share is blanked or left out.

People are counted by address here, not by (address, port): a client that comes back at another port is still one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from analysis.contents.told import COLUMNS
from analysis.engine.columns import Field
from analysis.engine.database import Database
from analysis.network.clients import plain_name
from zone_store.captures import Flag

LOOKUPS = {
    "time": Field(pa.timestamp("us"), "", "of the first copy, UTC, rounded down to whole seconds"),
    "lasted_s": Field(pa.uint32(), "s", "from the first copy to the last, both rounded down to whole seconds"),
    "requester": Field(pa.uint64(), "", "pseudonym of address and port; distinct ones stay distinct"),
    "requester_ip": Field(
        pa.uint32(), "", "pseudonym of the address, no address of anybody; addresses of one network share leading bits"
    ),
    "key": Field(pa.string(), "", "key asked for, in hexadecimal; empty where fewer than k addresses asked for it"),
    "what": Field(pa.string(), "", "lookup, search, publish or announce; a lookup does not tell which it is"),
    "client": Field(pa.string(), "", "client by its version; empty if none is told or fewer than k addresses use it"),
    "no_seed": Field(pa.bool_(), "", "asked for peers that are no seeds (BEP 33)"),
    "copies": Field(pa.uint16(), "monitors", "distinct monitors that got a copy"),
    "packets": Field(pa.uint32(), "datagrams", "copies, repeats included"),
    "destination": Field(pa.uint32(), "", "`number` in targets: the observed destination"),
    "closest": Field(pa.uint32(), "", "`number` in targets: closest to the key then, 0 = none was attached"),
    "inferred": Field(pa.uint32(), "", "`number` in targets: the most probable true destination"),
    "rank": Field(pa.uint16(), "", "of the observed destination among the targets attached then, 0 = closest"),
    "margin": Field(pa.float32(), "bits", "log2 of the runner-up's distance over the observed destination's"),
    "confidence": Field(pa.float32(), "share", "probability that the inferred destination is right"),
    "as_number": Field(pa.uint32(), "", "autonomous system; 0 if not known or fewer than k addresses are there"),
    "country": Field(pa.string(), "", "ISO 3166 code; empty if not known or fewer than k addresses are there"),
}
"""Columns of lookups, a row for each users' lookup or announce."""

KEYS = {
    "key": Field(pa.string(), "", "in hexadecimal"),
    "sort": Field(pa.string(), "", "file, keyword, info_hash, buddy (a firewalled node's), or unknown"),
    "lookups": Field(pa.int64(), "lookups", "users' lookups: those that search, that publish, and that do not tell"),
    "searches": Field(pa.int64(), "lookups", "of the lookups, those that say they search"),
    "publishes": Field(pa.int64(), "lookups", "of the lookups, those that say they publish"),
    "announces": Field(pa.int64(), "announces", "users' announces"),
    "no_seed": Field(pa.int64(), "lookups", "of the lookups, those for peers that are no seeds (BEP 33)"),
    "requesters": Field(pa.int64(), "requesters", "distinct (address, port) of the lookups"),
    "searchers": Field(pa.int64(), "requesters", "distinct (address, port) that searched"),
    "publishers": Field(pa.int64(), "requesters", "distinct (address, port) that published or announced"),
    "addresses": Field(pa.int64(), "addresses", "distinct addresses of lookups and announces, k at least"),
    "size": COLUMNS["size"],
    "files": COLUMNS["files"],
    "word": COLUMNS["word"],
    "name": COLUMNS["name"],
    "first": Field(pa.timestamp("us"), "", "first lookup or announce, UTC, rounded down to whole seconds"),
    "last": Field(pa.timestamp("us"), "", "last one, likewise"),
}
"""Columns of keys, a row for each key that k addresses asked for."""

_ASKED = "maintenance = 0 AND what IN ('lookup', 'search', 'publish', 'announce')"
"""What users asked for: node lookups may name nodes by their IDs, so their keys stay here, and so do they."""

KEYLESS = f"SELECT count(*) FROM lookups ANTI JOIN shown_key USING (key) WHERE {_ASKED}"
"""The question for how many rows of lookups have no key, once `prepare` is done."""

_MOST_VERSIONS = 100_000
"""Versions that get a name, those with most lookups: a hostile requester may use millions."""


def prepare(db: Database, k: int, version_name: Callable[[int], str] | None) -> None:
    """Make the tables of what may be shown, in a database that has `lookups`; None: versions tell no client."""
    versions = [
        version
        for version, _ in db.rows(
            f"SELECT version, count(*) AS n FROM lookups WHERE {_ASKED} GROUP BY version "
            f"ORDER BY n DESC, version LIMIT {_MOST_VERSIONS}"
        )
    ]
    names = [_cell(version_name(version)) if version_name and version else "" for version in versions]
    db.register("names", pa.table([pa.array(versions, pa.uint32()), pa.array(names)], names=["version", "client"]))
    for name, what in {"key": "key", "client": "client", "place": "as_number, country"}.items():
        db.execute(
            f"CREATE TEMP TABLE shown_{name} AS SELECT {what}, count(*) AS addresses FROM "
            f"(SELECT DISTINCT {what}, requester_ip FROM lookups LEFT JOIN names USING (version) WHERE {_ASKED}) "
            f"GROUP BY {what} HAVING count(*) >= {int(k)}"
        )


def lookups(source: str) -> str:
    """Return the question for `LOOKUPS` of one file of lookups, in order; source: its SQL.

    Within a second rows are in order of pseudonyms and keys, so that their order tells no more than their times.
    """
    return f"""
SELECT {_second("time_ns")} AS "time",
    (last_ns // 1000000000 - time_ns // 1000000000)::UINTEGER AS lasted_s,
    requester, requester_ip,
    lower(hex(shown_key.key)) AS "key",
    what,
    coalesce(shown_client.client, '') AS client,
    flags & {int(Flag.NO_SEED)} <> 0 AS no_seed,
    copies, packets, destination, closest, inferred, "rank", margin, confidence,
    coalesce(shown_place.as_number, 0)::UINTEGER AS as_number,
    coalesce(shown_place.country, '') AS country
FROM {source} AS lookups LEFT JOIN names USING (version)
    LEFT JOIN shown_key ON lookups.key = shown_key.key
    LEFT JOIN shown_client ON names.client = shown_client.client
    LEFT JOIN shown_place ON lookups.as_number = shown_place.as_number AND lookups.country = shown_place.country
WHERE {_ASKED}
ORDER BY "time", requester, lookups.key, what, copies, packets, lasted_s, destination"""


def keys(contents: str) -> str:
    """Return the question for `KEYS`, in order of keys, in a database that has `keys`.

    contents: SQL of the table of `contents.told.COLUMNS`.
    """
    counts = ("lookups", "searches", "publishes", "announces", "no_seed", "requesters", "searchers", "publishers")
    return f"""
SELECT lower(hex(keys.key)) AS "key", keys.sort, {", ".join(f"keys.{name}" for name in counts)}, addresses,
    coalesce(size, 0) AS size, coalesce(files, 0) AS files, {_plain("word")}, {_plain("name")},
    {_second("keys.first_ns")} AS "first", {_second("keys.last_ns")} AS "last"
FROM keys JOIN shown_key ON keys.key = shown_key.key
    LEFT JOIN {contents} AS contents ON contents.key = lower(hex(keys.key))
ORDER BY keys.key"""


def write(db: Database, sql: str, path: Path) -> int:
    """Write an answer as Parquet, or as CSV in gzip if the path ends so, and return its rows; raises RunError."""
    how = "FORMAT parquet, COMPRESSION zstd" if path.suffix == ".parquet" else "FORMAT csv, HEADER, COMPRESSION gzip"
    quoted = str(path).replace("'", "''")
    return int(db.one(f"COPY ({sql}) TO '{quoted}' ({how})"))


def _cell(name: str) -> str:
    """Return a name fit for a cell: strangers choose versions, and spreadsheets run what looks like a formula."""
    shown = plain_name(name)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown


def _plain(name: str) -> str:
    """Return the SQL of the same for a column of text."""
    formula = f"regexp_matches({name}, '^[=+@\\t\\r-]')"
    return f"CASE WHEN {formula} THEN chr(39) ELSE '' END || coalesce({name}, '') AS {name}"


def _second(name: str) -> str:
    return f"make_timestamp({name} // 1000000000 * 1000000)"
