"""Monitors of others in a node's table, and what they forbid."""

import random

import numpy as np

from montra.simulator.kad.guests import Guests
from montra.simulator.kad.keepers import Met
from montra.simulator.kad.rules import MINUTE_NS
from montra.simulator.kad.searches import Contact
from montra.simulator.kad.tables import KadTables
from montra.simulator.population import Nodes
from zone_store.keyspace.zone import Zone

OWN = 0xA4 << 120
SUBNET = 0x646001


def tables(neighbours: int = 0) -> KadTables:
    """Of a node that knows so many others, all of them near it."""
    heads = [OWN >> 64, *((OWN >> 64) ^ n << 44 for n in range(9, neighbours + 9))]
    n = len(heads)
    ids = np.zeros((n, 16), np.uint8)
    ids[:, :8] = np.array(heads, ">u8").view(np.uint8).reshape(n, 8)
    one = np.ones(n, np.int64)
    place = np.arange(1, n + 1)
    nodes = Nodes(
        ids,
        np.array(heads, np.uint64),
        place.astype(np.uint32),
        place.astype(np.uint16),
        one,
        0 * one,
        one.astype(np.uint8),
        one > 0,
    )
    known = KadTables(nodes, Zone.parse("a4/8", 128), 400, np.random.default_rng(1))
    known.add(np.zeros(neighbours, np.int64), np.arange(1, n))
    return known


def monitor(number: int, *, subnet: int = SUBNET, tail: int = 0) -> Contact:
    """One beside a node that differs from ours in bits of the first four after the zone."""
    return Contact(number, OWN ^ (number << 116) ^ tail << 80, subnet << 8 | number, 4672)


def test_an_ip_that_the_table_has_is_not_asked_under_another_id() -> None:
    own = Met((OWN ^ 1).to_bytes(16), SUBNET << 8 | 7, 4672, 8, 0, 0)
    guests = Guests(tables(), lambda _row: own, random.Random(1))
    assert guests.accepts(0, 0, Contact(1, OWN ^ 1, own.ip, 4672))
    assert not guests.accepts(0, 0, monitor(7))
    assert guests.accepts(0, 0, monitor(8))


def test_a_leaf_takes_two_of_a_24_and_the_others_are_asked_all_the_same() -> None:
    guests = Guests(tables(), lambda _row: None, random.Random(1))
    turns = [guests.admit(0, 0, monitor(number)) for number in (8, 9, 10)]
    assert [turn > 0 for turn in turns] == [True, True, False]
    assert guests.accepts(0, 0, monitor(10))
    assert guests.admit(0, 0, monitor(11, subnet=SUBNET + 1)) > 0
    assert guests.admit(0, 0, monitor(8)) == 0  # it is there


def test_ten_of_a_24_shut_out_the_eleventh_until_they_are_found_silent() -> None:
    guests = Guests(tables(12), lambda _row: None, random.Random(1))
    let_in = 0
    for number in range(8, 16):
        for tail in (1, 2):
            one = Contact(number, OWN ^ (number << 116) ^ tail << 80, SUBNET << 8 | number * 10 + tail, 4672)
            let_in += guests.accepts(0, 0, one) and guests.admit(0, 0, one) > 0
    assert let_in == 10
    late = monitor(200, tail=3)
    assert not guests.accepts(MINUTE_NS // 2, 0, late)
    assert guests.accepts(MINUTE_NS // 2, 0, monitor(200, subnet=SUBNET + 1, tail=3))
    assert guests.accepts(15 * MINUTE_NS, 0, late)


def test_a_node_that_is_gone_knows_nobody() -> None:
    guests = Guests(tables(), lambda _row: None, random.Random(1))
    guests.admit(0, 0, monitor(8))
    assert not guests.accepts(0, 0, Contact(9, OWN ^ 9 << 100, SUBNET << 8 | 8, 4672))
    guests.left(0)
    assert guests.accepts(0, 0, Contact(9, OWN ^ 9 << 100, SUBNET << 8 | 8, 4672))
