"""A simulated window from network to judgement, small: 78 live nodes in the zone, twenty minutes."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from montra.simulator import outcome
from montra.simulator.experiment import ZoneResult, ZoneTask, simulate_zone, simulate_zones
from zone_store.run.folder import LOOKUP_STORE
from zone_store.run.verify import verify

TASK = ZoneTask(
    bits=8, nodes=20_000, duration_s=1200.0, seed=3, attach_s=400.0, network={"lookups": 300.0, "warm_up_s": 600.0}
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def result(runs: Path) -> ZoneResult:
    return simulate_zone(replace(TASK, runs=runs / "one"))


def test_most_lookups_are_captured_and_every_one_is_judged_or_excluded(result: ZoneResult) -> None:
    judged, early = result.comparison, result.early
    assert judged.capture.trials + sum(judged.excluded.values()) == judged.lookups == early.lookups
    assert judged.capture.share > 0.9
    assert judged.inferred.share > 0.8
    assert sum(hour.capture.trials for hour in result.hours) == judged.capture.trials
    assert judged.completeness.median > 0.95
    assert 0.5 < judged.coverage <= 1


def test_what_was_sent_is_told_by_purpose(result: ZoneResult) -> None:
    packets = result.packets
    assert 0 < packets.crawl + packets.introductions + packets.keep_alives <= packets.sent
    assert packets.per_s == packets.sent / TASK.duration_s
    assert result.counters["sent"] == packets.sent


def test_the_run_is_sealed_and_holds_what_the_fleet_captured(result: ZoneResult, runs: Path) -> None:
    (folder,) = (runs / "one").iterdir()
    report = verify(folder)
    assert report.ok
    assert report.sealed
    assert report.captures == result.counters["monitor_captured"]
    assert result.comparison.run == folder.name


def test_the_same_seed_gives_the_same_lookups_in_another_process(result: ZoneResult, runs: Path) -> None:
    again = simulate_zones(
        [replace(TASK, runs=runs / "two"), replace(TASK, runs=runs / "three")], 2, lambda _line: None
    )
    stores = {(folder / LOOKUP_STORE / "data.mdb").read_bytes() for folder in runs.glob("*/*")}
    assert len(stores) == 1
    documents = {msgspec.json.encode(one.comparison) for one in (result, *again)}  # where NaN equals NaN
    assert len(documents) == 1


def test_table_rows_document_and_figure_say_the_same(result: ZoneResult, tmp_path: Path) -> None:
    made = {"command": "montra validate simulate --zones 8", "seed": 3, "about": outcome.about([result])}
    paths = {path.suffix: path for path in outcome.write(tmp_path, [result], made)}
    capture = result.comparison.capture
    assert f"| 8 bits | {result.live} | {capture.trials} | {capture.share:.2%}" in paths[".md"].read_text()
    (row,) = csv.DictReader(io.StringIO(paths[".csv"].read_text()))
    assert (row["bits"], row["capture"], row["capture_paper"]) == ("8", f"{capture.share:.5f}", "0.95")
    document = msgspec.json.decode(paths[".json"].read_bytes())
    assert document["zones"][0]["comparison"]["capture"]["hits"] == capture.hits
    assert (document["seed"], document["paper"]["5"]["capture"]) == (3, 0.82)
    assert ElementTree.parse(paths[".svg"]).getroot().tag.endswith("svg")
