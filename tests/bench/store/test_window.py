"""The generated window: what its docstring says of it holds, and it is the same each time."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from bench.store.window import START_NS, ZONE, Mix, Window
from zone_store.captures import Captures, Flag
from zone_store.keyspace.nearest import nearest

MIX = Mix(rate=2000.0, monitors=1024, keys=5000)


def take(rows: int, batch_rows: int = 4096, mix: Mix = MIX) -> Captures:
    return Captures.concat(list(Window(mix).captures(rows, batch_rows)), 20)


def test_rows_come_in_batches_and_in_order_of_time() -> None:
    tables = list(Window(MIX).captures(10_000, 3000))
    assert [len(table) for table in tables] == [3000, 3000, 3000, 1000]
    table = Captures.concat(tables, 20)
    assert bool((np.diff(table.time_ns) >= 0).all())
    assert table.time_ns[0] >= START_NS
    assert [getattr(table, f.name).dtype for f in fields(table)] == [
        getattr(Captures.empty(20), f.name).dtype for f in fields(table)
    ]


def test_the_same_mix_gives_the_same_rows_however_divided() -> None:
    a, b = take(5000, 700), take(5000, 5000)
    assert all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    other = take(5000, mix=Mix(rate=2000.0, monitors=1024, keys=5000, seed=2))
    assert not np.array_equal(a.time_ns, other.time_ns)


def test_the_rate_is_what_was_asked_for() -> None:
    late = take(120_000).time_ns[60_000:]  # behind the first fifteen seconds
    assert 1900 < 60_000 / ((late[-1] - late[0]) / 1e9) < 2100


def test_copies_of_a_lookup_reach_its_nearest_monitors_within_seconds() -> None:
    window = Window(MIX)
    table = take(60_000)
    copies = table.take((table.flags & Flag.FROM_TARGET == 0) & (table.version != 0))
    assert ZONE.contains_many(copies.key).all()
    row_of = np.empty(MIX.monitors + 1, np.int64)
    row_of[window.numbers] = np.arange(MIX.monitors)
    near = nearest(window.monitor_ids, copies.key, 8)
    assert bool((near == row_of[copies.attachment][:, None]).any(axis=1).all())
    lookups = np.concatenate([copies.requester_id, copies.key], axis=1)
    _, lookup, counts = np.unique(lookups, axis=0, return_inverse=True, return_counts=True)
    assert 7 <= np.median(counts) <= 8
    last, first = np.zeros(len(counts), np.int64), np.full(len(counts), np.iinfo(np.int64).max)
    np.maximum.at(last, lookup, copies.time_ns)
    np.minimum.at(first, lookup, copies.time_ns)
    assert 2.0 < np.median((last - first)[counts >= 7]) / 1e9 < 3.5


def test_targets_ask_their_own_monitor_for_their_own_id() -> None:
    window = Window(MIX)
    table = take(20_000)
    own = table.take(table.flags == Flag.FROM_TARGET)
    assert 0.04 < len(own) / len(table) < 0.08
    assert np.array_equal(own.key, own.requester_id)
    attachments = {attachment.number: attachment for attachment in window.attachments()}
    assert sorted(attachments) == list(range(1, 1025))
    for number, ip, key in zip(own.attachment.tolist(), own.source_ip.tolist(), own.key, strict=True):
        assert (attachments[number].target_ip, attachments[number].target_id) == (ip, key.tobytes())
