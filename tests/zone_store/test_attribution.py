"""Attribution of hand-made captures, and against a straightforward oracle that goes copy by copy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zone_store.attribution import attribute
from zone_store.captures import Attachment, Captures, Flag, Kind, Lookups, Maintenance
from zone_store.keyspace.ids import common_prefix_length, xor_distance
from zone_store.run.folder import Manifest, RunError

SECOND = 1_000_000_000
SPAN = 60 * SECOND
ALICE, BOB = (0x0A000001, 6881), (0x0A000002, 6882)


@dataclass(slots=True)
class Row:
    """One captured copy."""

    time_ns: int
    attachment: int
    key: bytes
    source: tuple[int, int] = ALICE
    kind: int = Kind.LOOKUP
    requester_id: bytes = b"\x00\x00"
    flags: int = 0
    version: int = 0


def captures_of(rows: list[Row], id_bytes: int) -> Captures:
    def ids(values: list[bytes]) -> np.ndarray:
        return np.frombuffer(b"".join(values), np.uint8).reshape(len(rows), id_bytes)

    return Captures(
        time_ns=np.array([r.time_ns for r in rows], np.int64),
        attachment=np.array([r.attachment for r in rows], np.uint32),
        source_ip=np.array([r.source[0] for r in rows], np.uint32),
        source_port=np.array([r.source[1] for r in rows], np.uint16),
        requester_id=ids([r.requester_id for r in rows]),
        key=ids([r.key for r in rows]),
        kind=np.array([r.kind for r in rows], np.uint8),
        flags=np.array([r.flags for r in rows], np.uint16),
        version=np.array([r.version for r in rows], np.uint32),
        port=np.zeros(len(rows), np.uint16),
    )


class MemoryRun:
    """A run in memory, read in batches of `batch_rows`."""

    def __init__(
        self,
        rows: list[Row],
        attachments: list[Attachment],
        zone: str = "8/1",
        id_bytes: int = 2,
        batch_rows: int = 999,
    ) -> None:
        self.manifest = Manifest(montra_version="1", overlay="mainline", zone=zone, id_bits=id_bytes * 8, start_ns=0)
        self._captures = captures_of(rows, id_bytes)
        self._attachments = attachments
        self._batch_rows = batch_rows

    def captures(self) -> Iterator[Captures]:
        for start in range(0, len(self._captures), self._batch_rows):
            yield self._captures.take(np.arange(start, min(start + self._batch_rows, len(self._captures))))

    def each_attachment(self) -> Iterator[Attachment]:
        return iter(self._attachments)


def attached(number: int, target_id: bytes, begin: int = 1, end: int = 0) -> Attachment:
    monitor_id = target_id[:-1] + bytes([target_id[-1] ^ 1])
    return Attachment(number, target_id, number, 1, monitor_id, 1000 + number, 1, begin, begin, begin, (), end)


def lookups_of(run: MemoryRun, step_rows: int = 1, **settings: object) -> list[dict[str, object]]:
    """Attribute and return plain rows, the order checked."""
    options = {"span_ns": SPAN, "refresh_bits": 16, "own_ips": (), "step_rows": step_rows} | settings
    found: list[dict[str, object]] = []
    for table in attribute(run, **options):  # type: ignore[arg-type]
        found += as_rows(table)
    order = [(r["time_ns"], r["source_ip"], r["source_port"], r["key"], r["kind"]) for r in found]
    assert order == sorted(order)
    return found


def as_rows(table: Lookups) -> list[dict[str, object]]:
    def plain(value: object) -> object:
        return value.tobytes() if isinstance(value, np.ndarray) else value.item()  # type: ignore[attr-defined]

    return [{f.name: plain(getattr(table, f.name)[i]) for f in fields(table)} for i in range(len(table))]


A, B, C = b"\x80\x00", b"\x80\x10", b"\xc0\x00"
THREE = [attached(1, A), attached(2, B), attached(3, C)]


def test_two_requesters_of_one_key_are_two_lookups_with_the_closest_receiver_as_destination() -> None:
    key = b"\x80\x18"
    rows = [
        Row(10 * SECOND, 3, key, requester_id=b"\x11\x11", version=5, flags=Flag.NO_SEED),
        Row(11 * SECOND, 2, key, requester_id=b"\x11\x11", version=6, flags=Flag.WANT_V4),
        Row(11 * SECOND, 1, key, BOB, requester_id=b"\x33\x33", version=7),
        Row(12 * SECOND, 2, key, requester_id=b"\x11\x11"),
    ]
    first, second = lookups_of(MemoryRun(rows, THREE))
    assert first == {
        "time_ns": 10 * SECOND,
        "last_ns": 12 * SECOND,
        "source_ip": ALICE[0],
        "source_port": ALICE[1],
        "requester_id": b"\x11\x11",
        "key": key,
        "kind": Kind.LOOKUP,
        "flags": Flag.NO_SEED | Flag.WANT_V4,
        "version": 5,
        "copies": 2,
        "packets": 3,
        "destination": 2,
        "closest": 2,
        "rank": 0,
        # B is 0x0008 from the key, C is 0x4018.
        "margin": pytest.approx(math.log2(0x4018 / 0x0008)),
        "maintenance": Maintenance.NODE_ID,  # of two bytes the key shares the first with B
        "inferred": 2,
        "confidence": pytest.approx(0.998),
    }
    assert (second["source_ip"], second["destination"], second["closest"], second["rank"]) == (BOB[0], 1, 2, 1)
    assert (second["copies"], second["packets"], second["margin"]) == (1, 1, math.inf)


@pytest.mark.parametrize(("gap", "lookups"), [(SPAN, 1), (SPAN + 1, 2)])
def test_a_gap_over_the_span_begins_a_new_lookup(gap: int, lookups: int) -> None:
    rows = [Row(SECOND, 1, A), Row(SECOND + gap, 2, A)]
    assert [row["packets"] for row in lookups_of(MemoryRun(rows, THREE))] == [2 // lookups] * lookups


def test_where_queries_name_no_sender_the_kind_tells_whose_lookup_it_is() -> None:
    key, unknown = b"\x80\x31\x41\x59\x26\x53\x58\x97", b"\0" * 8
    target = b"\x80\x31\x41\x59\xff\xff\xff\xff"
    own_id = target[:7] + b"\x01"
    kinds = (Kind.SEARCH, Kind.PUBLISH, Kind.NODE_LOOKUP)
    rows = [Row(i * SECOND, 1, key, kind=kind, requester_id=unknown) for i, kind in enumerate(kinds, 1)]
    rows += [Row(4 * SECOND, 1, own_id, kind=Kind.NODE_LOOKUP, requester_id=unknown)]
    rows += [Row(5 * SECOND, 1, key, BOB, kind=Kind.NODE_LOOKUP, requester_id=unknown)]
    rows += [Row(6 * SECOND, 1, b"\0" * 8, kind=Kind.PUBLISH, requester_id=unknown)]
    run = MemoryRun(rows, [attached(1, target)], id_bytes=8)
    found = lookups_of(run, refresh_bits=65, own_ips={BOB[0]})
    assert [(row["kind"], row["maintenance"]) for row in found] == [
        (Kind.SEARCH, Maintenance.NONE),
        (Kind.PUBLISH, Maintenance.NONE),
        (Kind.NODE_LOOKUP, Maintenance.NODE_LOOKUP),
        (Kind.NODE_LOOKUP, Maintenance.NODE_ID),
        (Kind.NODE_LOOKUP, Maintenance.OWN_TRAFFIC),
        (Kind.PUBLISH, Maintenance.OUTSIDE_ZONE),
    ]
    # An ID of all zeros is one like others where queries do name it.
    (row,) = lookups_of(MemoryRun(rows[:1], [attached(1, target)], id_bytes=8), refresh_bits=0)
    assert row["maintenance"] == Maintenance.OWN_ID


def test_an_endless_series_of_copies_is_cut_at_the_longest_lookup() -> None:
    rows = [Row(i * 40 * SECOND, 1, A) for i in range(1, 41)]
    found = lookups_of(MemoryRun(rows, THREE, batch_rows=7), longest_ns=600 * SECOND)
    assert [(row["time_ns"], row["packets"]) for row in found] == [
        (40 * SECOND, 16),
        (680 * SECOND, 16),
        (1320 * SECOND, 8),
    ]
    assert lookups_of(MemoryRun(rows, THREE), step_rows=999, longest_ns=600 * SECOND) == found
    assert lookups_of(MemoryRun(rows, THREE)) == found  # ten spans, if not said


def test_an_announce_is_a_row_of_its_own() -> None:
    rows = [Row(SECOND, 1, A), Row(2 * SECOND, 1, A, kind=Kind.ANNOUNCE), Row(3 * SECOND, 1, A, kind=Kind.NODE_LOOKUP)]
    assert [row["kind"] for row in lookups_of(MemoryRun(rows, THREE))] == [
        Kind.LOOKUP,
        Kind.ANNOUNCE,
        Kind.NODE_LOOKUP,
    ]


def test_a_symmetric_nat_is_one_requester_at_many_ports() -> None:
    rows = [Row(SECOND, 1, A), Row(2 * SECOND, 2, A, (ALICE[0], 7000)), Row(3 * SECOND, 3, A, (ALICE[0], 7001))]
    (row,) = lookups_of(MemoryRun(rows, THREE))
    assert (row["source_port"], row["copies"], row["packets"]) == (6881, 3, 3)


def test_two_requesters_behind_one_address_are_told_apart_by_their_ids() -> None:
    rows = [
        Row(SECOND, 1, A, requester_id=b"\x11\x11"),
        Row(SECOND, 2, A, requester_id=b"\x22\x22"),
        Row(2 * SECOND, 2, A, requester_id=b"\x11\x11"),
    ]
    found = lookups_of(MemoryRun(rows, THREE))
    assert [(row["requester_id"], row["packets"]) for row in found] == [(b"\x11\x11", 2), (b"\x22\x22", 1)]


def test_destination_is_by_xor_not_by_difference() -> None:
    # From 0x8800 the number 0x8780 is 0x80 away and 0x8a00 is 0x200; by XOR it is 0x0f80 against 0x0200.
    targets = [attached(1, b"\x87\x80"), attached(2, b"\x8a\x00")]
    rows = [Row(SECOND, 1, b"\x88\x00"), Row(SECOND, 2, b"\x88\x00")]
    (row,) = lookups_of(MemoryRun(rows, targets))
    assert (row["destination"], row["closest"], row["rank"]) == (2, 2, 0)


def test_one_target_attached_twice_counts_as_one_monitor_and_names_the_first_attachment() -> None:
    targets = [attached(1, C), attached(4, A, 1, 30 * SECOND), attached(7, A, 30 * SECOND)]
    rows = [Row(29 * SECOND, 4, A), Row(31 * SECOND, 7, A), Row(32 * SECOND, 1, A)]
    (row,) = lookups_of(MemoryRun(rows, targets))
    assert (row["destination"], row["closest"], row["copies"], row["packets"]) == (4, 4, 2, 3)
    assert row["margin"] == math.inf  # the key is the target's own ID: distance 0


@pytest.mark.parametrize(
    ("begin", "end", "closest", "rank"),
    [
        (5 * SECOND, 0, 2, 1),  # attached from the very moment on
        (5 * SECOND + 1, 0, 1, 0),  # not yet
        (1, 5 * SECOND, 1, 0),  # no more
        (1, 5 * SECOND + 1, 2, 1),
        (0, 0, 1, 0),  # never accepted
    ],
)
def test_rank_counts_the_targets_attached_at_the_first_copy(begin: int, end: int, closest: int, rank: int) -> None:
    targets = [attached(1, A), attached(2, B, begin, end)]
    (row,) = lookups_of(MemoryRun([Row(5 * SECOND, 1, B)], targets))
    assert (row["destination"], row["closest"], row["rank"]) == (1, closest, rank)


def test_nobody_attached_means_closest_none() -> None:
    (row,) = lookups_of(MemoryRun([Row(5 * SECOND, 1, A)], [attached(1, A, 0)]))
    assert (row["destination"], row["closest"], row["rank"]) == (1, 0, 0)


# Maintenance, with IDs of 8 bytes. The monitor of M shares 16 bits with KEY.
KEY, M = bytes.fromhex("8000000000000000"), bytes.fromhex("8000ff0000000000")
STRANGER = bytes.fromhex("1234567812345678")


def sharing(bits: int) -> bytes:
    """Return an ID that shares exactly so many bits with KEY."""
    return (int.from_bytes(KEY, "big") ^ (1 << (63 - bits))).to_bytes(8, "big")


@pytest.mark.parametrize(
    ("kind", "requester_id", "flags", "key", "expected"),
    [
        (Kind.LOOKUP, STRANGER, 0, KEY, Maintenance.NONE),
        (Kind.LOOKUP, STRANGER, Flag.BOOTSTRAP, KEY, Maintenance.BOOTSTRAP),
        (Kind.LOOKUP, STRANGER, Flag.OWN, KEY, Maintenance.OWN_TRAFFIC),
        (Kind.LOOKUP, STRANGER, Flag.OWN | Flag.BOOTSTRAP, KEY, Maintenance.OWN_TRAFFIC),
        (Kind.LOOKUP, STRANGER, 0, STRANGER, Maintenance.OUTSIDE_ZONE),
        (Kind.NODE_LOOKUP, STRANGER, 0, KEY, Maintenance.NONE),
        (Kind.NODE_LOOKUP, sharing(16), 0, KEY, Maintenance.NONE),
        (Kind.NODE_LOOKUP, sharing(17), 0, KEY, Maintenance.BUCKET_REFRESH),
        (Kind.NODE_LOOKUP, sharing(48), 0, KEY, Maintenance.OWN_ID),
        # One packet to one monitor, for a key nearer to the requester: libtorrent's refresh of a bucket.
        (Kind.LOOKUP, sharing(16), 0, KEY, Maintenance.NONE),
        (Kind.LOOKUP, sharing(17), 0, KEY, Maintenance.BUCKET_REFRESH),
        (Kind.LOOKUP, sharing(31), 0, KEY, Maintenance.BUCKET_REFRESH),
        (Kind.LOOKUP, sharing(32), 0, KEY, Maintenance.OWN_ID),
        (Kind.LOOKUP, KEY, 0, KEY, Maintenance.OWN_ID),
        (Kind.ANNOUNCE, sharing(32), 0, KEY, Maintenance.NONE),
        (Kind.SEARCH, sharing(32), 0, KEY, Maintenance.NONE),
    ],
)
def test_maintenance(kind: Kind, requester_id: bytes, flags: int, key: bytes, expected: Maintenance) -> None:
    rows = [Row(SECOND, 1, key, kind=kind, requester_id=requester_id, flags=flags)]
    (row,) = lookups_of(MemoryRun(rows, [attached(1, M)], id_bytes=8), refresh_bits=48)
    assert row["maintenance"] == expected


@pytest.mark.parametrize("bits", [17, 31])
@pytest.mark.parametrize("second", [1, 2], ids=["twice to one monitor", "to two monitors"])
def test_a_user_with_an_id_near_the_key_is_a_user_still(bits: int, second: int) -> None:
    rows = [Row(SECOND, number, KEY, requester_id=sharing(bits)) for number in (1, second)]
    targets = [attached(1, M), attached(2, bytes.fromhex("8000ffff00000000"))]
    (row,) = lookups_of(MemoryRun(rows, targets, id_bytes=8), refresh_bits=48)
    assert row["maintenance"] == Maintenance.NONE


@pytest.mark.parametrize("kind", [Kind.LOOKUP, Kind.NODE_LOOKUP, Kind.ANNOUNCE])
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (KEY, Maintenance.NONE),
        (M, Maintenance.NODE_ID),
        (M[:-1] + b"\x01", Maintenance.NODE_ID),  # its monitor
        (M[:-1] + b"\xff", Maintenance.NODE_ID),
        (M[:-2] + b"\x01\x00", Maintenance.NONE),
        (bytes.fromhex("c0ffee0000000007"), Maintenance.NODE_ID),  # of a target that heard nothing of it, later lost
        (bytes.fromhex("c0ffed00000000ab"), Maintenance.NODE_ID),  # a monitor far from its target
    ],
)
def test_keys_that_are_ids_of_monitored_nodes_or_next_to_one(kind: Kind, key: bytes, expected: Maintenance) -> None:
    far = attached(3, bytes.fromhex("c0ffee0000000000"), 1, 2)
    far.monitor_id = bytes.fromhex("c0ffed0000000000")
    rows = [Row(SECOND, 1, key, kind=kind, requester_id=STRANGER)]
    (row,) = lookups_of(MemoryRun(rows, [attached(1, M), far], id_bytes=8), refresh_bits=48)
    assert row["maintenance"] == expected


def test_traffic_from_our_own_addresses_is_marked_not_dropped() -> None:
    key = b"\x90\x00"
    rows = [Row(SECOND, 1, key, ALICE), Row(SECOND, 1, key, BOB)]
    found = lookups_of(MemoryRun(rows, THREE), own_ips={BOB[0]})
    assert [row["maintenance"] for row in found] == [Maintenance.NONE, Maintenance.OWN_TRAFFIC]


def test_copies_of_unlisted_attachments_are_counted_by_name() -> None:
    dropped: dict[str, int] = {}
    rows = [Row(SECOND, 9, A), Row(SECOND, 2, A), Row(SECOND, 4_000_000_000, A)]
    (row,) = lookups_of(MemoryRun(rows, THREE), dropped=dropped)
    assert (row["destination"], row["packets"]) == (2, 1)
    assert dropped == {"attribution_unknown_attachment": 2}


def test_captures_out_of_time_order_are_refused() -> None:
    for batch_rows in (1, 9):
        run = MemoryRun([Row(2, 1, A), Row(1, 1, A)], THREE, batch_rows=batch_rows)
        with pytest.raises(RunError, match="not in time order"):
            lookups_of(run)


def test_no_captures_give_no_lookups() -> None:
    assert lookups_of(MemoryRun([], THREE)) == []
    assert lookups_of(MemoryRun([], [])) == []
    assert lookups_of(MemoryRun([Row(1, 1, A)], [])) == []


def observed(found: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return the rows without what is inferred (test_attribution_inference)."""
    return [{name: row[name] for name in row if name not in ("inferred", "confidence")} for row in found]


