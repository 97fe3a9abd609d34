"""The curve of thin fleets: what a lab's log says of announces, and labs put together."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from montra.validation.density import NONE, Disturbance, Point, Row, as_csv, curve, disturbance, point, table
from montra.validation.wilson import wilson
from zone_store.captures import Attachment

SETTINGS = {"out": "lab", "nodes": 2, "zone": "a4/6"}
KEY = "a5" * 20
SECOND = 1_000_000_000


def event(name: str, t_s: float, **fields: object) -> str:
    return json.dumps({"event": name, "t_ns": int(t_s * SECOND), **fields})


def log(folder: Path, *lines: str) -> Path:
    began = event("began", 0, schema=1, libtorrent="2.1.1", settings=SETTINGS)
    done = event("done", 99, reason="finished", lookups=0, announces=2, skipped=0, live=3, cpu_s=1.0, peak_rss_bytes=1)
    up = [event("node_up", 1, index=i, id=f"a{i}" + "00" * 19, ip=f"127.10.{i}.1", port=6881) for i in range(3)]
    (folder / "lab.jsonl").write_text("\n".join([began, *up, *lines, done]) + "\n")
    return folder


def packet(name: str, t_s: float, index: int, peer: str, method: str) -> str:
    return event(name, t_s, index=index, ip=peer, port=6881, key=KEY, method=method)


def test_what_announces_came_to(tmp_path: Path) -> None:
    command = {"ip": "127.10.0.1", "port": 6881, "noseed": False}
    found = disturbance(
        log(
            tmp_path,
            event("announce", 2, index=0, key=KEY, **command),
            event("announce", 2, index=0, key="a6" * 20, **command),  # never gets so far
            packet("sent", 2.5, 0, "127.10.1.1", "get_peers"),
            packet("sent", 2.75, 0, "127.100.0.9", "get_peers"),
            packet("sent", 4, 0, "127.10.1.1", "announce_peer"),
            packet("received", 4, 1, "127.10.0.1", "announce_peer"),
            packet("sent", 5, 0, "127.100.0.9", "announce_peer"),
        )
    )
    assert found == Disturbance(announces=2, delays_s=[1.5], real=[1], nearest=[1], at_monitors=1, libtorrent="2.1.1")


def lab(mode: str, every: int, seed: int, delays_s: list[float], **numbers: int) -> Point:
    of = Disturbance(
        announces=4, delays_s=delays_s, real=[8, 7, 8, 8], nearest=[8, 4, 8, 8], at_monitors=0, libtorrent="2"
    )
    copies = {numbers["captured"]: 2, 1: numbers["captured"] - 2} if numbers else {}
    return Point(mode=mode, every=every, seed=seed, disturbance=of, copies=copies, **numbers)


@pytest.fixture
def rows() -> list[Row]:
    numbers = {"monitored": 10, "targets": 40, "judged": 10, "captured": 9, "observed": 3, "inferred": 8}
    return curve(
        [
            lab("paper", 4, 1, [16.0, 16.0, 17.0, 18.0], **numbers),
            lab("least", 4, 1, [0.0, 0.0, 0.1, 0.2], **numbers),
            lab("least", 1, 1, [0.0] * 4, **numbers),
            lab("least", 4, 2, [0.5, 0.0, 0.0], **numbers | {"monitored": 6, "captured": 10, "inferred": 10}),
            lab(NONE, 1, 1, [0.0] * 4),
        ]
    )


def test_labs_of_one_density_are_added_up(rows: list[Row]) -> None:
    assert [(row.mode, row.every, row.seeds) for row in rows] == [
        (NONE, 1, 1),
        ("least", 1, 1),
        ("least", 4, 2),
        ("paper", 4, 1),
    ]
    thin = rows[2]
    assert thin.share == 16 / 80
    assert (thin.capture.hits, thin.capture.trials) == (19, 20)
    assert (thin.observed.hits, thin.inferred.hits, thin.inferred.trials) == (6, 18, 19)
    assert thin.copies == (2 * 9 + 7 + 2 * 10 + 8) / 19
    assert (thin.delay_s, thin.delay_p90_s) == (0.0, 0.5)
    assert (thin.announced.hits, thin.announced.trials) == (7, 8)
    assert (thin.real, thin.nearest) == (7.75, 28 / 32)
    assert math.isnan(rows[0].share)


def test_the_curve_as_text_and_as_csv(rows: list[Row]) -> None:
    header, alone, _, thin, _ = table(rows)
    assert alone[:3] == ("no monitors", "", "")
    assert dict(zip(header, thin, strict=True))["Monitored"] == "20%"
    read = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert [(row["mode"], row["every"], row["capture_hits"]) for row in read[2:]] == [
        ("least", "4", "19"),
        ("paper", "4", "9"),
    ]
    assert float(read[3]["delay_p90_s"]) == 18.0
    assert as_csv([]).count("\n") == 1


def test_targets_are_counted_as_the_window_left_them() -> None:
    five = wilson(3, 5)
    comparison = SimpleNamespace(capture=five, destination=five, inferred=five, copies=SimpleNamespace(counts={1: 3}))
    ended = [("sealed", 7), ("sealed", 0), ("sealed", 0), ("gone", 7), ("promoted", 0)]
    attachments = [Attachment(i, b"", 1, 1, b"", 0, port, 1, reason=why) for i, (why, port) in enumerate(ended)]
    of = Disturbance(announces=0, delays_s=[], real=[], nearest=[], at_monitors=0, libtorrent="2")
    made = point("least", 4, 1, comparison, attachments, of)  # type: ignore[arg-type]
    assert (made.monitored, made.targets) == (1, 3)
    assert (made.judged, made.captured, made.observed, made.inferred, made.copies) == (5, 3, 3, 3, {1: 3})
