"""From run folders to one data set that can be given away: what `montra export` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from montra.window.analyze import (
    AS_CLIENTS_DO,
    BY_DEFAULT,
    NOTHING_MORE,
    Privacy,
    Republish,
    Shown,
    attribute_if_needed,
    given_of,
)

if TYPE_CHECKING:
    from analysis.export.dataset import Exported

FORMATS = ("parquet", "csv")
"""Of the large tables; CSV is compressed by gzip."""


def export_runs(
    runs: Sequence[Path],
    out: Path,
    form: str = FORMATS[0],
    workers: int | None = None,
    *,
    republish: Republish = AS_CLIENTS_DO,
    shown: Shown = NOTHING_MORE,
    privacy: Privacy = BY_DEFAULT,
) -> Exported:
    """Analyse runs and write a data set of them into a new folder; raises RunError, ImportError.

    form: of `FORMATS`; the rest is as in `analyze_runs`. A run that is attributed as this version does is not again.
    """
    from analysis.analyze import Job, analyze_all
    from analysis.export.dataset import export

    for run in runs:
        attribute_if_needed(run, workers)
    analyses = analyze_all([Job(run, given_of(run, republish, shown, privacy)) for run in runs], workers)
    return export(list(zip(runs, analyses, strict=True)), out, form)
