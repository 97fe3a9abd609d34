"""How a node takes its monitor in: what real aMule daemons did (facts), in literal times."""

import random
from collections.abc import Callable

import numpy as np
import pytest

from montra.overlays.kad import messages
from montra.overlays.kad.messages import Hello
from montra.overlays.kad.opcodes import Misc, Op
from montra.simulator.kad.endpoints import Opened
from montra.simulator.kad.keepers import Keepers
from montra.simulator.kad.rules import MINUTE_NS, SECOND_NS
from montra.simulator.kad.tables import KadTables
from montra.simulator.population import Nodes
from zone_store.keyspace.zone import Zone

NODE = b"\xa4" + bytes(14) + b"\4"
MONITOR = NODE[:15] + b"\5"
ADDRESS, KEY = (0x64400101, 4672), 77
HOUR = 60 * MINUTE_NS


class World:
    """One node, its table and a clock. heard: (time, opcode, misc) of what the node said to its monitor; answers:
    whether the monitor answers HELLO_REQ."""

    def __init__(self) -> None:
        ids = np.frombuffer(NODE, np.uint8).reshape(1, 16)
        one = np.ones(1, np.int64)
        head = np.array([int.from_bytes(NODE[:8])], np.uint64)
        nodes = Nodes(
            ids, head, one.astype(np.uint32), one.astype(np.uint16), one, 0 * one, one.astype(np.uint8), one > 0
        )
        self.tables = KadTables(nodes, Zone.parse("a4/8", 128), 100, np.random.default_rng(1))
        self.now_ns = 0
        self.waiting: list[tuple[int, Callable[[int], None]]] = []
        self.heard: list[tuple[int, int, int]] = []
        self.answers = True
        self.keepers = Keepers([NODE], [9], [True], self.tables, random.Random(1), self.later, self.tell)

    def later(self, at_ns: int, call: Callable[[int], None]) -> None:
        self.waiting.append((at_ns, call))

    def tell(self, now_ns: int, row: int, place: tuple[int, int], packet: bytes, node_id: bytes, key: int) -> None:
        assert (row, place) == (0, ADDRESS)
        op = packet[1]
        misc = messages.read_hello(packet).misc if op in (Op.HELLO_REQ, Op.HELLO_RES) else 0
        self.heard.append((now_ns, op, misc))
        if op == Op.HELLO_REQ and self.answers:
            assert (node_id, key) == (MONITOR, KEY)
            self.later(now_ns + SECOND_NS, lambda _at_ns: self.hear(Op.HELLO_RES, verified=True))

    def hear(self, op: Op, *, verified: bool = False, misc: int = 0, key: int = KEY) -> None:
        packet = messages.hello_ack(MONITOR)
        if op != Op.HELLO_RES_ACK:
            packet = messages.hello(op, Hello(MONITOR, 4662, 8, misc))
        self.keepers.hear(self.now_ns, 0, ADDRESS, Opened(packet, key, verified))

    def run(self, until_ns: int) -> None:
        while self.waiting:
            at_ns, call = min(self.waiting, key=lambda item: item[0])
            if at_ns > until_ns:
                break
            self.waiting.remove((at_ns, call))
            self.now_ns = at_ns
            call(at_ns)
        self.now_ns = until_ns

    @property
    def listed(self) -> bool:
        return bool(self.tables.listed[0])


def said(world: World, op: Op) -> list[tuple[int, int]]:
    return [(now_ns, misc) for now_ns, heard, misc in world.heard if heard == op]


def test_two_hellos_and_an_ack_make_a_contact_that_is_handed_out() -> None:
    world = World()
    world.hear(Op.HELLO_REQ)
    assert said(world, Op.HELLO_RES) == [(0, Misc.ACK_WANTED)]
    world.hear(Op.HELLO_RES_ACK, verified=True)
    assert not world.listed
    world.now_ns = 2 * SECOND_NS
    world.hear(Op.HELLO_REQ, verified=True)
    assert world.listed
    assert said(world, Op.HELLO_RES)[1] == (2 * SECOND_NS, 0)  # verified: nothing more is wanted


