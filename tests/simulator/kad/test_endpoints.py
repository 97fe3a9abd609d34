"""What a node reads, writes and drops."""

import random

from montra.overlays.kad.ids import verify_key
from montra.overlays.kad.opcodes import Op
from montra.simulator.kad.endpoints import FloodGate, open_packet, seal_packet
from montra.simulator.kad.rules import SECOND_NS

NODE, SECRET = bytes(range(16)), b"\1\2\3\4"
OTHER_SECRET = b"\5\6\7\10"
PING = b"\xe4\x60"
HERE, THERE = 0x64400101, 0x64400201


def test_what_is_sealed_is_opened_with_the_senders_key_and_a_verdict_on_ours() -> None:
    rng = random.Random(1)
    ours = verify_key(THERE, SECRET)
    for node_id in (NODE, b""):
        payload = seal_packet(PING, rng, node_id, ours, OTHER_SECRET, HERE)
        assert payload != PING
        opened = open_packet(payload, NODE, SECRET, THERE)
        assert opened is not None
        assert opened == (PING, verify_key(HERE, OTHER_SECRET), True)
        assert opened.op == Op.PING
    opened = open_packet(seal_packet(PING, rng, NODE, 0, OTHER_SECRET, HERE), NODE, SECRET, THERE)
    assert opened is not None
    assert not opened.verified


def test_plain_packets_are_read_but_prove_nothing() -> None:
    assert seal_packet(PING, random.Random(1), b"", 0, SECRET, HERE) == PING
    assert open_packet(PING, NODE, SECRET, THERE) == (PING, 0, False)


def test_what_is_for_another_is_not_read() -> None:
    payload = seal_packet(PING, random.Random(1), bytes(16), 0, SECRET, HERE)
    assert open_packet(payload, NODE, SECRET, THERE) is None
    assert open_packet(b"\xe4", NODE, SECRET, THERE) is None
    assert open_packet(b"", NODE, SECRET, THERE) is None


def test_ten_of_a_burst_of_twenty_are_looked_at_and_one_more_every_six_seconds() -> None:
    gate = FloodGate()
    assert [gate.admits(0, 0, HERE, Op.REQ) for _ in range(20)].count(True) == 10
    assert gate.admits(0, 1, HERE, Op.REQ)  # another node
    assert gate.admits(0, 0, THERE, Op.REQ)  # from another address
    assert gate.admits(0, 0, HERE, Op.RES)  # no request
    assert not gate.admits(6 * SECOND_NS, 0, HERE, Op.REQ)
    assert gate.admits(120 * SECOND_NS, 0, HERE, Op.REQ)
    assert gate.dropped == 11


def test_three_hellos_a_minute() -> None:
    gate = FloodGate()
    assert [gate.admits(second * SECOND_NS, 0, HERE, Op.HELLO_REQ) for second in (0, 2, 12, 15, 42)] == [
        True,
        True,
        True,
        False,
        True,
    ]


def test_who_sends_five_times_too_much_is_banned() -> None:
    gate = FloodGate()
    for _ in range(51):
        gate.admits(0, 0, HERE, Op.REQ)
    assert (0, HERE) in gate.banned
    assert not gate.admits(3600 * SECOND_NS, 0, HERE, Op.PING)
