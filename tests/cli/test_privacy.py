"""--k, --key, --geo and --destroy-key: what verbs are told, and that destroyed keys are gone."""

from __future__ import annotations

import stat
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from analysis.privacy.key import KEY, key_of
from montra.cli.analyze import analyze
from montra.cli.export import export
from montra.cli.privacy import privacy_options
from montra.cli.report import report
from montra.window.analyze import Privacy

GOT: list[Privacy] = []


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path))
@click.option("--fail", is_flag=True)
@privacy_options
def verb(runs: tuple[Path, ...], fail: bool, privacy: Privacy) -> None:
    """Use the keys as a verb would."""
    GOT.append(privacy)
    for run in runs:
        key_of(run, privacy.key)
    if fail:
        raise SystemExit(1)


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "one", tmp_path / "two"]
    for run in found:
        run.mkdir()
    return found


def call(runs: list[Path], *options: str) -> Result:
    return CliRunner().invoke(verb, [*map(str, runs), *options])


def test_by_default_five_people_and_a_key_for_each_run(runs: list[Path]) -> None:
    assert call(runs).exit_code == 0
    assert GOT[-1] == Privacy(least_people=5, key=None, places=())
    keys = [(run / KEY).read_text() for run in runs]
    assert keys[0] != keys[1]
    assert {stat.S_IMODE((run / KEY).stat().st_mode) for run in runs} == {0o600}


def test_what_was_asked_for_is_told(runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "as.mmdb").touch()
    geo = str(tmp_path / "as.mmdb")
    assert call(runs, "--k", "9", "--key", str(tmp_path / "key"), "--geo", geo, "--geo", geo).exit_code == 0
    assert GOT[-1] == Privacy(least_people=9, key=tmp_path / "key", places=(Path(geo), Path(geo)))
    assert (tmp_path / "key").is_file()
    assert not (runs[0] / KEY).exists()


def test_keys_are_destroyed_when_the_work_is_done(runs: list[Path], tmp_path: Path) -> None:
    call(runs)
    call(runs, "--key", str(tmp_path / "key"))
    done = call(runs, "--key", str(tmp_path / "key"), "--destroy-key")
    assert done.exit_code == 0
    assert done.stderr.splitlines() == [
        f"destroyed {path}" for path in (runs[0] / KEY, tmp_path / "key", runs[1] / KEY)
    ]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_keys_stay_when_the_work_fails(runs: list[Path]) -> None:
    assert call(runs, "--destroy-key", "--fail").exit_code == 1
    assert all((run / KEY).is_file() for run in runs)


def test_a_key_that_cannot_be_destroyed_is_told(runs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Path) -> None:
        raise OSError(30, "Read-only file system")

    call(runs)
    monkeypatch.setattr(Path, "unlink", broken)
    done = call(runs, "--destroy-key")
    assert done.exit_code == 1
    assert "cannot destroy the key" in done.stderr


@pytest.mark.parametrize("options", [("--k", "0"), ("--geo", "/nowhere.mmdb"), ("--key", "/")])
def test_what_cannot_be_is_refused_as_usage(runs: list[Path], options: tuple[str, str]) -> None:
    assert call(runs, *options).exit_code == 2


@pytest.mark.parametrize("one", [analyze, report, export])
def test_all_verbs_that_write_of_people_have_the_options(one: click.Command) -> None:
    names = {name for param in one.params for name in param.opts}
    assert {"--k", "--key", "--destroy-key", "--geo"} <= names
