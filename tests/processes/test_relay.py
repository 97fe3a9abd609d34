"""News go to the worker whose sector the ID lies in, and to nobody else."""

from __future__ import annotations

import pytest

from crawler.population import KnownNode
from montra.processes.messages import Changed, Found, Gone, Status, View
from montra.processes.relay import NEVER_NS, Relay
from montra.processes.share import Sectors
from zone_store.keyspace.zone import Zone

SECOND = 1_000_000_000
ZONE = Zone.parse("a4/6")
#: Two IDs in the first worker's sector, one in the second's, one outside.
A, A2, B, OUTSIDE = bytes([0xA4]) * 20, bytes([0xA5]) * 20, bytes([0xA6]) * 20, bytes([0x11]) * 20
NODE = (0x0A000001, 6881)


@pytest.fixture
def relay() -> Relay:
    return Relay(Sectors(ZONE, 2), 20, hold_s=8.0, max_nodes=100)


def told(relay: Relay) -> tuple[list[object], list[object]]:
    return list(relay.take(0, 100)), list(relay.take(1, 100))


def test_each_worker_hears_of_its_own(relay: Relay) -> None:
    relay.found(0, A, *NODE, b"LT")
    relay.found(0, B, 2, 2)
    relay.own_view(0, *NODE, ((B, 1, 1),), A)
    relay.found(0, OUTSIDE, 3, 3)
    assert told(relay) == ([Found(A, *NODE, b"LT"), View(A, *NODE, ((B, 1, 1),))], [Found(B, 2, 2, b"")])
    relay.gone(0, A, *NODE)
    assert told(relay) == ([Gone(A, *NODE)], [])


def test_a_change_within_a_sector_is_one(relay: Relay) -> None:
    relay.found(0, A, *NODE)
    told(relay)
    relay.changed(0, A, A2, *NODE, True)
    assert told(relay) == ([Changed(A, A2, *NODE, True)], [])
    relay.changed(0, A2, OUTSIDE, *NODE, False)
    assert told(relay) == ([Changed(A2, OUTSIDE, *NODE, False)], [])


def test_a_change_across_sectors_ends_one_monitor_and_begins_another_when_the_allowance_is_full(relay: Relay) -> None:
    relay.found(0, A, *NODE)
    told(relay)
    relay.changed(SECOND, A, B, *NODE, True)
    assert told(relay) == ([Changed(A, B, *NODE, False)], [])
    relay.own_view(2 * SECOND, *NODE, (), B)
    assert told(relay) == ([], []), "a view would begin it early"
    assert relay.states()["waiting"] == 1
    assert relay.due(2 * SECOND) == 9 * SECOND
    assert relay.tick(9 * SECOND - 1) == []
    assert told(relay) == ([], [])
    relay.tick(9 * SECOND)
    assert told(relay) == ([], [Found(B, *NODE, b"")])
    assert relay.due(9 * SECOND) == NEVER_NS


def test_a_node_that_jumps_back_and_forth_never_has_two_owners(relay: Relay) -> None:
    relay.found(0, A, *NODE)
    for i in range(10):
        before, after = (A, B) if i % 2 == 0 else (B, A)
        relay.changed(i * SECOND, before, after, *NODE, True)
        relay.tick(i * SECOND)
    first, second = told(relay)
    assert [type(one) for one in first] == [Changed]
    assert Found(B, *NODE, b"") not in second
    relay.tick(100 * SECOND)
    assert told(relay) == ([Found(A, *NODE, b"")], [])


def test_who_is_lost_while_it_waits_is_not_told_of(relay: Relay) -> None:
    relay.found(0, A, *NODE)
    relay.changed(0, A, B, *NODE, True)
    told(relay)
    relay.gone(SECOND, B, *NODE)
    relay.tick(100 * SECOND)
    assert told(relay) == ([], [])
    relay.found(101 * SECOND, A, *NODE)
    relay.changed(102 * SECOND, A, B, *NODE, True)
    told(relay)
    relay.changed(103 * SECOND, B, OUTSIDE, *NODE, False)
    relay.tick(200 * SECOND)
    assert told(relay) == ([], [])


def test_who_comes_back_in_another_sector_was_perhaps_kept_in_the_first(relay: Relay) -> None:
    relay.found(0, A, *NODE)
    relay.gone(SECOND, A, *NODE)
    told(relay)
    relay.found(2 * SECOND, B, *NODE)
    assert told(relay) == ([Changed(A, B, *NODE, False)], [])
    relay.tick(10 * SECOND)
    assert told(relay) == ([], [Found(B, *NODE, b"")])


def test_a_node_that_moves_in_from_outside_waits_for_nobody(relay: Relay) -> None:
    relay.changed(0, OUTSIDE, A, *NODE, True)
    assert told(relay) == ([Found(A, *NODE, b"")], [])


def test_a_new_worker_is_told_of_all_known_nodes_of_its_sector(relay: Relay) -> None:
    relay.known = lambda: [KnownNode(A, 1, 1, b"v", 0, 0), KnownNode(B, 2, 2, b"w", 0, 0)]
    relay.found(0, A2, 9, 9)
    relay.lost(0)
    assert told(relay) == ([], [])
    relay.begin(0)
    assert told(relay) == ([Found(A, 1, 1, b"v")], [])


def test_who_was_left_behind_is_told_all_when_it_has_caught_up() -> None:
    relay = Relay(Sectors(ZONE, 2), 20, hold_s=8.0, max_nodes=2)
    for ip in range(1, 4):
        relay.found(0, A, ip, 1)
    assert relay.counters.counts == {"feed_dropped": 1}
    relay.known = lambda: [KnownNode(A, ip, 1, b"", 0, 0) for ip in (2, 3)]
    assert relay.take(0, 2) == [Found(A, 1, 1, b""), Found(A, 2, 1, b"")]
    assert relay.take(0, 9) == [Found(A, 2, 1, b""), Found(A, 3, 1, b"")]
    assert relay.take(0, 9) == []


def test_states_captures_and_counters_are_sums_and_outlive_a_worker(relay: Relay) -> None:
    relay.status(0, Status(1, {"visible": 3, "waiting": 1}, 10, {"received": 5}))
    relay.status(1, Status(1, {"visible": 4, "hidden": 1}, 20, {"received": 7, "sent": 1}))
    relay.found(0, A, *NODE)
    states = relay.states()
    assert (states["visible"], states["hidden"], states["waiting"], states["introduced"]) == (7, 1, 2, 0)
    assert (relay.captures, relay.worker_counters()) == (30, {"received": 12, "sent": 1})
    assert relay.lost(1) == {"received": 7, "sent": 1}
    assert relay.lost(1) == {}
    relay.status(1, Status(2, {"visible": 1}, 2, {"received": 1}))
    assert relay.states()["visible"] == 4
    assert (relay.captures, relay.worker_counters()) == (32, {"received": 13, "sent": 1})


def test_probes_go_to_the_crawler_and_are_bounded(relay: Relay) -> None:
    assert relay.due(5) == NEVER_NS
    relay.probes([(1, 2, A)])
    assert relay.due(5) == 5
    assert relay.take_probes() == [(1, 2, A)]
    relay.probes([(1, 2, A)] * 10_005)
    assert relay.counters.counts == {"probes_dropped": 5}
    assert len(relay.take_probes()) == 10_000


def test_the_news_are_announced(relay: Relay) -> None:
    said: list[int] = []
    relay.news = said.append
    relay.found(0, B, *NODE)
    assert said == [1]
