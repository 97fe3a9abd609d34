"""What the chapters are computed from: one run, opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from analysis.engine.database import Database
from analysis.given import Given
from analysis.load import Run
from analysis.trust.capture import CaptureRate
from analysis.trust.validation import Validation
from zone_store.contents import Content
from zone_store.run.folder import LookupsMade


@dataclass(frozen=True, slots=True)
class Source:
    """One run while it is examined.

    run: its facts, with its targets; given: what the analysis was told; capture: what corrects rates, None if nobody
    knows; validation: a comparison with the truth; lookups_made: how its lookups were; db: `lookups`, `users` and
    `keys`; said: goes through what requesters said of content, once for each call; folder: of the run; out: where its
    tables go.
    """

    run: Run
    given: Given
    capture: CaptureRate | None
    validation: Validation
    lookups_made: LookupsMade
    db: Database
    said: Callable[[], Iterator[Content]]
    folder: Path
    out: Path
