"""What is measured of stores and searches in a private Kad network, and what the extended technique made out there."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from montra.lab.kad.population import KadNode
from montra.lab.kad.record import FileRecord, KadRecord
from montra.lab.kad.settings import KadLabSettings
from montra.validation.kad_disruption import NONE, Measures, measure, summarize, table
from montra.validation.kad_identified import identified, pooled
from montra.validation.kad_truth import KadLookup, KadTruth, Said
from montra.validation.student import mean_of
from montra.validation.truth import PUBLISH, SEARCH, Truth, TruthLookup, TruthNode
from zone_store.contents import Content, What

SECOND = 10**9
WENT_NS = 100 * SECOND
WORD, FILE, LONELY, HELPER = (bytes([0xA4, n]) * 8 for n in (1, 2, 3, 4))
NODES = [TruthNode(i, bytes([0xA4, i]) + bytes(14), 0x64400101 + i, 4672, 0) for i in range(13)]


def lookup(t_s: float, key: bytes, method: str, **came: object) -> KadLookup:
    """Return a lookup by node 12 which three nodes received."""
    t_ns = WENT_NS + round(t_s * SECOND)
    one = TruthLookup(t_ns, NODES[12], key, announce=method == PUBLISH, noseed=False, method=method)
    one.received |= dict.fromkeys((0, 1, 2), t_ns)
    found = KadLookup(one, t_ns)
    for name, value in came.items():
        setattr(found, name, value)
    one.stored |= set(found.told) if method == PUBLISH else set()
    return found


def truth(tmp_path: Path) -> KadTruth:
    """Return a truth of a clock twice as fast: two stores (one at no node), two searches, one search for a helper."""

    def after(t_s: float) -> int:
        return WENT_NS + round(t_s * SECOND)

    record = KadRecord(
        schema=1,
        settings=KadLabSettings(out=tmp_path, nodes=13, rate=2.0, publishers=(1,)),
        workload=None,
        client="amuled 2.3.3",
        nodes=tuple(KadNode(index=node.index, id=node.node_id.hex(), ip="100.64.1.1", udp_key=1) for node in NODES),
        files=(FileRecord(name="x", hash=FILE.hex(), size=700, words=(), publishers=(1,)),),
        words=(),
        orders=(),
        started_ns=0,
        went_ns=WENT_NS,
        end_ns=after(100),  # so that stores from 20 s on, searches from 70 s on are cut off
        cpu_s=1.0,
        unread=0,
        unseen=0,
    )
    lookups = [
        lookup(-5, WORD, PUBLISH),  # before the workload
        lookup(
            0,
            WORD,
            PUBLISH,
            what={What.KEYWORD},
            told={0: after(4), 1: after(9), 11: after(6)},
            acknowledged={0: after(5)},
        ),
        lookup(1, FILE, PUBLISH),
        lookup(2, HELPER, PUBLISH, what={What.BUDDY}, told={5: after(3)}),
        lookup(3, WORD, SEARCH, told={0: after(4), 1: after(5)}, results=4, first_result_ns=after(3.5)),
        lookup(6, LONELY, SEARCH, told={0: after(7)}),
        lookup(21, WORD, PUBLISH, what={What.KEYWORD}, told={0: after(22)}),
        lookup(71, WORD, SEARCH, told={0: after(72)}),
    ]
    said = [
        Said(after(4), 12, 1, 1, What.KEYWORD, WORD, FILE, 700, "x"),
        Said(after(4), 12, 1, 1, What.BUDDY, HELPER, b"", 0, ""),
        Said(after(5), 12, NODES[0].ip, 1, What.KEYWORD, WORD, FILE, 700, "x"),
        Said(after(22), 11, 1, 1, What.KEYWORD, WORD, FILE, 700, "x"),  # of a lookup that is not measured
    ]
    world = Truth("a4/8", dict(enumerate(NODES)), [one.lookup for one in lookups], WENT_NS, after(100), "finished")
    return KadTruth(record, world, lookups, said)


def test_times_are_of_the_clients_clock_and_the_ten_nearest_are_of_others(tmp_path: Path) -> None:
    found = measure(truth(tmp_path))
    assert (found.stores, found.failed, found.searches, found.found) == (2, 0.5, 2, 0.5)
    assert (found.store_s, found.first_store_s, found.to_monitors) == (18.0, 8.0, 0.5)
    # WORD begins with a4 01: the nearest are 1, 0, 3, 2, 5, 4, 7, 6, 9, 8
    assert (found.stored_at, found.nearest, found.acknowledged, found.store_asked) == (3, 2, 1, 3)
    assert (found.first_result_s, found.results, found.searched_at) == (1.0, 2.0, 1.5)


def test_a_network_in_which_nothing_happened(tmp_path: Path) -> None:
    empty = truth(tmp_path)
    empty.lookups.clear()
    found = measure(empty)
    assert found.stores == found.searches == 0
    assert math.isnan(found.store_s)
    assert math.isnan(found.failed)


def networks(*store_s: float) -> list[Measures]:
    numbers = dict.fromkeys(Measures.__dataclass_fields__, 1.0)
    return [Measures(**{**numbers, "store_s": value}) for value in store_s]  # type: ignore[arg-type]


def test_differences_are_of_the_same_networks() -> None:
    rows = {
        (row.arm, row.measure): row
        for row in summarize(
            {NONE: networks(10, 20, 30), "silent": networks(12, 22, 35), "once": networks(11, math.nan)}
        )
    }
    silent = rows["silent", "store_s"]
    assert silent.value.mean == 23
    assert (silent.more.mean, silent.more.n) == (3, 3)
    assert silent.more.low == pytest.approx(3 - 4.303 * math.sqrt(3) / math.sqrt(3), abs=1e-9)
    assert rows["once", "store_s"].more.n == 1
    assert math.isnan(rows["once", "store_s"].more.low)
    assert math.isnan(rows[NONE, "store_s"].more.mean)


def test_the_table_has_a_line_for_each_kind_of_monitors() -> None:
    lines = table(summarize({NONE: networks(10, 20), "silent": networks(12, 23)}))
    assert lines[1:3] == [
        ("Store: first request to last publish (s)", "none", "15.0 (-48.5 to 78.5)", ""),
        ("", "silent", "17.5 (-52.4 to 87.4)", "+2.5 (-3.9 to 8.9)"),
    ]


def test_students_interval() -> None:
    found = mean_of([1.0, 2.0, 3.0, math.nan])
    assert (found.mean, found.n) == (2.0, 3)
    assert found.high == pytest.approx(2 + 4.303 / math.sqrt(3))
    assert mean_of([4.0]).n == 1
    assert math.isnan(mean_of([]).mean)
    assert mean_of([0.0, 1.0] * 100).high == pytest.approx(0.5 + 1.96 * 0.50125 / math.sqrt(200), rel=1e-3)


def test_content_ids_made_out_rightly(tmp_path: Path) -> None:
    contents = [
        Content(1, 1, 1, 1, What.KEYWORD, WORD, FILE, 700),
        Content(1, 1, 1, 1, What.SEARCH_SOURCE, LONELY, LONELY, 0),
        Content(1, 1, 1, 1, What.BUDDY, HELPER),
    ]
    found = identified(truth(tmp_path), contents)
    assert (found.all.hits, found.all.trials) == (2, 3)
    assert (found.published.hits, found.published.trials) == (2, 2)
    assert (found.searched.hits, found.searched.trials) == (1, 2)
    assert (found.wrong, found.buddies) == (0, 1)
    both = pooled([found, found])
    assert (both.all.hits, both.all.trials, both.buddies) == (4, 6, 2)


def test_a_wrong_size_and_a_file_that_is_a_keyword_are_wrong(tmp_path: Path) -> None:
    contents = [
        Content(1, 1, 1, 1, What.SOURCE, FILE, FILE, 701),
        Content(1, 1, 1, 1, What.SOURCE, WORD, WORD, 5),
        Content(1, 1, 1, 1, What.SEARCH_KEYWORD, LONELY),
    ]
    found = identified(truth(tmp_path), contents)
    assert (found.all.hits, found.wrong) == (0, 3)
