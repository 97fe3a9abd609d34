"""A small run against a small truth, through the real store and the real attribution."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from montra.datagrams import ip_number
from montra.lab.events import FIND_NODE, Event
from montra.validation.compare import compare
from montra.validation.comparison import Cause
from montra.validation.tables import document, rows, text, why_missed
from montra.validation.truth import Truth, TruthLookup, TruthNode
from zone_store.captures import Flag, Kind
from zone_store.run.folder import RunError

from .worlds import (
    asks,
    at,
    attachment,
    down,
    hears,
    id_of,
    key_of,
    monitor_ip,
    node_ip,
    sends,
    up,
    write_run,
    write_truth,
)

#: Nodes a4, a5, a6, a7 (1 to 4) of the zone a4/6, and 10 (9) outside it.
NODES: list[Event] = [up(1, 0xA4), up(2, 0xA5), up(3, 0xA6), up(4, 0xA7), up(9, 0x10)]
BESIDE = [attachment(1, 1, 0xA4), attachment(2, 2, 0xA5), attachment(3, 3, 0xA6), attachment(4, 4, 0xA7, ())]


def test_captures_destinations_and_reasons(tmp_path: Path) -> None:
    truth = write_truth(
        tmp_path / "lab",
        [
            *NODES,
            # captured and right: a5 received it, its monitor and a4's too
            asks(9, 0xA5, 10.0),
            *(hears(index, 9, 0xA5, 10.01) for index in (1, 2)),
            # captured, but a7 received it too and its monitor is not visible
            asks(9, 0xA7, 11.0, announce=True),
            *(hears(index, 9, 0xA7, 11.01) for index in (3, 4)),
            # captured, but the packet to a5's monitor went astray
            asks(1, 0xA5, 12.0),
            hears(2, 1, 0xA5, 12.01),
            sends(1, monitor_ip(2), 20000, 0xA5, 12.01),
            # missed altogether
            asks(3, 0xA4, 13.0),
            hears(1, 3, 0xA4, 13.01),
            # the requester itself is the destination
            asks(2, 0xA5, 14.0),
            *(hears(index, 2, 0xA5, 14.01) for index in (1, 2)),
        ],
    )
    run = write_run(
        tmp_path / "runs",
        BESIDE,
        [
            (10.01, 1, 9, 0xA5),
            (10.02, 2, 9, 0xA5),
            (11.01, 3, 9, 0xA7),
            (12.01, 1, 1, 0xA5),
            (14.01, 1, 2, 0xA5),
            (14.01, 2, 2, 0xA5),
            (14.01, 3, 2, 0xA5),
            (50.0, 1, 8, 0xA4),
        ],
    )
    comparison = compare(run, truth, since_ns=at(5))
    assert (comparison.capture.hits, comparison.capture.trials) == (4, 5)
    assert (comparison.capture_lookups.hits, comparison.capture_lookups.trials) == (3, 4)
    assert (comparison.capture_announces.hits, comparison.capture_announces.trials) == (1, 1)
    assert (comparison.destination.hits, comparison.destination.trials) == (2, 4)
    assert comparison.capture_misses == {"never_came_near": 1}
    assert comparison.destination_misses == {"lost": 1, "not_visible": 1}
    assert comparison.copies.counts == {1: 2, 2: 1, 3: 1}
    assert (comparison.copies.mean, comparison.copies.median) == (1.75, 1.5)
    assert comparison.excluded == {}
    assert (comparison.reached_closest.hits, comparison.reached_closest.trials) == (5, 5)
    assert (comparison.split, comparison.misfiled) == (0, 0)
    assert (comparison.since_ns, comparison.until_ns) == (at(5), at(90))
    assert comparison.coverage == pytest.approx(0.75)
    assert comparison.arrivals.nodes == 0

    # a5 three times, a7 and a4 once: captured 3 of 3, 1 of 1, 0 of 1
    assert (comparison.keys, comparison.destinations) == (3, 3)
    assert (comparison.capture_by_key.clusters, comparison.capture_by_key.trials) == (3, 5)
    assert comparison.capture_by_key.effective == pytest.approx(25 / 11)  # each key wholly right or wrong: rho is 1
    assert (comparison.destination_by_key.clusters, comparison.destination_by_key.trials) == (2, 4)
    assert (comparison.counted.hits, comparison.counted.trials) == (4, 5)
    # the row of node 8 at 50 s is no command's
    assert (comparison.unexplained.hits, comparison.unexplained.trials) == (1, 5)
    assert (comparison.ended, comparison.skipped, comparison.flaw) == ("finished", 0, "")

    # what attribution infers is its own affair; it is judged by the same truth
    assert comparison.inferred.trials == 4
    assert comparison.inferred.hits + sum(comparison.inferred_misses.values()) == 4
    assert comparison.causes[0] == Cause(
        "capture",
        "never_came_near",
        1,
        1.0,
        0.2,
        "its monitor was visible, but the requester did not ask it",
        {"libtorrent": 1},
    )
    assert [(cause.what, cause.share, cause.of_all) for cause in comparison.causes[1:3]] == [
        ("destination", 0.5, 0.25),
        ("destination", 0.5, 0.25),
    ]
    assert [(group.by, group.name, str(group.capture)) for group in comparison.groups] == [
        ("requester's client", "libtorrent", "80.0% (4 of 5; 95 % 37.6% to 96.4%)"),
        ("target's client", "libtorrent", "80.0% (4 of 5; 95 % 37.6% to 96.4%)"),
    ]

    told = json.loads(document(comparison))
    assert told["causes"][0]["cause"] == "never_came_near"
    assert ["Captured in parts", "0"] in told["facts"]
    assert told["capture"]["hits"] == 4
    assert told["copies"]["counts"] == {"1": 2, "2": 1, "3": 1}
    assert told["arrivals"]["median_s"] is None
    table = dict(rows(comparison))
    assert table["Lookups captured"] == "80.0% (4 of 5; 95 % 37.6% to 96.4%)"
    assert table["Not counted"] == "none"
    assert table["Copies of a lookup"] == "mean 1.8, median 1.5"
    assert table["Commands"] == "5 given, 0 skipped, 5 judged"
    assert table["Distinct, of those judged"] == "3 keys, 3 destinations"
    assert table["Lookups that nobody made"] == "20.0% (1 of 5; 95 % 3.6% to 62.4%)"
    assert table["True completeness of crawls"] == "median unknown, least unknown of 0"
    assert table["  own estimate, interval held truth"] == "median unknown, 0 of 0"
    assert "Start to visible" not in table
    first, missed, groups = (part.splitlines() for part in text(comparison).split("\n\n"))
    assert len(first) == len(rows(comparison))
    assert len({len(line) - len(value) for (_, value), line in zip(rows(comparison), first, strict=True)}) == 1
    assert why_missed(comparison)[1] == (
        "not captured",
        "never came near",
        "1",
        "100.0%",
        "20.00%",
        "libtorrent 1",
        "its monitor was visible, but the requester did not ask it",
    )
    assert [len(missed), len(groups)] == [1 + len(comparison.causes), 3]
    assert missed[1].startswith("not captured          never came near  1      100.0%    20.00%  libtorrent 1")


def test_what_cannot_be_judged_is_left_out_by_name(tmp_path: Path) -> None:
    truth = write_truth(
        tmp_path / "lab",
        [
            *NODES,
            asks(9, 0x20, 10.0),
            asks(9, 0xA5, 10.0),
            hears(1, 9, 0xA5, 10.1),
            asks(3, 0xA5, 30.0),
            hears(1, 3, 0xA5, 30.1),
            asks(9, 0xA4, 31.0),
            down(3, 0xA6, 32.0),
            asks(1, 0xA5, 88.0),
            hears(1, 1, 0xA5, 88.1),
        ],
    )
    comparison = compare(write_run(tmp_path / "runs", BESIDE, []), truth, since_ns=at(20))
    assert comparison.lookups == 5
    assert comparison.excluded == {
        "before_attached": 1,
        "cut_off_by_end": 1,
        "outside_zone": 1,
        "reached_nobody": 1,
        "requester_left": 1,
    }
    assert comparison.capture.trials == 0
    assert comparison.flaw == "none of the 5 lookups could be judged"
    assert math.isnan(comparison.copies.mean)
    assert "unknown" in dict(rows(comparison))["Copies of a lookup"]


def test_copies_count_only_for_their_own_requester_key_and_time(tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "lab", [*NODES, asks(9, 0xA5, 20.0), hears(2, 9, 0xA5, 20.1)])
    strangers = [(19.0, 2, 9, 0xA5), (20.1, 2, 8, 0xA5), (20.1, 2, 9, 0xA4), (85.0, 2, 9, 0xA5)]
    comparison = compare(write_run(tmp_path / "runs", BESIDE, strangers), truth)
    assert comparison.capture.hits == 0
    late = compare(write_run(tmp_path / "other", BESIDE, [(85.0, 2, 9, 0xA5)]), truth, window_s=66.0)
    assert late.capture.hits == 1


def test_a_lookup_captured_in_parts_is_one(tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "lab", [*NODES, asks(9, 0xA5, 20.0), hears(2, 9, 0xA5, 20.1)], end_s=200.0)
    parts = [(20.1, 1, 9, 0xA5), (81.0, 2, 9, 0xA5)]
    comparison = compare(write_run(tmp_path / "runs", BESIDE, parts, end_s=150.0), truth, window_s=70.0)
    # its other part is a lookup too many, and bears the wrong destination out
    assert (comparison.capture.hits, comparison.destination.hits, comparison.split) == (1, 0, 1)
    assert (comparison.unexplained.hits, comparison.unexplained.trials) == (1, 2)
    assert comparison.copies.counts == {1: 1}


def test_a_lookup_that_attribution_takes_for_maintenance_is_captured_but_told(tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "lab", [*NODES, asks(9, 0xA5, 20.0), hears(2, 9, 0xA5, 20.1)])
    run = write_run(tmp_path / "runs", BESIDE, [(20.1, 2, 9, 0xA5)], flags=int(Flag.BOOTSTRAP))
    comparison = compare(run, truth)
    assert (comparison.capture.hits, comparison.misfiled) == (1, 1)
    assert dict(rows(comparison))["Taken for maintenance"] == "1"
    assert (comparison.counted.hits, comparison.unexplained.trials) == (0, 0)


def test_a_target_attached_twice_is_the_same_destination(tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "lab", [*NODES, asks(9, 0xA5, 20.0), hears(2, 9, 0xA5, 20.1)])
    again = [attachment(2, 2, 0xA5, ((4.0, 9.0),), lost_s=9.0), attachment(7, 2, 0xA5, monitor=("127.190.50.7", 20003))]
    comparison = compare(write_run(tmp_path / "runs", again, [(20.1, 7, 9, 0xA5)]), truth)
    assert (comparison.destination.hits, comparison.destination.trials) == (1, 1)


def test_arrivals_are_those_after_convergence(tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "lab", [*NODES, down(1, 0xA4, 20.0), up(5, 0xA6, 20.0), up(6, 0x20, 21.0)])
    beside = [*BESIDE, attachment(5, 5, 0xA6, ((26.5, 0.0),), found_s=24.0, introduced_s=24.1)]
    comparison = compare(write_run(tmp_path / "runs", beside, []), truth)
    assert (comparison.arrivals.nodes, comparison.arrivals.visible) == (1, 1)
    assert comparison.arrivals.median_s == pytest.approx(6.5)
    table = dict(rows(comparison))
    assert table["Arrivals made visible, unseen"] == "1 of 1, 0 left before, 0 at the end"
    assert table["Start to visible"] == "median 6.5 s, 90 % within 6.5 s"


def test_a_command_that_is_not_judged_explains_its_lookup_all_the_same(tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "lab", [*NODES, asks(9, 0xA5, 20.0)])
    comparison = compare(write_run(tmp_path / "runs", BESIDE, [(20.1, 2, 9, 0xA5)]), truth)
    assert comparison.excluded == {"reached_nobody": 1}
    assert (comparison.unexplained.hits, comparison.unexplained.trials) == (0, 1)
    assert "reached nobody" in dict(rows(comparison))["Not counted"]


def test_a_workload_that_did_not_run_as_asked_for_is_told(tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "lab", [*NODES, asks(9, 0xA5, 20.0), hears(2, 9, 0xA5, 20.1)])
    comparison = compare(write_run(tmp_path / "runs", BESIDE, []), truth)
    assert comparison.flaw == ""
    assert replace(comparison, lookups=19, skipped=1).flaw == ""
    assert replace(comparison, lookups=18, skipped=1).flaw == (
        "the workload skipped 1 of 19 commands: too few free requesters"
    )
    assert replace(comparison, ended="max_life").flaw == "the workload did not finish: max_life"


def test_a_run_without_lookups_is_refused(tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "lab", NODES)
    with pytest.raises(RunError, match="analyze it first"):
        compare(write_run(tmp_path / "runs", BESIDE, [], analyzed=False), truth)


def test_a_truth_of_others_is_judged_by_client_and_label(tmp_path: Path) -> None:
    """Two requesters of different clients: rTorrent asks with find_node, the other is behind a NAT and missed."""
    nodes = {
        1: TruthNode(1, id_of(0xA4), ip_number(node_ip(1)), 6881, at(0), client="aria2"),
        2: TruthNode(2, id_of(0xA5), ip_number(node_ip(2)), 6881, at(0), client="aria2"),
        8: TruthNode(8, id_of(0x20), ip_number(node_ip(8)), 6881, at(0), client="transmission", labels={"nat": "cone"}),
        9: TruthNode(9, id_of(0x10), ip_number(node_ip(9)), 6881, at(0), client="rtorrent"),
    }
    lookups = [
        TruthLookup(at(10), nodes[9], key_of(0xA5), False, False, {1: at(10), 2: at(10)}, method=FIND_NODE),
        TruthLookup(at(11), nodes[8], key_of(0xA5), False, False, {1: at(11)}),
    ]
    run = write_run(tmp_path / "runs", BESIDE, [(10.1, 2, 9, 0xA5)], kind=Kind.NODE_LOOKUP)
    comparison = compare(run, Truth("a4/6", nodes, lookups, name="packets"))
    assert (comparison.truth, comparison.until_ns, comparison.flaw) == ("packets", at(90), "")
    assert (comparison.capture.hits, comparison.capture.trials, comparison.unexplained.trials) == (1, 2, 0)
    assert (comparison.destination.hits, comparison.destination.trials) == (1, 1)
    assert [(one.by, one.name, one.capture.hits, one.capture.trials) for one in comparison.groups] == [
        ("requester's client", "rtorrent", 1, 1),
        ("requester's client", "transmission", 0, 1),
        ("requester's nat", "cone", 0, 1),
        ("target's client", "aria2", 1, 2),
    ]
    assert [(cause.cause, cause.by_client) for cause in comparison.causes] == [("never_came_near", {"transmission": 1})]
