"""One process: the rates of all keys by pandas, from the same files; prints what was found and what it took.

Only the columns of the question are read: by the plain call pandas takes several times the memory.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

from bench.attribute.measure import Stopwatch


def main() -> None:
    """Answer for the lookups in the folder of the first argument."""
    watch = Stopwatch()
    frame = pd.read_parquet(Path(sys.argv[1]), columns=["key", "kind", "maintenance"])
    users = frame[(frame["maintenance"] == 0) & frame["kind"].isin([1, 4, 5])]
    keys = users.groupby("key", sort=False).size().value_counts().sort_index()
    found = list(zip(keys.index.tolist(), keys.tolist(), strict=True))
    print(json.dumps({**watch.read(), "found": found}))


if __name__ == "__main__":
    main()
