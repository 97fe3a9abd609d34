"""The figure of file sizes: what is drawn, and that too few files draw nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from analysis.contents.figures import figures


def analysis(*powers: tuple[int, int]) -> Any:
    return SimpleNamespace(contents=SimpleNamespace(size_powers=powers))


def test_sizes_are_a_distribution_over_powers_of_two() -> None:
    (drawing,) = figures(analysis((20, 1), (22, 2), (30, 1)))
    assert np.asarray(drawing.data.column("size")).tolist() == [2.0**n for n in range(20, 32)]
    shares = np.asarray(drawing.data.column("share_smaller")).tolist()
    assert shares == [0, 0.25, 0.25, *[0.75] * 8, 1]
    assert "share of files" in drawing.document
    assert "1 MiB" in drawing.document
    assert drawing.paper.startswith(b"%PDF")


def test_one_size_alone_is_drawn_and_none_is_not() -> None:
    assert len(figures(analysis((0, 7)))) == 1
    assert figures(analysis()) == []
