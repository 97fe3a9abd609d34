"""`montra bench`: verbs are found when asked for, and missing ones are explained."""

from __future__ import annotations

import importlib

import pytest
from click.testing import CliRunner

from montra.cli.bench import VERBS
from montra.cli.main import main


def test_help_lists_every_verb_without_loading_one() -> None:
    done = CliRunner().invoke(main, ["bench", "--help"])
    assert done.exit_code == 0
    for verb, text in VERBS.items():
        assert verb in done.stdout
        assert text in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_the_common_options(verb: str) -> None:
    done = CliRunner().invoke(main, ["bench", verb, "--help"])
    assert done.exit_code == 0, done.output
    for option in ("--rounds", "--sizes", "--folder", "--plot", "--json"):
        assert option in done.stdout


def test_an_unknown_verb_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["bench", "speed"]).exit_code == 2


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("bench.store.command", "part of a checkout"),
        ("bench", "part of a checkout"),
        ("duckdb", "duckdb is not installed"),
    ],
)
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, missing: str, said: str) -> None:
    def fail(_name: str) -> None:
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr(importlib, "import_module", fail)
    done = CliRunner().invoke(main, ["bench", "store"])
    assert done.exit_code == 1
    assert said in done.stderr
