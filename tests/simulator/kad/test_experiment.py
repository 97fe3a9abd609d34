"""A simulated window on Kad from network to judgement, small: some 60 nodes in the zone, fifteen minutes."""

from dataclasses import replace
from pathlib import Path

import pytest

from montra.simulator import outcome
from montra.simulator.experiment import ZoneResult, ZoneTask, simulate_zone
from zone_store.run.folder import LOOKUP_STORE
from zone_store.run.reader import RunReader
from zone_store.run.verify import verify

TASK = ZoneTask(
    bits=8,
    overlay="kad",
    nodes=20_000,
    duration_s=900.0,
    seed=3,
    attach_s=300.0,
    network={"lookups": 500.0, "warm_up_s": 7_200.0},
    instrument={"crawl.pause_s": 60.0},
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def result(runs: Path) -> ZoneResult:
    return simulate_zone(replace(TASK, runs=runs / "one"))


def test_lookups_are_captured_told_apart_and_placed(result: ZoneResult) -> None:
    judged = result.comparison
    assert judged.capture.trials > 200
    assert judged.capture.share > 0.97
    assert judged.told_apart.trials == judged.capture.hits
    assert judged.told_apart.share == 1.0
    assert judged.destination.share > 0.93
    assert judged.completeness.median > 0.95


def test_a_monitor_stands_beside_each_node_and_targets_are_not_pressed(result: ZoneResult) -> None:
    counters = result.counters
    assert counters["monitor_attached"] >= 0.95 * result.live
    assert counters["monitor_introductions"] < 3 * counters["monitor_attached"]
    assert result.packets.per_s < 10


def test_the_run_is_sealed_and_tells_what_targets_are(result: ZoneResult, runs: Path) -> None:
    (folder,) = (runs / "one").iterdir()
    assert verify(folder).ok
    with RunReader(folder) as reader:
        assert reader.manifest.overlay == "kad"
        attachments = reader.attachments()
    versions = {attachment.version >> 24 for attachment in attachments if attachment.accepted_ns}
    assert versions == {8, 9}
    assert {attachment.status for attachment in attachments if attachment.accepted_ns} == {0, 2}
    ips = [attachment.monitor_ip for attachment in attachments if not attachment.lost_ns]
    assert len(set(ips)) == len(ips)


def test_the_same_seed_gives_the_same_lookups(result: ZoneResult, runs: Path) -> None:
    simulate_zone(replace(TASK, runs=runs / "two"))
    stores = {(folder / LOOKUP_STORE / "data.mdb").read_bytes() for folder in runs.glob("*/*")}
    assert len(stores) == 1
    assert result.comparison.run


def test_the_outcome_says_which_network_it_was(result: ZoneResult, tmp_path: Path) -> None:
    about = outcome.about([result])
    assert about.startswith("A Kad network of 20,000 live nodes")
    assert "16 /24s, an address for each monitor" in about
    paths = outcome.write(tmp_path, [result], {"command": "montra validate simulate --overlay kad", "about": about})
    assert {path.name for path in paths} == {f"simulated-kad-zones.{end}" for end in ("md", "csv", "json", "svg")}
    assert "| 100.00% " in (tmp_path / "simulated-kad-zones.md").read_text()
