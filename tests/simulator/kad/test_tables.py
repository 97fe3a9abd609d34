"""Tables of bins of ten."""

import numpy as np

from montra.simulator.kad.tables import DEEPEST, KadTables
from montra.simulator.population import Nodes
from zone_store.keyspace.zone import Zone

ZONE = Zone.parse("a4/8", 128)


def world(heads: list[int]) -> tuple[Nodes, KadTables]:
    """A network of these IDs, by their first 64 bits, sorted; all of them up."""
    n = len(heads)
    ids = np.zeros((n, 16), np.uint8)
    ids[:, :8] = np.array(heads, ">u8").view(np.uint8).reshape(n, 8)
    nodes = Nodes(
        ids,
        np.array(heads, np.uint64),
        np.arange(1, n + 1, dtype=np.uint32) << np.uint32(8),
        np.full(n, 4672, np.uint16),
        np.ones(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.uint8),
        np.ones(n, np.bool_),
    )
    tables = KadTables(nodes, ZONE, n, np.random.default_rng(1))
    tables.survey(10)
    return nodes, tables


def spread(n: int, seed: int = 2) -> list[int]:
    drawn = np.random.default_rng(seed).integers(0, 1 << 56, n, np.uint64)
    return sorted((0xA4 << 56) | int(tail) for tail in drawn)


def test_the_five_bins_of_a_layer() -> None:
    own = 0xA4 << 56
    tops = [0b1000, 0b1001, 0b1010, 0b1011, 0b1100, 0b1101, 0b1110, 0b1111]
    near = [own | top << 52 for top in tops]  # in the zone, no further bit shared
    nearer = [own | top << 50 for top in tops]
    _, tables = world(sorted([own, *near, *nearer]))
    rows = np.zeros(8, np.int64)
    assert tables.bin_of(rows, np.array(near, np.uint64)).tolist() == [0, 1, 2, 2, 3, 3, 4, 4]
    assert tables.bin_of(rows, np.array(nearer, np.uint64)).tolist() == [10, 11, 12, 12, 13, 13, 14, 14]


def test_a_bin_takes_ten_and_the_nearest_are_all_known() -> None:
    nodes, tables = world(spread(600))
    rows = np.arange(600)
    tables.settle(rows)
    bins = np.searchsorted(tables.begin, np.arange(tables.slots.shape[1]), side="right") - 1
    for row in (0, 299, 599):
        held = tables.slots[row] >= 0
        assert np.bincount(bins[held]).max() == 10
        contacts = tables.contacts(row)
        assert len(set(contacts)) == len(contacts)
        assert row not in contacts
        distance = nodes.head ^ nodes.head[row]
        nearest = np.argsort(distance)[1:30].tolist()
        assert set(nearest) <= set(contacts)
        assert tables.nearest(row, int(nodes.head[row]), 10) == nearest[:10]


def test_an_answer_is_in_order_and_holds_the_monitor_where_it_belongs() -> None:
    nodes, tables = world(spread(100))
    tables.settle(np.arange(100))
    row = 50
    own = int(nodes.head[row])
    assert tables.nearest(row, own, 2)[0] < 100
    tables.listed[row] = True
    found = tables.nearest(row, own, 3)
    assert found[0] == row + 100
    key = own ^ (1 << 55)
    distances = [int(nodes.head[other % 100]) ^ key for other in tables.nearest(row, key, 11)]
    assert distances == sorted(distances)
    assert len(distances) == 11


def test_who_left_is_handed_out_for_a_while_and_then_replaced_where_there_are_many() -> None:
    nodes, tables = world(spread(600))
    tables.settle(np.arange(600))
    everybody, stay = np.arange(600), np.full(600, 60.0)
    gone = int(tables.contacts(0)[0])
    nodes.down_ns[gone] = 20
    tables.survey(30)
    tables.clear(np.array([gone]))
    holders = int(np.count_nonzero((tables.slots == gone).any(axis=1)))
    assert holders > 50
    left = []
    for minute in range(1, 70):
        tables.sweep(everybody, minute, stay)
        left.append(int(np.count_nonzero((tables.slots == gone).any(axis=1))))
    assert left[0] == holders
    assert 0.3 * holders < left[30] < 0.7 * holders
    assert left[-1] == 0
    layer_0 = tables.slots[everybody != gone, : tables.begin[5]]
    assert (layer_0 >= 0).sum(axis=1).min() >= 49


def test_the_deepest_leaf_holds_fewer_than_ten() -> None:
    nodes, tables = world(spread(600))
    tables.settle(np.arange(600))
    leaves = [tables.leaf(row, int(nodes.head[row]) ^ 1) for row in range(600)]
    assert {leaf for leaf, _ in leaves} == {DEEPEST}
    assert 0 <= min(held for _, held in leaves) < 4
    assert 7 < max(held for _, held in leaves) < 10
    assert tables.leaf(0, int(nodes.head[0]) ^ (1 << 55)) == (0, 10)
