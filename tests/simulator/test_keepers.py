"""How nodes take their monitors in, by family, in literal times."""

import random
from collections.abc import Callable

import numpy as np
import pytest

from montra.simulator.keepers import Keepers
from montra.simulator.population import Nodes
from montra.simulator.settings import Family
from montra.simulator.tables import Tables
from montra.simulator.wording import read
from zone_store.keyspace.zone import Zone

SECOND = 10**9
MONITOR = b"\1" + bytes(19)
ADDRESS = (0x0A000001, 20881)


class World:
    """One node, its table and a clock; `answers` tells whether its monitor does."""

    def __init__(self, family: Family) -> None:
        ids = np.zeros((1, 20), np.uint8)
        ids[0, 0], ids[0, 19] = 1, 1
        one = np.ones(1, np.int64)
        self.nodes = Nodes(
            ids,
            np.array([1 << 56], np.uint64),
            one.astype(np.uint32),
            one.astype(np.uint16),
            one * 0,
            one * 0,
            np.array([family], np.uint8),
            np.ones(1, np.bool_),
        )
        self.tables = Tables(self.nodes, Zone.parse("01/8"), 1, np.random.default_rng(1))
        self.answers = True
        self.now_ns = 0
        self.asked: list[tuple[int, bytes]] = []
        self._due: list[tuple[int, Callable[[int], None]]] = []
        self.keepers = Keepers(self.nodes, self.tables, random.Random(1), self._later, self._tell)

    def _later(self, at_ns: int, call: Callable[[int], None]) -> None:
        self._due.append((at_ns, call))

    def _tell(self, now_ns: int, row: int, ip: int, port: int, payload: bytes) -> None:
        assert (row, ip, port) == (0, *ADDRESS)
        self.asked.append((now_ns, payload))
        if self.answers:
            transaction = read(payload).transaction
            self._later(now_ns, lambda at_ns: self.keepers.heard_answer(at_ns, 0, MONITOR, *ADDRESS, transaction))

    def query(self, port: int = ADDRESS[1]) -> None:
        self.keepers.heard_query(self.now_ns, 0, MONITOR, ADDRESS[0], port)

    def run(self, until_s: float) -> None:
        while self._due:
            self._due.sort(key=lambda one: one[0])
            if self._due[0][0] > until_s * SECOND:
                break
            self.now_ns, call = self._due.pop(0)
            call(self.now_ns)
        self.now_ns = int(until_s * SECOND)

    @property
    def listed(self) -> bool:
        return bool(self.tables.listed[0])


def test_libtorrent_at_the_second_query() -> None:
    world = World(Family.LIBTORRENT)
    world.query()
    assert not world.listed
    world.query()
    assert world.listed


def test_libtorrent_after_an_answered_ping() -> None:
    world = World(Family.LIBTORRENT)
    world.query()
    world.run(40.0)
    assert world.listed
    assert read(world.asked[0][1]).key == world.nodes.node_id[0].tobytes()


@pytest.mark.parametrize("family", [Family.ARIA2, Family.WEBTORRENT])
def test_at_once(family: Family) -> None:
    world = World(family)
    world.query()
    assert world.listed


def test_rtorrent_after_its_own_ping() -> None:
    world = World(Family.RTORRENT)
    world.query()
    world.query()
    assert not world.listed
    world.run(1.0)
    assert world.listed
    mute = World(Family.RTORRENT)
    mute.answers = False
    mute.query()
    mute.run(10.0)
    assert not mute.listed


def test_utorrent_after_two_minutes() -> None:
    world = World(Family.UTORRENT)
    world.query()
    world.run(119.9)
    assert not world.listed
    world.run(120.1)
    assert world.listed


def test_jech_after_a_pong_that_nobody_asked_for() -> None:
    world = World(Family.JECH)
    world.query()
    world.query()
    world.run(10.0)
    assert not world.listed
    world.keepers.heard_answer(world.now_ns, 0, MONITOR, *ADDRESS, b"pn\0\0")
    assert world.listed
    other = World(Family.LIBTORRENT)
    other.keepers.heard_answer(0, 0, MONITOR, *ADDRESS, b"pn\0\0")
    assert not other.listed


def test_anacrolix_never() -> None:
    world = World(Family.ANACROLIX)
    world.query()
    world.query()
    world.run(600.0)
    assert not world.listed


def test_a_monitor_that_answers_stays_and_a_silent_one_goes() -> None:
    world = World(Family.LIBTORRENT)
    world.query()
    world.query()
    world.run(7200.0)
    assert world.listed
    world.answers = False
    world.run(7200.0 + 1750 * 1.3 + 16)
    assert not world.listed
    world.query()
    world.query()
    assert world.listed


def test_the_id_is_taken_until_its_holder_falls_silent() -> None:
    world = World(Family.LIBTORRENT)
    world.query()
    world.query()
    world.query(port=4)
    assert world.keepers.met[0].port == ADDRESS[1]
    moved = World(Family.JECH)
    moved.query()
    moved.query(port=4)
    assert moved.keepers.met[0].port == 4


def test_strangers_ids_find_no_place() -> None:
    world = World(Family.ARIA2)
    world.keepers.heard_query(0, 0, bytes(20), *ADDRESS)
    assert not world.listed
    assert not world.keepers.met
