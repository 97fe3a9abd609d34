"""What keeps a lab's packets inside the machine."""

from pathlib import Path

import msgspec
import pytest

from montra.lab import isolation
from montra.lab.isolation import require_isolated, ways_out
from montra.lab.runner import run_lab
from montra.lab.settings import LabError, LabSettings


def test_loopback_needs_no_isolation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "ways_out", lambda: ["eth0"])
    require_isolated(LabSettings(out="o"))


def test_other_addresses_only_where_nothing_leads_out(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = LabSettings(out="o", subnet="10.10")
    monkeypatch.setattr(isolation, "ways_out", list)
    require_isolated(settings)
    monkeypatch.setattr(isolation, "ways_out", lambda: ["eth0", "wlan0"])
    with pytest.raises(LabError, match=r"^subnet 10.10 is only for a network namespace .* eth0 is up here$"):
        require_isolated(settings)
    require_isolated(msgspec.structs.replace(settings, links=("wlan0", "eth0")))


def test_a_lab_does_not_begin_where_something_leads_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "ways_out", lambda: ["eth0"])
    with pytest.raises(LabError, match="is only for a network namespace"):
        run_lab(LabSettings(out=str(tmp_path / "out"), subnet="10.10", autostart=True))
    assert not (tmp_path / "out").exists()


def test_ways_out_are_the_interfaces_that_are_up() -> None:
    up = {
        path.name
        for path in Path("/sys/class/net").iterdir()
        if (path / "flags").exists() and int((path / "flags").read_text(), 16) & 0x1
    }
    assert "lo" in up
    assert set(ways_out()) == up - {"lo"}
