"""`montra monitor` receiving by a packet ring, alone and with workers."""

import json
import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Network, montra
from zone_store.run.folder import read_manifest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def config(network: Network, tmp_path: Path) -> Path:
    """A configuration that receives by a ring."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except PermissionError:
        pytest.skip("needs CAP_NET_RAW")
    text = network.config.read_text()
    assert text.count('bind = "shared"') == 1
    path = tmp_path / "ring.toml"
    path.write_text(text.replace('bind = "shared"', 'receive = "ring"\nring = "4MiB"\ninterface = "lo"'))
    return path


@pytest.mark.parametrize("workers", [1, 2])
def test_a_window_captures_by_a_ring(config: Path, tmp_path: Path, workers: int) -> None:
    runs = tmp_path / "runs"
    done = montra("monitor", "-c", config, "--duration", "12s", "--runs", runs, "--workers", str(workers), "--json")
    assert done.code == 0, done.err
    value = json.loads(done.out)
    assert value["exit"] == "complete"
    assert value["captures"] > 50
    assert value["targets"] >= 24
    (run,) = runs.iterdir()
    counters = read_manifest(run).counters
    assert not {"kernel_drops", "ring_cut", "bad_packet", "bad_checksum", "truncated"} & set(counters)
    assert montra("store", "verify", run).code == 0


def test_the_preflight_tells_what_the_ring_holds(config: Path, tmp_path: Path) -> None:
    done = montra("preflight", "-c", config, "--json")
    checks = {check["name"]: check for check in json.loads(done.out)}
    assert checks["packet ring"]["finding"] == "1024 frames: 10 ms of 100,000 datagrams a second"
    assert checks["receive buffer"]["finding"] == "not used: datagrams arrive in a packet ring"
    config.write_text(config.read_text().replace('"lo"', '"lo9"'))
    refused = montra("monitor", "-c", config, "--duration", "1s", "--runs", tmp_path / "none")
    assert refused.code != 0
    assert "there is no interface 'lo9'; correct addresses.interface" in refused.err
    assert not (tmp_path / "none").exists()
