"""Golden tables: what the analysis says of the sample runs. Write them anew with `python -m tests.golden.compare`."""

from __future__ import annotations

import csv
import math
import shutil
import tempfile
from pathlib import Path

from montra.window.analyze import analyze_runs

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = sorted(path for path in (ROOT / "docs" / "sample").iterdir() if path.is_dir())
GOLDEN = Path(__file__).parent
#: Fits end where their search does, so their last digits depend on the processor.
LOOSE = {"popularity_fits": 2e-3, "popularity_tests": 2e-2}
USUAL = 1e-6


def analysed(sample: Path, folder: Path) -> Path:
    """Analyse a copy of a sample run in an empty folder; returns the folder of its tables."""
    run = shutil.copytree(sample, folder / sample.name)
    return analyze_runs([run], workers=1)[0].out


def differences(golden: Path, found: Path) -> list[str]:
    """Return in what a table differs from the golden one: one line for each cell, numbers nearly equal being equal."""
    tolerance = LOOSE.get(golden.stem, USUAL)
    with golden.open(newline="") as one, found.open(newline="") as other:
        wanted, got = list(csv.reader(one)), list(csv.reader(other))
    if len(wanted) != len(got):
        return [f"{golden.name}: {len(got)} rows, not {len(wanted)}"]
    return [
        f"{golden.name}, row {row}, {wanted[0][column]}: {found_cell!r}, not {cell!r}"
        for row, (cells, found_cells) in enumerate(zip(wanted, got, strict=True))
        for column, (cell, found_cell) in enumerate(zip(cells, found_cells, strict=True))
        if not _same(cell, found_cell, tolerance)
    ]


def _same(one: str, other: str, tolerance: float) -> bool:
    if one == other:
        return True
    try:
        return math.isclose(float(one), float(other), rel_tol=tolerance, abs_tol=1e-9)
    except ValueError:
        return False


def write() -> None:
    """Write the golden tables of all samples."""
    for sample in SAMPLES:
        golden = GOLDEN / sample.name
        shutil.rmtree(golden, ignore_errors=True)
        golden.mkdir()
        with tempfile.TemporaryDirectory() as folder:
            for table in sorted(analysed(sample, Path(folder)).glob("*.csv")):
                shutil.copy(table, golden / table.name)


if __name__ == "__main__":
    write()
