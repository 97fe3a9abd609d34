"""The files of figures: for LaTeX and for whoever wants to draw them anew."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from analysis.page.drawing import Drawing
from analysis.tables import csv_bytes
from zone_store.run.folder import RunError, write_atomic

ENDINGS = ("svg", "pdf", "csv")


def write_figures(folder: Path, drawings: Iterable[Drawing]) -> None:
    """Write each figure as NAME.svg and NAME.pdf, and what it shows as NAME.csv, in place of those of an earlier page.

    Raises RunError when the disk does not take them.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for ending in ENDINGS:
            for old in folder.glob(f"*.{ending}"):
                old.unlink()
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror}") from error
    for drawing in drawings:
        write_atomic(folder / f"{drawing.name}.svg", drawing.document.encode())
        write_atomic(folder / f"{drawing.name}.pdf", drawing.paper)
        write_atomic(folder / f"{drawing.name}.csv", csv_bytes(drawing.data))
