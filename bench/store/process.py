"""One process of the store benchmark: one system writes or reads all rows once. Prints one line of JSON.

python -m bench.store.process montra write FOLDER ROWS_FILE
python -m bench.store.process montra read FOLDER
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.common.usage import cpu_seconds, peak_bytes
from bench.store import rows

SYSTEMS = ("montra", "duckdb", "parquet", "records")


def load(system: str) -> ModuleType:
    """Return the module of a system: `write(folder, batches)`, `read(folder)`, ORDER."""
    return importlib.import_module(f"bench.store.by_{system}")


def write(system: ModuleType, folder: Path, source: Path) -> dict[str, Any]:
    """Store the rows of a file, read from it as they are needed."""
    begin, used = time.perf_counter(), cpu_seconds()
    own = system.write(folder, rows.read(source))
    return {"seconds": time.perf_counter() - begin, "cpu": cpu_seconds() - used, "peak": peak_bytes(), "own": own}


def read(system: ModuleType, folder: Path) -> dict[str, Any]:
    """Read all rows as arrays, then once more for their digest, which is not timed."""
    begin, used = time.perf_counter(), cpu_seconds()
    count = sum(map(len, system.read(folder)))
    found = {"seconds": time.perf_counter() - begin, "cpu": cpu_seconds() - used, "peak": peak_bytes(), "rows": count}
    return {**found, "order": system.ORDER, "digest": rows.digest(system.read(folder))}


if __name__ == "__main__":
    chosen = load(sys.argv[1])
    given = [Path(argument) for argument in sys.argv[3:]]
    print(json.dumps({"write": write, "read": read}[sys.argv[2]](chosen, *given)))
