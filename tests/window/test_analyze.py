"""Attribution of run folders: with which own addresses, when it is done anew, and who is named as its maker."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from montra import __version__
from montra.window import analyze
from montra.window.analyze import (
    Privacy,
    analyze_runs,
    attribute_if_needed,
    attribute_run,
    given_of,
)
from zone_store.attribution import RULE, attribute, write_lookups
from zone_store.captures import Attachment, Captures, Kind
from zone_store.run.folder import LookupsMade, Manifest
from zone_store.run.merge import merge
from zone_store.run.reader import RunReader
from zone_store.run.writer import RunWriter

START_NS = 1_795_273_200 * 10**9
CRAWLER, STRANGER = 0x7F630001, 0x7F630002


def make_run(folder: Path, parameters: dict[str, Any], start_ns: int = START_NS) -> Path:
    """Write a sealed run of one get_peers from the crawler's address and one of a stranger."""
    folder.mkdir()
    manifest = Manifest(
        montra_version="0.0.1", overlay="mainline", zone="a4/6", start_ns=start_ns, parameters=parameters
    )
    target = b"\xa4" + bytes(19)
    key = np.frombuffer(b"\xa4\x01" + bytes(18), np.uint8)[None].repeat(2, axis=0)
    zeros = np.zeros(2, np.uint16)
    with RunWriter(folder, manifest, "") as writer:
        writer.attachment(Attachment(1, target, 1, 1, target, 2, 2, start_ns, start_ns, start_ns, (), 0, ""))
        writer.captures(
            Captures(
                start_ns + np.arange(1, 3) * 10**9,
                np.ones(2, np.uint32),
                np.array([CRAWLER, STRANGER], np.uint32),
                zeros + 6881,
                np.zeros((2, 20), np.uint8),
                key,
                np.full(2, Kind.LOOKUP, np.uint8),
                zeros,
                zeros.astype(np.uint32),
                zeros,
            )
        )
        writer.seal(start_ns + 60 * 10**9, "done")
    return folder


OWN = {"addresses": {"crawler": "127.99.0.1:20880"}}


def test_traffic_from_the_crawlers_address_is_our_own(tmp_path: Path) -> None:
    assert attribute_run(make_run(tmp_path / "run", OWN)).by == {
        ("lookup", "own_traffic"): 1,
        ("lookup", "none"): 1,
    }
    assert attribute_run(make_run(tmp_path / "other", {})).by == {("lookup", "none"): 2}


def test_a_merged_run_knows_the_addresses_of_all_its_sources(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, OWN, START_NS + i * 180 * 10**9) for i, name in enumerate("abc")]
    merged = merge(runs[:2], tmp_path / "merged")
    assert attribute_run(merged).by == {("lookup", "own_traffic"): 2, ("lookup", "none"): 2}
    again = merge([merged, runs[2]], tmp_path / "again")
    assert attribute_run(again).by == {("lookup", "own_traffic"): 3, ("lookup", "none"): 3}


@pytest.mark.parametrize("other", [{"rule": RULE - 1}, {"span_ns": 1}, {"refresh_bits": 95}])
def test_lookups_that_were_made_otherwise_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: dict[str, int]
) -> None:
    run = make_run(tmp_path / "run", OWN)
    made: list[Path] = []

    def counted(folder: Path, workers: int | None) -> object:
        made.append(folder)
        return attribute_run(folder, workers)

    monkeypatch.setattr(analyze, "attribute_run", counted)
    attribute_if_needed(run)
    assert made == [run]  # none yet
    attribute_if_needed(run)
    assert made == [run]  # made the same way
    with RunReader(run) as reader:
        same = {"rule": RULE, "span_ns": 60 * 10**9, "refresh_bits": 96}
        write_lookups(run, attribute(reader, span_ns=60 * 10**9, refresh_bits=96), LookupsMade(**same | other))
    attribute_if_needed(run)
    assert made == [run, run]
    with RunReader(run) as reader:
        assert reader.lookups_made() == LookupsMade(**same, rows=2)
    (run / "lookups.lmdb" / "data.mdb").write_bytes(b"")
    attribute_if_needed(run)
    assert made == [run, run, run]


def test_the_summary_names_the_version_that_analysed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", OWN)
    analyze_runs([run])
    summary = json.loads((run / "analysis" / "analysis.json").read_text())
    assert (summary["run"]["montra_version"], summary["analysed_by"]) == ("0.0.1", __version__)


def test_any_number_of_workers_can_be_asked_for(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", OWN)
    alone = attribute_run(run)
    stored = (run / "lookups.lmdb" / "data.mdb").read_bytes()
    assert attribute_run(run, workers=2) == alone
    assert (run / "lookups.lmdb" / "data.mdb").read_bytes() == stored


def test_what_an_analysis_is_told_can_be_sent_to_another_process(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", OWN)
    attribute_run(run)
    given = given_of(run, privacy=Privacy(7, tmp_path / "key", (tmp_path / "places.mmdb",)))
    sent = pickle.dumps(given)
    assert len(sent) < 10_000
    assert pickle.loads(sent).version_name(0x4C540210) == "libtorrent 2.1.0"
    assert (given.least_people, given.pseudonym_key, given.places) == (
        7,
        tmp_path / "key",
        (tmp_path / "places.mmdb",),
    )
