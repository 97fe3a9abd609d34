"""Publishers estimated from a run beside those of the truth: both made up, so that the right answers are known."""

import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from montra.datagrams import ip_number
from montra.lab.kad.record import SCHEMA, FileRecord, KadRecord
from montra.lab.kad.settings import KadLabSettings
from montra.validation.judge import judge
from montra.validation.kad_truth import KadLookup, KadTruth
from montra.validation.republish import Republish, judge_republish
from montra.validation.truth import PUBLISH, SEARCH, Truth, TruthLookup, TruthNode
from zone_store.attribution import attribute, write_lookups
from zone_store.captures import Attachment, Captures, Kind
from zone_store.contents import What
from zone_store.keyspace.zone import Zone
from zone_store.run.folder import Manifest, create_run
from zone_store.run.reader import RunReader
from zone_store.run.writer import RunWriter

from .worlds import SECOND, at

PORT = 4672
INTERVAL_S = 900.0
NODES = 26
END_S = 3.3 * INTERVAL_S
FILES = {bytes([0xA4, 1]) + bytes(14): 20, bytes([0xA4, 2]) + bytes(14): 24, bytes([0xA4, 3]) + bytes(14): 5}

#: (seconds, node, key, kind, captured)
Row = tuple[float, int, bytes, Kind, bool]


def ip_of(index: int) -> int:
    return ip_number(f"100.64.{index}.1")


def nodes() -> dict[int, TruthNode]:
    return {
        i: TruthNode(i, bytes([0xA4, 16 * (i % 16), i]) + bytes(13), ip_of(i), PORT, at(0), client="aMule")
        for i in range(NODES)
    }


def rows(rng: random.Random, captured: float) -> list[Row]:
    """Return publishes of nodes that begin within one interval, and searches for other keys."""
    found: list[Row] = []
    for key, count in FILES.items():
        for node in range(count):
            t = rng.uniform(10, INTERVAL_S)
            while t < END_S - 70:
                found.append((t, node, key, Kind.PUBLISH, rng.random() < captured))
                t += INTERVAL_S + rng.uniform(0, 1)
    for i in range(200):
        key = bytes([0xA4, 99, i]) + bytes(13)
        found.append((rng.uniform(10, END_S - 70), i % NODES, key, Kind.SEARCH, i % 20 != 0))
    return sorted(found)


def world(parent: Path, made: list[Row]) -> tuple[Path, KadTruth]:
    """Write a sealed, attributed run of what was captured, and return it with the truth."""
    zone = Zone.parse("a4/8", 128)
    folder = create_run(parent, at(0), "kad", zone)
    copies = [row for row in made if row[4]]
    n = len(copies)
    with RunWriter(
        folder, Manifest(montra_version="0", overlay="kad", zone="a4/8", id_bits=128, start_ns=at(0)), ""
    ) as w:
        for i, node in nodes().items():
            times = at(1), at(1), at(1), ((at(2), 0),)
            w.attachment(Attachment(i + 1, node.node_id, node.ip, PORT, node.node_id, node.ip + 1, PORT, *times))
        w.captures(
            Captures(
                np.array([at(t + 0.2) for t, *_ in copies], np.int64),
                np.full(n, 1, np.uint32),
                np.array([ip_of(node) for _, node, *_ in copies], np.uint32),
                np.full(n, PORT, np.uint16),
                np.zeros((n, 16), np.uint8),
                np.array([list(key) for _, _, key, *_ in copies], np.uint8),
                np.array([kind for *_, kind, _ in copies], np.uint8),
                np.zeros(n, np.uint16),
                np.zeros(n, np.uint32),
                np.zeros(n, np.uint16),
            )
        )
        for name in ("status.csv", "log.jsonl"):
            (folder / name).touch()
        w.seal(at(END_S), "done")
    with RunReader(folder) as reader:
        write_lookups(folder, list(attribute(reader, span_ns=45 * SECOND, refresh_bits=129)))
    everyone = nodes()
    record = KadRecord(
        schema=SCHEMA,
        settings=KadLabSettings(out=parent, nodes=NODES, rate=20.0, publishers=tuple(FILES.values())),
        workload=None,
        client="aMule",
        nodes=(),
        files=tuple(
            FileRecord(name="", hash=key.hex(), size=1, words=(), publishers=tuple(range(count)))
            for key, count in FILES.items()
        ),
        words=(),
        orders=(),
        started_ns=at(0),
        went_ns=at(5),
        end_ns=at(END_S),
        cpu_s=0.0,
        unread=0,
        unseen=0,
    )
    truth = KadTruth(record, Truth("a4/8", everyone, [], end_ns=at(END_S), lasts_ns=10 * SECOND))
    for t, node, key, kind, _ in made:
        publish = kind == Kind.PUBLISH
        lookup = TruthLookup(
            at(t),
            everyone[node],
            key,
            publish,
            noseed=False,
            received={0: at(t + 0.1)},
            method=PUBLISH if publish else SEARCH,
        )
        truth.truth.lookups.append(lookup)
        what = What.SOURCE if publish else What.SEARCH_KEYWORD
        truth.lookups.append(KadLookup(lookup, at(t), what={what}))
    return folder, truth


def judged(parent: Path, captured: float) -> Republish:
    folder, truth = world(parent, rows(random.Random(3), captured))
    return judge_republish(folder, truth, judge(folder, truth.truth), INTERVAL_S)


def test_estimates_are_right_where_all_is_captured(tmp_path: Path) -> None:
    found = judged(tmp_path, 1.0)
    assert [(one.shared, one.publishers, one.requesters) for one in found.files] == [
        (24, 24, 24),
        (20, 20, 20),
        (5, 5, 5),
    ]
    assert [one.file for one in found.judged] == [(b"\xa4\x02" + bytes(14)).hex(), (b"\xa4\x01" + bytes(14)).hex()]
    assert 2.0 < found.intervals < 2.4
    assert found.gap_s == pytest.approx(20 * 900.5, rel=0.001)
    assert (found.capture.hits, found.capture.trials) == (190, 200)
    # All publishes were captured, 5 % of the searches were not: the correction adds 5 % that is not there.
    for one in found.judged:
        assert one.error == pytest.approx(1 / 0.95 - 1, abs=0.01)
        assert one.low <= one.publishers <= one.high
        assert one.captured == one.publishes
    assert found.flaw == ""
    assert [window.intervals for window in found.windows[:-1]] == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    assert found.windows[-1].intervals == found.intervals
    assert all(window.held.share >= 0.9 for window in found.windows)
    assert found.windows[0].spread > found.windows[3].spread


def test_misses_are_corrected_by_the_capture_of_other_lookups(tmp_path: Path) -> None:
    found = judged(tmp_path, 0.95)
    assert found.worst < 0.1
    assert sum(one.captured for one in found.files) < sum(one.publishes for one in found.files)


def test_what_shows_nothing_says_so(tmp_path: Path) -> None:
    found = judged(tmp_path, 1.0)
    far = replace(found.files[0], estimate=30.0, error=0.25)
    assert replace(found, files=[far]).flaw == "an estimate is 25.0% from the truth, more than 10%"
    assert replace(found, intervals=1.2).flaw == "the time judged is 1.20 republish intervals, not two"
    nothing = replace(found, files=found.files[2:])
    assert nothing.flaw == "no file had 20 publishers"
    assert math.isnan(nothing.worst)
