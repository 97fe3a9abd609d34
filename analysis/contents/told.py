"""What was said of files and keywords, put together for each: sizes, types, names, files under a keyword.

Names and tags of files and addresses of who said it are personal data, and are left out unless they are asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from analysis.engine.columns import Field
from analysis.engine.database import Database
from zone_store.contents import Content, What

TYPES = ("Audio", "Video", "Image", "Pro", "Doc", "Arc", "Iso", "EmuleCollection")
"""What eMule calls types of files; other values of that tag are free text of strangers."""

CONTENTS = "contents.parquet"
"""All keys that are told, in the folder of tables."""

COLUMNS = {
    "key": Field(pa.string(), "", "content ID in hexadecimal"),
    "sort": Field(pa.string(), "", "keyword, file, or buddy (a firewalled node's key)"),
    "told_by": Field(pa.string(), "", "what told the sort: contents (requesters said it) or word list"),
    "size": Field(pa.int64(), "bytes", "of a file, as last said; 0 or missing if nobody said it"),
    "files": Field(pa.int64(), "files", "distinct files published under a keyword"),
    "searches": Field(pa.int64(), "lookups", "of users that say they search it"),
    "publishes": Field(pa.int64(), "lookups", "of users that say they publish it"),
    "requesters": Field(pa.int64(), "requesters", "distinct (address, port) that looked it up"),
    "word": Field(pa.string(), "", "keyword, where the word list has it"),
    "name": Field(pa.string(), "", "of a file, as last said, where names are shown"),
}
"""Columns of contents.parquet."""

_BATCH = 1 << 15
_SAID = pa.schema(
    [
        ("n", pa.int64()),
        ("what", pa.string()),
        ("key", pa.binary()),
        ("file", pa.binary()),
        ("size", pa.int64()),
        ("type", pa.string()),
        ("name", pa.string()),
    ]
)
_WORDS = pa.schema([("key", pa.binary()), ("word", pa.string())])


def make_told(db: Database, said: Iterable[Content], words: Mapping[bytes, str], *, names: bool) -> dict[str, int]:
    """Make the table `told` of a database that has `keys` and `sorts`; return how often each `What` was said.

    said: gone through once; words: keywords by their keys. told: one row for each key of `keys` whose sort is told, in
    order of keys: key, sort, told_by (as in `sorts`), lookups, searches, publishes, requesters (as in `keys`), size (of
    a file in bytes, as last said; 0 if unknown), files (distinct ones published under a keyword), type (the first of
    `TYPES` said of a file, else ""), word, name (of a file, as last said, "" unless `names` are shown).
    """
    db.execute(
        "CREATE TEMP TABLE said (n BIGINT, what VARCHAR, key BLOB, file BLOB, size BIGINT, type VARCHAR, name VARCHAR)"
    )
    for batch in _batches(said, names):
        db.register("batch", batch)
        db.execute("INSERT INTO said SELECT * FROM batch")
    db.register("word_list", pa.table([list(words), list(words.values())], _WORDS))
    db.execute(_TOLD)
    counts: dict[str, int] = dict(db.rows("SELECT what, count(*) FROM said GROUP BY what ORDER BY what"))
    db.execute("DROP TABLE said")
    return counts


def write_told(db: Database, path: Path, least_people: int) -> None:
    """Write `COLUMNS` of the keys of `told` that at least so many requesters looked up, in order of keys: RunError."""
    names = ", ".join(name for name in COLUMNS if name != "key")
    db.write(
        f"SELECT lower(hex(told.key)) AS key, {names} FROM told "
        f"WHERE requesters >= {int(least_people)} ORDER BY told.key",
        path,
    )


_TOLD = f"""
CREATE TEMP TABLE told AS
WITH of_files AS (
    SELECT file AS key,
        arg_max(size, n) FILTER (size > 0) AS size,
        arg_min(type, n) FILTER (type <> '') AS type,
        arg_max(name, n) FILTER (name <> '') AS name
    FROM said WHERE file IS NOT NULL GROUP BY file
), of_keywords AS (
    SELECT key, count(*) AS files FROM (
        SELECT DISTINCT key, file FROM said WHERE what = '{What.KEYWORD}' AND file IS NOT NULL
    ) GROUP BY key
)
SELECT keys.key, sorts.sort, sorts.told_by, lookups, searches, publishes, requesters,
    coalesce(size, 0) AS size,
    coalesce(files, 0) AS files,
    coalesce(type, '') AS type,
    coalesce(word, '') AS word,
    coalesce(name, '') AS name
FROM keys JOIN sorts USING (key)
    LEFT JOIN of_files USING (key) LEFT JOIN of_keywords USING (key) LEFT JOIN word_list USING (key)
ORDER BY keys.key"""


def _batches(said: Iterable[Content], names: bool) -> Iterator[pa.Table]:
    numbered = enumerate(said)
    while part := list(itertools.islice(numbered, _BATCH)):
        columns = zip(*(_row(n, content, names) for n, content in part), strict=True)
        yield pa.table([list(column) for column in columns], _SAID)


def _row(n: int, content: Content, names: bool) -> tuple[object, ...]:
    kind = next((value for name, value in content.tags if name == "type"), "")
    return (
        n,
        content.what,
        content.key,
        content.file_id or None,
        content.size,
        kind if kind in TYPES else "",
        content.name if names else "",
    )
