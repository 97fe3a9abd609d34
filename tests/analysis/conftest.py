"""Small runs on disk."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from analysis.page import report as reporting
from analysis.page.render import render

from .kad_sample import given_of, kad_sample
from .samples import Contents, make_run, sample

HOSTILE = '</style><script>alert("exit")</script>'


class Both(NamedTuple):
    """The page about a run of each overlay; marked: makes it anew with all that templates print handed to a function.

    The first run ended for a hostile reason.
    """

    page: Path
    runs: tuple[Path, Path]
    marked: Callable[[Callable[[Any], Any]], str]


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """The page about both samples, written once: drawing takes long."""
    folder = tmp_path_factory.mktemp("both")
    contents = sample()
    contents.exit = HOSTILE
    runs = (
        make_run(folder / "20261121T150000Z_mainline_a4-6", contents),
        make_run(folder / "20261121T150000Z_kad_a4-6", kad_sample()),
    )
    rendered: list[Any] = []

    def spy(*what: Any, **more: Any) -> Any:
        rendered.append(partial(render, *what, **more))
        return rendered[-1]()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reporting, "render", spy)
        page = reporting.report(runs, folder / "both.html", given_of, workers=1)
    return Both(page, runs, lambda mark: rendered[0](mark=mark)[0])


@pytest.fixture
def sample_run(tmp_path: Path) -> Path:
    """The folder of the sample run."""
    return make_run(tmp_path / "20261121T150000Z_mainline_a4-6", sample())


@pytest.fixture
def empty_run(tmp_path: Path) -> Path:
    """The folder of a sealed run that found nobody."""
    return make_run(tmp_path / "20261121T150000Z_mainline_a4-7", Contents())
