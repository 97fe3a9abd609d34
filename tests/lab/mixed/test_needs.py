"""What a mixed network needs of the machine, said in a line each."""

import shutil
from pathlib import Path

import pytest

from montra.lab.clients import drivers
from montra.lab.clients.drivers import PACKAGE_VERSION, Webtorrent, npm_folder
from montra.lab.mixed.needs import missing
from montra.lab.mixed.settings import MixedSettings, Weather

ROOT = Path(__file__).resolve().parents[3]
LAB_ONLY = MixedSettings(out=Path("out"), aria2=0, transmission=0, rtorrent=0, webtorrent=0, nat=0)


def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda _program: None)


def test_all_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing_installed(monkeypatch)
    lines = missing(MixedSettings(out=Path("out")))
    assert [line for line in lines if "/dev/net/tun" not in line and "libtorrent" not in line] == [
        "root is needed, to make network namespaces",
        "ip is not installed: install iproute2",
        "nft is not installed: install nftables",
        "aria2c is not installed",
        "transmission-daemon is not installed",
        "rtorrent is not installed",
        "node is not installed",
    ]


def test_only_what_takes_part_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing_installed(monkeypatch)
    calm = missing(LAB_ONLY)
    assert calm[:2] == ["root is needed, to make network namespaces", "ip is not installed: install iproute2"]
    assert not any("nft" in line or "tun" in line for line in calm)
    stormy = MixedSettings(
        out=Path("out"), aria2=0, transmission=0, rtorrent=0, webtorrent=0, nat=0, weather=Weather(loss=0.01)
    )
    assert "nft is not installed: install nftables" in missing(stormy)


def test_a_missing_package_is_told_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    monkeypatch.setenv(drivers.FOLDER_VARIABLE, str(tmp_path))
    assert Webtorrent.missing() == (
        f"bittorrent-dht is not installed: npm install --prefix {tmp_path} bittorrent-dht@11.0.12"
    )
    (tmp_path / "node_modules" / "bittorrent-dht").mkdir(parents=True)
    assert Webtorrent.missing() == ""


def test_the_package_is_looked_for_where_ci_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(drivers.FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert npm_folder() == Path("/cache/montra/npm")
    ci = ROOT / ".ci" / "run"
    if ci.exists():  # not in a source archive
        assert f"bittorrent-dht@{PACKAGE_VERSION}" in ci.read_text()
        assert "/montra/npm" in ci.read_text()
