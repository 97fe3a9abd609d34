"""Small runs on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from .samples import Contents, make_run, sample


@pytest.fixture
def sample_run(tmp_path: Path) -> Path:
    """The folder of the sample run."""
    return make_run(tmp_path / "20261121T150000Z_mainline_a4-6", sample())


@pytest.fixture
def empty_run(tmp_path: Path) -> Path:
    """The folder of a sealed run that found nobody."""
    return make_run(tmp_path / "20261121T150000Z_mainline_a4-7", Contents())
