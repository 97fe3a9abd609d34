"""What a machine lacks is said before anything starts."""

import os
import shutil
from pathlib import Path

import pytest

from montra.lab.kad import programs
from montra.lab.kad.settings import KadLabSettings
from montra.lab.kad.usage import cpu_s, unread
from montra.lab.settings import LabError

NO_PID = 2**22 + 1
NOON = 1_796_000_000.0


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.setattr(programs, "_clock_library", lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    settings = KadLabSettings(out=Path("out"), nodes=5, publishers=(), firewalled=1)
    assert programs.missing(settings) == [
        "root is needed, to make a network namespace",
        "ip is not installed: install iproute2",
        "amuled is not installed: install amule-daemon",
        "amulecmd is not installed: install amule-utils",
        "nft is not installed: install nftables",
        "libfaketime is not installed: install faketime",
    ]
    with pytest.raises(LabError, match="install faketime"):
        programs.clock(2.0, NOON)


def test_a_clock_at_its_own_rate_needs_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_clock_library", lambda: Path("lib.so"))
    assert programs.clock(1.0, NOON) == {}
    assert programs.clock(7.5, NOON) == {"LD_PRELOAD": "lib.so", "FAKETIME": "+0 x7.5"}


def test_clocks_stay_away_from_the_end_of_32_bit_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_clock_library", lambda: Path("lib.so"))
    end = 418 * 2**32 / 1000  # 2026-11-21 21:25:29.728
    for now_s in (end - 86_399, end - 1):
        assert programs.clock(5.0, now_s)["FAKETIME"] == "-86400 x5"
        assert programs.clock(1.0, now_s)["FAKETIME"] == "-86400 x1"
    for now_s in (end - 86_401, end + 1):
        assert programs.clock(5.0, now_s)["FAKETIME"] == "+0 x5"
        assert programs.clock(1.0, now_s) == {}


def test_usage_is_of_a_live_process_only() -> None:
    assert cpu_s(os.getpid()) > 0
    assert cpu_s(NO_PID) == 0
    assert unread(os.getpid()) >= 0
    assert unread(NO_PID) == 0


def test_clocks_of_dead_processes_are_swept(tmp_path: Path) -> None:
    dead = [f"faketime_shm_{NO_PID}", f"sem.faketime_sem_{NO_PID}"]
    for name in (*dead, f"faketime_shm_{os.getpid()}", "faketime_shm_x", "y_1"):
        (tmp_path / name).touch()
    assert programs.sweep_clocks(tmp_path) == 2
    assert {path.name for path in tmp_path.iterdir()} == {f"faketime_shm_{os.getpid()}", "faketime_shm_x", "y_1"}