def oracle(rows: list[Row], targets: list[Attachment], span: int, longest: int) -> list[dict[str, object]]:
    """Attribute copy by copy, in plain Python."""
    open_: dict[tuple[object, ...], list[Row]] = {}
    groups: list[list[Row]] = []
    for row in rows:
        identity = (row.source[0], row.requester_id, row.key, row.kind)
        current = open_.get(identity)
        if current and row.time_ns - current[-1].time_ns <= span and row.time_ns - current[0].time_ns <= longest:
            current.append(row)
        else:
            open_[identity] = [row]
            groups.append(open_[identity])
    by_number = {t.number: t for t in targets}
    found = []
    for group in groups:
        key, begin = group[0].key, group[0].time_ns
        heard = sorted({(xor_distance(key, by_number[r.attachment].target_id), r.attachment) for r in group})
        distances = sorted({distance for distance, _ in heard})
        there = sorted(
            (xor_distance(key, t.target_id), t.number)
            for t in targets
            if t.accepted_ns and t.accepted_ns <= begin and (not t.lost_ns or begin < t.lost_ns)
        )
        destination = by_number[heard[0][1]]
        flags = 0
        for row in group:
            flags |= row.flags
        mark = Maintenance.NONE
        with_requester = common_prefix_length(key, group[0].requester_id)
        excess = with_requester - common_prefix_length(key, destination.monitor_id)
        if flags & Flag.BOOTSTRAP:
            mark = Maintenance.BOOTSTRAP
        elif not key[0] & 0x80:
            mark = Maintenance.OUTSIDE_ZONE
        elif with_requester >= 14 or (group[0].kind == Kind.LOOKUP and excess >= 16):
            mark = Maintenance.OWN_ID
        elif excess > 0 and (group[0].kind == Kind.NODE_LOOKUP or (group[0].kind == Kind.LOOKUP and len(group) == 1)):
            mark = Maintenance.BUCKET_REFRESH
        elif any(key[:-1] == one[:-1] for t in targets for one in (t.target_id, t.monitor_id)):
            mark = Maintenance.NODE_ID
        margin = math.inf
        if len(distances) > 1 and distances[0]:
            margin = math.log2(distances[1] / distances[0])
        found.append(
            {
                "time_ns": begin,
                "last_ns": group[-1].time_ns,
                "source_ip": group[0].source[0],
                "source_port": group[0].source[1],
                "requester_id": group[0].requester_id,
                "key": key,
                "kind": group[0].kind,
                "flags": flags,
                "version": group[0].version,
                "copies": len(distances),
                "packets": len(group),
                "destination": destination.number,
                "closest": there[0][1] if there else 0,
                "rank": sum(distance < distances[0] for distance, _ in there),
                "margin": pytest.approx(margin),
                "maintenance": mark,
            }
        )
    columns = ("time_ns", "source_ip", "source_port", "key", "kind", "requester_id")
    found.sort(key=lambda row: tuple(row[name] for name in columns))
    return found


