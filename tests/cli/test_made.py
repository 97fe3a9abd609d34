"""What every result says of how it was made."""

import json
import math
import sys
from pathlib import Path

import pytest

from montra import __version__
from montra.cli.made import line, made, save


@pytest.mark.parametrize("where", [["-o", "/somewhere"], ["--out", "/somewhere"], ["--out=/somewhere"], []])
def test_the_command_is_told_but_for_where_its_results_went(where: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/some/bin/montra", "validate", "lab", *where, "--churn", "10 m"])
    assert made(1, {})["command"] == "montra validate lab --churn '10 m'"


def test_one_seed_or_several_and_each_client_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["montra", "validate", "mixed"])
    one = made(4, {"aria2": "aria2 version 1.36.0", "libtorrent": "2.1.1"})
    assert line(one) == (f"Seed 4; montra {__version__}; aria2 version 1.36.0; libtorrent 2.1.1; montra validate mixed")
    assert line(made([1, 2], {})) == f"Seeds 1, 2; montra {__version__}; montra validate mixed"


def test_what_is_not_known_is_null_in_the_file_and_in_what_is_printed(tmp_path: Path) -> None:
    plain = save(tmp_path / "result.json", {"delay_s": math.inf, "share": math.nan, "counts": {1: 2}})
    assert plain == {"delay_s": None, "share": None, "counts": {"1": 2}}
    assert json.loads((tmp_path / "result.json").read_text()) == plain
