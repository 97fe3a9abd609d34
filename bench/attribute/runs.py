"""Windows on disk and the systems that attribute them, each in a fresh process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.attribute.watch import Watch
from bench.attribute.window import Shape, Truth, write
from bench.common.compiler import BenchError

ONE, ALL, DUCKDB = "montra, 1 worker", "montra, all CPUs", "DuckDB, all CPUs"
SYSTEMS = (ONE, ALL, DUCKDB)

RATE, RATE_CPU = "captures/s", "captures/s of a core"
MEMORY, RESIDENT = "memory of all processes (MiB)", "resident with mapped files (MiB)"
WALL, CPU, DISK = "wall (s)", "CPU (s)", "lookups on disk (bytes)"

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Stored:
    """A sealed run, what is true of it, its size on disk and how long it took to write."""

    folder: Path
    truth: Truth
    bytes: int
    seconds: float

    def remove(self) -> None:
        """Delete the run."""
        shutil.rmtree(self.folder)


def store(folder: Path, shape: Shape) -> Stored:
    """Write a run of this shape into a new folder below `folder`."""
    place = folder / f"run-{shape.rows}"
    place.mkdir()
    begin = time.perf_counter()
    truth = write(place, shape)
    return Stored(place, truth, size_of(place), time.perf_counter() - begin)


def measure(system: str, stored: Stored, workers: int, duckdb_mib: int, problems: list[str]) -> dict[str, Any]:
    """Let one system attribute a run; returns its figures, and adds to `problems` what is not as the truth says."""
    if system == DUCKDB:
        temporary = stored.folder.with_name("duckdb")
        temporary.mkdir()
        try:
            found = run("bench.attribute.by_duckdb", stored.folder, temporary, workers, duckdb_mib)
        finally:
            shutil.rmtree(temporary)
    else:
        found = run("bench.attribute.by_montra", stored.folder, workers if system == ALL else 1)
        found[DISK] = size_of(stored.folder / "lookups.lmdb")
        shutil.rmtree(stored.folder / "lookups.lmdb")
    wanted = stored.truth.lookups.as_dict()
    got = {name: found[name] for name in wanted}
    if got != wanted:
        problems.append(f"{system}, {stored.truth.captures} captures: {got}, but true is {wanted}")
    return {**found, RATE: stored.truth.captures / found[WALL], RATE_CPU: stored.truth.captures / found[CPU]}


def run(module: str, *arguments: object) -> dict[str, Any]:
    """Run a module in a fresh process and return the JSON that it prints, with what `Watch` saw; raises BenchError."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=_ROOT) as process:
        watch = Watch(process.pid)
        try:
            with watch:
                answer, errors = process.communicate()
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise BenchError(f"{module.rpartition('.')[2]} failed: {(errors.strip().splitlines() or ['no word'])[-1]}")
    found: dict[str, Any] = json.loads(answer)
    return {**found, **watch.figures}


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