two_bytes = st.binary(min_size=2, max_size=2)
#: Few distinct values, so that copies meet; some IDs differ in their last bits only.
ids = st.one_of(
    st.sampled_from([b"\x80\x00", b"\x80\x01", b"\x80\x02", b"\x87\xff", b"\x88\x00", b"\x00\x01"]), two_bytes
)
attachments_strategy = st.lists(st.tuples(ids, st.integers(0, 50), st.integers(0, 60)), min_size=1, max_size=12).map(
    lambda rows: [attached(i + 1, r[0], r[1], r[2]) for i, r in enumerate(rows)]
)


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[Row], list[Attachment]]:
    targets = draw(attachments_strategy)
    row = st.builds(
        Row,
        time_ns=st.integers(1, 60),
        attachment=st.integers(1, len(targets)),
        key=ids,
        source=st.sampled_from([ALICE, BOB, (ALICE[0], 1)]),
        kind=st.sampled_from([Kind.LOOKUP, Kind.NODE_LOOKUP, Kind.ANNOUNCE]),
        requester_id=ids,
        flags=st.sampled_from([0, 0, Flag.NO_SEED, Flag.BOOTSTRAP]),
        version=st.integers(0, 3),
    )
    rows = draw(st.lists(row, max_size=40))
    return sorted(rows, key=lambda r: r.time_ns), targets