def test_a_second_hello_that_carries_the_key_needs_no_ack() -> None:
    world = World()
    world.hear(Op.HELLO_REQ)
    world.hear(Op.HELLO_REQ, verified=True)
    assert world.listed


@pytest.mark.parametrize(
    "words",
    [
        [(Op.HELLO_REQ, False, 0, KEY)],
        [(Op.HELLO_REQ, False, 0, KEY), (Op.HELLO_REQ, False, 0, KEY)],
        [(Op.HELLO_REQ, False, 0, KEY), (Op.HELLO_RES_ACK, False, 0, KEY), (Op.HELLO_REQ, False, 0, KEY)],
        [(Op.HELLO_REQ, False, Misc.UDP_FIREWALLED, KEY), (Op.HELLO_REQ, True, Misc.UDP_FIREWALLED, KEY)],
        [(Op.HELLO_REQ, False, 0, KEY), (Op.HELLO_REQ, True, 0, KEY + 1)],
    ],
    ids=["one hello", "no key", "ack without key", "firewalled", "another sender key"],
)
def test_anything_less_is_not_handed_out(words: list[tuple[Op, bool, int, int]]) -> None:
    world = World()
    for op, verified, misc, key in words:
        world.hear(op, verified=verified, misc=misc, key=key)
    assert not world.listed


def test_a_monitor_that_answers_is_asked_after_one_hour_then_after_longer() -> None:
    world = World()
    world.hear(Op.HELLO_REQ)
    world.hear(Op.HELLO_REQ, verified=True)
    world.run(8 * HOUR)
    asked = [now_ns for now_ns, _ in said(world, Op.HELLO_REQ)]
    gaps = np.diff([0, *asked]) / MINUTE_NS
    assert gaps.round().tolist() == [60, 90, 120, 120]
    assert world.listed


def test_a_silent_one_is_hidden_at_the_first_question_and_forgotten_after_the_second() -> None:
    world = World()
    world.hear(Op.HELLO_REQ)
    world.hear(Op.HELLO_REQ, verified=True)
    world.answers = False
    world.run(59 * MINUTE_NS)
    assert world.listed
    world.run(62 * MINUTE_NS)
    assert not world.listed
    assert world.keepers.met
    world.run(70 * MINUTE_NS)
    assert not world.keepers.met
    assert len(said(world, Op.HELLO_REQ)) == 2


def test_a_new_contact_that_said_hello_once_is_asked_within_minutes_and_then_handed_out() -> None:
    world = World()
    world.hear(Op.HELLO_REQ)
    world.run(3 * MINUTE_NS)
    assert len(said(world, Op.HELLO_REQ)) == 1
    assert world.listed


def test_an_address_that_nobody_verified_is_hidden_until_it_is() -> None:
    world = World()
    world.hear(Op.HELLO_REQ)
    world.hear(Op.HELLO_REQ, verified=True)
    world.keepers.met[0].ip -= 1  # it came from another address before
    world.hear(Op.HELLO_REQ)
    assert not world.listed
    world.hear(Op.HELLO_RES_ACK, verified=True)
    assert world.listed


def test_a_stranger_and_a_broken_packet_leave_no_trace() -> None:
    world = World()
    hello = messages.hello(Op.HELLO_REQ, Hello(b"\xa5" * 16, 4662, 8))
    world.keepers.hear(0, 0, ADDRESS, Opened(hello, KEY, True))
    world.keepers.hear(0, 0, ADDRESS, Opened(hello[:20], KEY, True))
    world.keepers.hear(0, 0, ADDRESS, Opened(b"\xe4\x19", KEY, True))
    assert not world.keepers.met
    assert said(world, Op.HELLO_RES) == [(0, 0)]


def test_a_ping_is_answered_with_the_port() -> None:
    world = World()
    world.keepers.hear(0, 0, ADDRESS, Opened(b"\xe4\x60", KEY, False))
    assert world.heard == [(0, Op.PONG, 0)]
