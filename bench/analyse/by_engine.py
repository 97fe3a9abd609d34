"""One process: the rates of all keys by the engine, from its Parquet files; prints what was found and what it took."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from analysis.engine.database import Database
from bench.attribute.measure import Stopwatch

QUERY = """
SELECT lookups, count(*) AS keys FROM (
    SELECT key, count(*) AS lookups FROM users WHERE what IN ('lookup', 'search', 'publish') GROUP BY key
) GROUP BY lookups ORDER BY lookups"""


def main() -> None:
    """Answer for the lookups in the folder of the first argument."""
    files = sorted(Path(sys.argv[1]).glob("*.parquet"))
    watch = Stopwatch()
    with Database() as db:
        db.see("lookups", files)
        db.users()
        found = db.rows(QUERY)
    print(json.dumps({**watch.read(), "found": found}))


if __name__ == "__main__":
    main()