@settings(max_examples=300, deadline=None)
@given(runs(), st.integers(0, 8), st.integers(0, 30), st.integers(1, 12), st.integers(1, 12))
def test_the_stream_agrees_with_the_oracle_whatever_the_batches(
    run: tuple[list[Row], list[Attachment]], span: int, longest: int, batch_rows: int, step_rows: int
) -> None:
    rows, targets = run
    expected = oracle(rows, targets, span, longest)
    memory = MemoryRun(rows, targets, batch_rows=batch_rows)
    options = {"span_ns": span, "longest_ns": longest, "refresh_bits": 14}
    found = lookups_of(memory, step_rows, **options)
    assert observed(found) == expected
    assert found == lookups_of(MemoryRun(rows, targets), **options)
    for row in found:
        assert row["inferred"] in {target.number for target in targets}
        assert 0 <= row["confidence"] <= 1  # type: ignore[operator]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 2, 3, 5, 8]), st.integers(1, 3)), min_size=20, max_size=80),
    st.sampled_from([3, 5, 8]),
    st.sampled_from([10, 20, 30]),
    st.integers(1, 24),
)
def test_a_long_series_of_one_asker_is_cut_at_the_same_copies_whatever_the_steps(
    steps: list[tuple[int, int]], span: int, longest: int, step_rows: int
) -> None:
    rows, time = [], 1
    for gap, number in steps:
        time += gap
        rows.append(Row(time, number, A))
    memory = MemoryRun(rows, THREE, batch_rows=1)
    found = lookups_of(memory, step_rows, span_ns=span, longest_ns=longest, refresh_bits=14)
    assert observed(found) == oracle(rows, THREE, span, longest)
