"""What keys are: told by what requesters said of them, else by a list of words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.engine.database import Database
from zone_store.contents import Content, What
from zone_store.run.folder import RunError

KEYWORD, FILE, BUDDY = "keyword", "file", "buddy"
BY_SAYING, BY_WORD = "contents", "word list"

_BITS = {KEYWORD: 1, FILE: 2, BUDDY: 4}
_SAID = {
    What.KEYWORD: KEYWORD,
    What.SEARCH_KEYWORD: KEYWORD,
    What.SOURCE: FILE,
    What.NOTES: FILE,
    What.SEARCH_SOURCE: FILE,
    What.SEARCH_NOTES: FILE,
    What.BUDDY: BUDDY,
}
_ROWS = 1 << 16
_SCHEMA = pa.schema([("key", pa.binary()), ("bit", pa.uint8())])


def make_sorts(db: Database, said: Iterable[Content], words: Mapping[bytes, str], path: Path) -> None:
    """Make the table `sorts` (key BLOB, sort VARCHAR, told_by VARCHAR), one row for each key that is told.

    said: gone through once; a file is told by what is said of it under a keyword, too; a key of which several things
    are said is not told; words: keywords by their keys, for those of which nothing is said; path: of a temporary file.
    Raises RunError.
    """
    try:
        with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
            rows = _said(said)
            while some := list(islice(rows, _ROWS)):
                keys, bits = zip(*some, strict=True)
                writer.write_table(pa.table([pa.array(keys, pa.binary()), pa.array(bits, pa.uint8())], schema=_SCHEMA))
        db.see("said", [path])
        db.register("words", pa.table([pa.array(list(words), pa.binary())], names=["key"]))
        cases = " ".join(f"WHEN {bit} THEN '{sort}'" for sort, bit in _BITS.items())
        db.execute(
            "CREATE TABLE sorts AS WITH told AS (SELECT key, bit_or(bit) AS bits FROM said GROUP BY key) "
            f"SELECT key, CASE bits {cases} END AS sort, '{BY_SAYING}' AS told_by FROM told "
            f"WHERE bits IN ({', '.join(map(str, _BITS.values()))}) "
            f"UNION ALL SELECT key, '{KEYWORD}', '{BY_WORD}' FROM words WHERE key NOT IN (SELECT key FROM told)"
        )
        db.execute("DROP VIEW said")
        path.unlink()
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def _said(said: Iterable[Content]) -> Iterator[tuple[bytes, int]]:
    for content in said:
        yield content.key, _BITS[_SAID[What(content.what)]]
        if content.file_id:
            yield content.file_id, _BITS[FILE]
