"""The benchmark's network: tables as real nodes have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.crawl.network import BASE, BUCKETS, SUBNETS, K, Network, make
from zone_store.keyspace.ids import common_prefix_length, xor_distance
from zone_store.keyspace.zone import Zone

ZONE = Zone.parse("a4/6")


@pytest.fixture(scope="module")
def net() -> Network:
    return make(ZONE, 600, 60, 0.1, 22_100, 3, np.random.default_rng(1))


def test_as_many_nodes_as_asked_for(net: Network) -> None:
    inside = [ZONE.contains(one.tobytes()) for one in net.ids]
    assert inside == net.inside.tolist()
    assert (net.alive & net.inside).sum() >= 600  # one of those outside may have been drawn into the zone
    assert len(net) == 600 + 67 + 60
    assert [one.tobytes() for one in net.ids] == sorted(one.tobytes() for one in net.ids)
    assert len(net.members()) == (net.alive & net.inside).sum()


def test_buckets_hold_nodes_that_share_exactly_so_many_bits(net: Network) -> None:
    for node in range(0, len(net), 29):
        for bucket in range(BUCKETS):
            listed = [other for other in net.table[node, bucket].tolist() if other >= 0]
            assert len(set(listed)) == len(listed)
            for other in listed:
                assert common_prefix_length(net.ids[node].tobytes(), net.ids[other].tobytes()) == bucket


def test_a_node_lists_its_true_neighbours(net: Network) -> None:
    ids = [one.tobytes() for one in net.ids]
    for node in range(0, len(net), 29):
        listed = {other for other in net.table[node].flatten().tolist() if other >= 0}
        nearest = sorted(range(len(ids)), key=lambda other, own=ids[node]: xor_distance(own, ids[other]))[1 : K + 1]
        # the nearest bucket with more than K members holds K of them; all nearer ones are complete
        shared = common_prefix_length(ids[node], ids[nearest[-1]])
        sure = [other for other in nearest if common_prefix_length(ids[node], ids[other]) > shared]
        assert set(sure) <= listed
        assert len(listed) >= K


def test_about_the_share_asked_for_of_all_contacts_is_gone(net: Network) -> None:
    listed = net.table[net.table >= 0]
    inside = listed[net.inside[listed]]
    assert 0.07 < 1 - net.alive[inside].mean() < 0.13


def test_addresses_are_spread_over_subnets(net: Network) -> None:
    assert net.address(0) == (BASE + 1, 22_100)
    assert net.address(SUBNETS + 5) == (BASE + (5 << 8) + 2, 22_100 + (SUBNETS + 5) % 3)
    assert len({net.address(node)[0] >> 8 for node in range(len(net))}) == len(net)


def test_the_file_has_everything(net: Network, tmp_path: Path) -> None:
    file = tmp_path / "network"
    net.write(file)
    assert file.stat().st_size == 32 + len(net) * (BUCKETS * K * 4 + 22)
    assert file.read_bytes()[:8] == b"swarm 1\0"
