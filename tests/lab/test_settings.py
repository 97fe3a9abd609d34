"""Settings files: defaults, and one clear line for what is wrong."""

from pathlib import Path

import msgspec
import pytest

from montra.lab.settings import LabSettings, SettingsError, WorkloadSettings, load_settings


def test_reads_toml(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    path.write_text(
        'out = "o"\nnodes = 40\nsubnet = "127.182"\n[workload]\nlookups = 7\n[churn]\nmean_session_s = 90.0\n'
    )
    settings = load_settings(path)
    assert (settings.nodes, settings.zone, settings.workload.lookups) == (40, "a4/6", 7)
    assert settings.workload.announces == 100
    assert settings.churn.mean_session_s == 90.0


def test_reads_what_it_writes_as_json(tmp_path: Path) -> None:
    settings = LabSettings(out="o", nodes=9, workload=WorkloadSettings(zipf=0.8))
    path = tmp_path / "lab.json"
    path.write_bytes(msgspec.json.encode(settings))
    assert load_settings(path) == settings


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"nodes": 1}, "nodes must be at least 2"),
        ({"subnet": "192.168"}, "subnet must lie in 127.0.0.0/8 or 10.0.0.0/8, not 192.168"),
        ({"subnet": "10.255", "nodes": 255}, "255 nodes do not fit: from 10.255 on there are 254 /24s"),
        ({"subnet": "127"}, 'subnet must be two octets such as "127.10"'),
        ({"subnet": "127.255", "nodes": 255}, "255 nodes do not fit: from 127.255 on there are 254 /24s"),
        ({"zone": "zz/6"}, "zz"),
        ({"zone": "0/0"}, "zone_share must be 1"),
        ({"zone_share": 1.5}, r"zone_share must lie in \[0, 1\]"),
        ({"port": 80}, "port must lie in 1024..65535"),
        ({"nodez": 3}, "unknown field `nodez`"),
        ({"workload": {"lookups": -1}}, "must not be negative"),
        ({"workload": {"announce_within": 0}}, "announce_within"),
        ({"churn": {"mean_session_s": -1}}, "mean_session_s must not be negative"),
    ],
)
def test_refuses_in_one_line(tmp_path: Path, fields: dict[str, object], message: str) -> None:
    path = tmp_path / "lab.json"
    path.write_bytes(msgspec.json.encode({"out": "o", **fields}))
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refuses_a_missing_file_and_a_missing_out(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load_settings(tmp_path / "none.json")
    (tmp_path / "lab.json").write_text("{}")
    with pytest.raises(SettingsError, match="missing required field `out`"):
        load_settings(tmp_path / "lab.json")
