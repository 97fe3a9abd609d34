"""What every benchmark takes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bench.common.compiler import BenchError, compile_program
from bench.common.options import Common, common
from bench.common.outcome import Curve, Outcome


@click.command()
@click.option("--fail", type=click.Choice(["no", "problem", "error"]), default="no")
@common(sizes=(10, 100))
def verb(given: Common, fail: str) -> Outcome:
    if fail == "error":
        raise BenchError("no compiler here")
    given.say("working")
    assert given.folder.is_dir()
    outcome = Outcome("verb", {}, {"rounds": given.rounds, "sizes": given.sizes, "folder": str(given.folder)})
    outcome.problems += ["does not add up"] * (fail == "problem")
    if given.sizes:
        outcome.curves.append(Curve("cost", "rows", given.sizes, "s", tuple(2.0 * n for n in given.sizes)))
    return outcome


def test_json_is_all_that_is_printed_and_the_folder_is_gone(tmp_path: Path) -> None:
    done = CliRunner().invoke(verb, ["--json", "--rounds", "2", "--sizes", "5,1_000", "--folder", str(tmp_path)])
    assert done.exit_code == 0, done.output
    settings = json.loads(done.stdout)["settings"]
    assert done.stderr == "working\n"
    assert settings["rounds"] == 2
    assert settings["sizes"] == [5, 1000]
    assert settings["folder"].startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_defaults(tmp_path: Path) -> None:
    done = CliRunner().invoke(verb, ["--json"])
    settings = json.loads(done.stdout)["settings"]
    assert (settings["rounds"], settings["sizes"]) == (5, [10, 100])


def test_no_sizes_is_no_curve() -> None:
    done = CliRunner().invoke(verb, ["--json", "--sizes", ""])
    assert json.loads(done.stdout)["curves"] == []


@pytest.mark.parametrize("sizes", ["5", "7,7", "9,3", "1,5", "a,b", "0x9,20"])
def test_sizes_that_make_no_curve_are_refused(sizes: str) -> None:
    done = CliRunner().invoke(verb, ["--sizes", sizes])
    assert done.exit_code == 2
    assert "--sizes" in done.stderr


def test_what_does_not_add_up_fails_the_run() -> None:
    done = CliRunner().invoke(verb, ["--fail", "problem"])
    assert done.exit_code == 1
    assert "PROBLEM  does not add up" in done.stdout


def test_what_cannot_run_says_so_in_one_line() -> None:
    done = CliRunner().invoke(verb, ["--fail", "error"])
    assert done.exit_code == 1
    assert done.stderr == "Error: no compiler here\n"


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_plot_is_drawn(tmp_path: Path, suffix: str) -> None:
    figure = tmp_path / f"cost.{suffix}"
    done = CliRunner().invoke(verb, ["--plot", str(figure)])
    assert done.exit_code == 0, done.output
    head = figure.read_bytes()[:400]
    assert head.startswith(b"\x89PNG") if suffix == "png" else b"<svg" in head


def test_a_program_that_does_not_compile_is_a_bench_error(tmp_path: Path) -> None:
    source = tmp_path / "wrong.c"
    source.write_text("int main(void) { return x; }\n")
    with pytest.raises(BenchError, match=r"cannot compile wrong\.c"):
        compile_program(source, tmp_path)
