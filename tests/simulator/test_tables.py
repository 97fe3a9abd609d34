"""Routing tables by small literal cases."""

import numpy as np
import pytest

from montra.simulator.population import Nodes
from montra.simulator.settings import Family
from montra.simulator.tables import Tables
from zone_store.keyspace.zone import Zone

WHOLE = Zone.parse("00/0")


def nodes_at(heads: list[int], client: Family = Family.UTORRENT) -> Nodes:
    n = len(heads)
    assert heads == sorted(heads)
    ids = np.zeros((n, 20), np.uint8)
    ids[:, :8] = np.frombuffer(b"".join(head.to_bytes(8) for head in heads), np.uint8).reshape(n, 8)
    return Nodes(
        node_id=ids,
        head=np.array(heads, np.uint64),
        ip=np.arange(n, dtype=np.uint32),
        port=np.ones(n, np.uint16),
        up_ns=np.zeros(n, np.int64),
        down_ns=np.zeros(n, np.int64),
        client=np.full(n, client, np.uint8),
        reachable=np.ones(n, np.bool_),
    )


def tables_of(heads: list[int], client: Family = Family.UTORRENT, zone: Zone = WHOLE) -> Tables:
    tables = Tables(nodes_at(heads, client), zone, len(heads), np.random.default_rng(1))
    tables.survey(1)
    return tables


def rows(*numbers: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(numbers, np.int64)


TOP = 1 << 63


def test_a_contact_falls_into_the_layer_of_its_shared_bits() -> None:
    tables = tables_of([0, 1, 1 << 60, 1 << 62, TOP])
    heads = tables.nodes.head
    assert tables.layer(rows(0, 0, 0, 0), heads[[4, 3, 2, 1]]).tolist() == [0, 1, 3, tables.layers - 1]


def test_a_full_bucket_takes_nobody() -> None:
    tables = tables_of([0, *(TOP + i for i in range(10))])
    tables.add(np.zeros(10, np.int64), np.arange(1, 11))
    assert sorted(tables.slots[0][tables.slots[0] >= 0].tolist()) == [1, 2, 3, 4, 5, 6, 7, 8]
    tables.remove(0, 3)
    tables.add(rows(0, 0), rows(10, 10))
    assert sorted(tables.slots[0][tables.slots[0] >= 0].tolist()) == [1, 2, 4, 5, 6, 7, 8, 10]


def test_answers_are_the_nearest_contacts_the_own_monitor_among_them() -> None:
    tables = tables_of([0, 1 << 61, 1 << 62, TOP])
    tables.add(rows(0, 0, 0), rows(1, 2, 3))
    key = np.array([1 << 61], np.uint64)
    assert tables.closest(rows(0), key, 8)[0, :4].tolist() == [1, 2, 3, -1]
    tables.attach(0)
    assert tables.closest(rows(0), key, 3)[0].tolist() == [1, 4, 2]  # row 0 plus 4 nodes
    assert tables.nearest(0, 1 << 61, 3) == [1, 4, 2]
    tables.detach(0)
    assert tables.nearest(0, 1 << 61, 3) == [1, 2, 3]


def test_one_answer_and_many_agree() -> None:
    rng = np.random.default_rng(5)
    tables = tables_of(sorted(rng.integers(0, 2**63, 300).tolist()), Family.LIBTORRENT)
    everybody = np.arange(300)
    tables.settle(everybody)
    for row in everybody.tolist():
        tables.attach(row)
    keys = rng.integers(0, 2**63, 300).astype(np.uint64)
    together = tables.closest(everybody, keys, 8)
    assert [tables.nearest(row, int(key), 8) for row, key in enumerate(keys)] == together.tolist()


def test_anacrolix_never_looks_deeper_than_the_key() -> None:
    tables = tables_of([0, 1, 1 << 62, TOP], Family.ANACROLIX)
    tables.add(rows(0, 0, 0), rows(1, 2, 3))
    tables.attach(0)
    assert tables.nearest(0, 1 << 62, 8) == [2, 3]


def test_libtorrents_full_last_bucket_lets_the_monitor_wait() -> None:
    # nine others within one subtree, far from all else: its last bucket holds eight, whatever bits they share
    zone = Zone.parse("00/4")
    heads = [0, *(1 << bit for bit in range(50, 59))]
    tables = tables_of(heads, Family.LIBTORRENT, zone)
    tables.add(np.zeros(9, np.int64), np.arange(1, 10))
    assert np.count_nonzero(tables.slots[0] >= 0) == 8
    tables.attach(0)
    assert not tables.listed[0]
    assert tables.waiting[0]
    tables.remove(0, 1)
    tables.promote()  # the ninth, whose ID fits its IP, comes first
    assert not tables.listed[0]
    tables.nodes.reachable[:] = False
    tables.survey(1)
    tables.remove(0, 2)
    tables.promote()
    assert tables.listed[0]
    assert not tables.waiting[0]


def test_other_families_make_room_near_themselves() -> None:
    heads = [0, *(1 << bit for bit in range(50, 59))]
    tables = tables_of(heads, Family.UTORRENT, Zone.parse("00/4"))
    tables.add(np.zeros(9, np.int64), np.arange(1, 10))
    tables.attach(0)
    assert tables.listed[0]


def test_settled_tables_hold_the_neighbourhood() -> None:
    rng = np.random.default_rng(3)
    tables = tables_of(sorted(rng.integers(0, 2**63, 2000).tolist()))
    everybody = np.arange(2000)
    tables.settle(everybody)
    near = np.array([np.argsort(tables.nodes.head ^ head)[1:9] for head in tables.nodes.head])
    recall = (tables.slots[:, :, None] == near[:, None, :]).any(axis=1).mean()
    assert recall > 0.95
    held = tables.slots[7][tables.slots[7] >= 0]
    assert len(set(held.tolist())) == len(held)
    assert 7 not in held


def test_silent_contacts_are_noticed_in_time_and_replaced() -> None:
    rng = np.random.default_rng(3)
    tables = tables_of(sorted(rng.integers(0, 2**63, 2000).tolist()))
    everybody = np.arange(2000)
    tables.settle(everybody)
    before = np.count_nonzero(tables.slots >= 0)
    tables.nodes.reachable[::4] = False
    tables.survey(1)
    silent = np.isin(tables.slots, np.flatnonzero(~tables.nodes.reachable)).mean()
    tables.sweep(everybody, 450.0)  # uTorrent's turn comes once in 900 s: a mean of 450 s
    left = np.isin(tables.slots, np.flatnonzero(~tables.nodes.reachable)).mean()
    assert left / silent == pytest.approx(np.exp(-1), abs=0.02)
    assert np.count_nonzero(tables.slots >= 0) > 0.9 * before


def test_introduced_nodes_know_their_neighbourhood_and_some_others() -> None:
    rng = np.random.default_rng(3)
    nodes = nodes_at(sorted(rng.integers(0, 2**63, 200).tolist()), Family.LIBTORRENT)
    tables = Tables(nodes, WHOLE, 200, rng, introduced=True)
    tables.survey(1)
    asked, askers = tables.introduce(np.arange(200))
    near = tables.neighbours(np.arange(200))
    assert (tables.slots[:, :, None] == near[:, None, :]).any(axis=1).mean() > 0.99
    assert 24 <= np.count_nonzero(tables.slots >= 0, axis=1).mean() <= 36
    assert len(asked) == len(askers) == 200 * 24
    tables.attach(5)  # one bucket of 128 has room for everybody
    assert tables.listed[5]
