"""`montra validate mixed`, small: every kind of client, one behind a NAT, loss, delay, jitter and reordering."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from montra.lab.mixed.needs import missing
from montra.lab.mixed.settings import MixedSettings

pytestmark = [pytest.mark.clients, pytest.mark.netns, pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
WORDS = (
    "--nodes 24 --aria2 1 --transmission 1 --rtorrent 1 --webtorrent 1 --nat 1 --loss 1% --delay 20ms --jitter 5ms "
    "--reorder 1% --duration 12s --lookups 150 --searches 20 --rest 8s --seed 4"
)
CLIENTS = {"aria2", "libtorrent", "rtorrent", "transmission", "webtorrent"}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the command says in JSON."""
    pytest.importorskip("libtorrent")
    out = tmp_path_factory.mktemp("mixed")
    settings = MixedSettings(out=out, nodes=24, aria2=1, transmission=1, rtorrent=1, webtorrent=1, nat=1)
    lacks = missing(settings)
    if lacks:
        pytest.skip("; ".join(lacks))
    words = ["validate", "mixed", *WORDS.split(), "--out", str(out), "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "montra.cli.main", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said, complaints = process.communicate(timeout=280)
    assert process.returncode == 0, complaints
    names = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    assert f"montra-mixed-{process.pid}" not in names  # nothing is left behind
    (folder,) = out.iterdir()
    value: dict[str, Any] = json.loads(said)
    assert value == json.loads((folder / "mixed.json").read_text())
    return value


def test_nearly_all_lookups_are_captured(result: dict[str, Any]) -> None:
    """The floor is low because the network is tiny and the machine may be busy: full size shows how good it is."""
    capture, destination = result["comparison"]["capture"], result["comparison"]["destination"]
    assert capture["trials"] >= 25
    assert capture["share"] >= 0.9
    assert destination["share"] >= 0.7


def test_the_witnesses_missed_nothing_and_agree_with_the_nodes(result: dict[str, Any]) -> None:
    witnesses = result["witnesses"]
    assert witnesses["dropped"] == witnesses["id_conflicts"] == witnesses["silent"] == 0
    assert witnesses["compared"] >= 20
    assert witnesses["differ"] <= 1


def test_results_are_told_by_client_and_nat(result: dict[str, Any]) -> None:
    groups = {(group["by"], group["name"]) for group in result["comparison"]["groups"]}
    assert ("requester's client", "libtorrent") in groups
    assert ("target's nat", "none") in groups
    assert {name for by, name in groups if by == "requester's client"} <= CLIENTS


def test_the_weather_was_as_asked_for(result: dict[str, Any]) -> None:
    link = result["link"]
    assert 0.001 < link["lost"] / (link["lost"] + link["passed"]) < 0.05
    assert link["overtook"] > 0
    assert link["full"] == link["refused"] == 0


def test_it_can_be_repeated(result: dict[str, Any]) -> None:
    assert set(result["clients"]) == CLIENTS
    assert all(result["clients"].values())
    assert result["montra"]
    assert result["seed"] == 4
    assert result["command"] == f"montra validate mixed {WORDS} --json"
    assert result["settings"]["weather"] == {"loss": 0.01, "delay_s": 0.02, "jitter_s": 0.005, "reorder": 0.01}
