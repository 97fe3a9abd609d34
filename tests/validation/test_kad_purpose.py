"""The purpose of a lookup is told by the packets that follow it."""

from pathlib import Path

from montra.datagrams import ip_number
from montra.lab.kad.record import SCHEMA, KadRecord
from montra.lab.kad.settings import KadLabSettings, KadWorkload
from montra.validation.kad_purpose import judge_by_purpose
from montra.validation.kad_truth import KadTruth, Said
from montra.validation.truth import BUDDY, PUBLISH, SEARCH, Truth, TruthLookup, TruthNode
from zone_store.contents import What

SECOND = 10**9
KEY = b"\xa4" * 16
NODE = TruthNode(3, b"\xa5" * 16, ip_number("100.64.1.1"), 4672, 0)
RECORD = KadRecord(
    schema=SCHEMA, settings=KadLabSettings(out=Path("out"), nodes=3, rate=10.0, publishers=()), workload=KadWorkload(),
    client="aMuleD 2.3.3", nodes=(), files=(), words=(), orders=(), started_ns=5, went_ns=10, end_ns=10**12, cpu_s=1.0,
    unread=0, unseen=0,
)  # fmt: skip


def methods(lookups: list[tuple[float, str]], said: list[tuple[float, What]], key: bytes = KEY) -> list[str]:
    """Return the methods of lookups (seconds, as counted) after these packets (seconds, what) were taken in."""
    made = [TruthLookup(round(t * SECOND), NODE, KEY, method == PUBLISH, False, method=method) for t, method in lookups]
    told = [Said(round(t * SECOND), NODE.index, 1, 1, what, key, b"", 0, "") for t, what in said]
    kad = KadTruth(RECORD, Truth("a4/8", {NODE.index: NODE}, made), said=told)
    before = [lookup.method for lookup in made]
    changed = judge_by_purpose(kad)
    assert changed == sum(lookup.told for lookup in made)
    assert all(lookup.told or lookup.method == method for lookup, method in zip(made, before, strict=True))
    return [lookup.method for lookup in made]


def test_what_follows_decides() -> None:
    assert methods([(1, SEARCH)], [(2, What.SEARCH_KEYWORD)]) == [SEARCH]
    assert methods([(1, SEARCH)], [(2, What.SOURCE), (3, What.SOURCE)]) == [PUBLISH]
    assert methods([(1, PUBLISH)], [(2, What.SEARCH_NOTES)]) == [SEARCH]
    # the newest lookup that had begun by then, within its life of 16 s of ours
    assert methods([(1, PUBLISH), (10, PUBLISH)], [(11, What.SEARCH_SOURCE)]) == [PUBLISH, SEARCH]
    assert methods([(1, PUBLISH), (30, PUBLISH)], [(12, What.SEARCH_SOURCE)]) == [SEARCH, PUBLISH]

    assert methods([(1, PUBLISH)], [(2, What.BUDDY)]) == [BUDDY]


def test_where_it_does_not_tell_the_count_stands() -> None:
    assert methods([(1, SEARCH)], []) == [SEARCH]
    assert methods([(1, SEARCH)], [(0.5, What.SOURCE), (17.1, What.SOURCE)]) == [SEARCH]
    assert methods([(1, SEARCH)], [(2, What.SOURCE)], key=b"\xa6" * 16) == [SEARCH]
    assert methods([(1, SEARCH)], [(2, What.SOURCE), (3, What.SEARCH_SOURCE)]) == [SEARCH]
    both = [(1.0, SEARCH), (1.1, PUBLISH)]
    assert methods(both, [(2, What.SEARCH_KEYWORD), (3, What.KEYWORD)]) == [SEARCH, PUBLISH]
