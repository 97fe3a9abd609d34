"""Keys of pseudonyms: made once, private, shared where asked for, and really gone when destroyed."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from analysis.privacy import key as keys
from analysis.privacy.key import KEY, destroy_key, fingerprint, key_of
from zone_store.run.folder import RunError


def test_a_run_keeps_its_key_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    key = key_of(tmp_path)
    assert len(key) == 32
    assert key_of(tmp_path) == key
    assert stat.S_IMODE((tmp_path / KEY).stat().st_mode) == 0o600
    assert (tmp_path / KEY).read_text() == key.hex() + "\n"
    assert [path.name for path in tmp_path.iterdir()] == [KEY]


def test_runs_have_keys_of_their_own_unless_they_share_one(tmp_path: Path) -> None:
    runs = [tmp_path / "one", tmp_path / "two"]
    for run in runs:
        run.mkdir()
    assert key_of(runs[0]) != key_of(runs[1])
    shared = tmp_path / "shared.key"
    assert key_of(runs[0], shared) == key_of(runs[1], shared) != key_of(runs[0])
    assert stat.S_IMODE(shared.stat().st_mode) == 0o600


def test_a_destroyed_key_is_gone_and_the_next_one_is_another(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    key, shared = key_of(run), key_of(run, tmp_path / "shared")
    with (run / KEY).open("rb") as still_open:
        assert destroy_key(run, tmp_path / "shared") == [run / KEY, tmp_path / "shared"]
        assert still_open.read() == b"0" * 65  # overwritten, not only without a name
    assert list(run.iterdir()) == []
    assert destroy_key(run) == []
    assert key_of(run) != key
    assert key_of(run, tmp_path / "shared") != shared


def test_processes_that_make_one_key_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: key_of(tmp_path, tmp_path / "k"), range(32)))
    assert len(set(made)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("00" * 32, 0o640, "open to others: chmod 600"),
        ("00" * 31, 0o600, "is no key: it must hold 64 hexadecimal digits"),
        ("0g" * 32, 0o600, "is no key"),
        ("\u00e4" * 32, 0o600, "is no key"),
        ("00" * 33, 0o600, "is no key"),
        ("", 0o600, "is no key"),
    ],
)
def test_what_is_no_private_key_is_refused(tmp_path: Path, text: str, mode: int, said: str) -> None:
    (tmp_path / KEY).write_text(text)
    (tmp_path / KEY).chmod(mode)
    with pytest.raises(RunError, match=said):
        key_of(tmp_path)


def test_folders_that_do_not_take_a_key_are_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot make the key"):
        key_of(tmp_path / "none")
    with pytest.raises(RunError, match="cannot read the key"):
        key_of(tmp_path, tmp_path)
    with pytest.raises(RunError, match="cannot destroy the key"):
        destroy_key(tmp_path, tmp_path)


def test_a_half_made_key_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keys.os, "fsync", full)
    with pytest.raises(RunError, match=r"cannot make the key .*: No space left on device"):
        key_of(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_fingerprint_tells_keys_apart_and_nothing_of_them() -> None:
    one, other = fingerprint(bytes(32)), fingerprint(bytes(31) + b"\x01")
    assert (len(one), one == other) == (16, False)
    assert one == fingerprint(bytes(32))
