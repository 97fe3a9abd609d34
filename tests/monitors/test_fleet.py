from __future__ import annotations

import tracemalloc
from random import Random
from time import process_time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from montra.datagrams import Datagram, DatagramBatch
from montra.monitors.fleet import Fleet
from montra.monitors.settings import FleetSettings
from montra.overlays.base import Message, Peer, Scan
from montra.overlays.mainline import OVERLAY
from zone_store.captures import Kind
from zone_store.keyspace.zone import Zone

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Krpc, World

START_NS = 1_700_000_000 * 10**9


def test_same_inputs_and_seed_give_the_same_bytes(make_world: Callable[..., World]) -> None:
    def play(seed: int) -> list[tuple[float, Datagram]]:
        world = make_world(seed=seed, keep_alive_s=20.0)
        for last in range(1, 30):
            world.found(world.node(last, answers=last % 3 > 0, lists=last % 5 == 0))
        for step in range(250):
            world.run(1)
            for node in list(world.nodes.values())[step % 7 :: 7]:
                world.view(node, listed=(node.ip + step) % 4 == 0)
            world.fleet.take_probes()
        return world.sent

    first = play(1)
    assert len(first) > 200
    assert first == play(1)
    assert first != play(2)


def test_due_is_exact(world: World) -> None:
    """Before the time named a tick has nothing to do; at that time it acts."""
    assert world.fleet.due(world.now) == 2**63 - 1
    for last in range(1, 6):
        world.found(world.node(last, answers=False))
    table = world.fleet._roster.table
    before = ()
    while world.count("silent") < 5:
        due = world.fleet.due(world.now)
        world.now = due - 1
        assert world.fleet.tick(world.now) == []
        assert world.fleet.due(world.now) == due
        world.run(1e-9)
        assert world.now == due
        after = (world.count("introductions"), world.count("silent"), int(table.failures.sum()))
        assert after != before
        before = after


def test_a_clock_that_steps_back_is_survived(world: World) -> None:
    node = world.attached(1)
    world.run(30)
    world.now -= 3_600 * 10**9
    assert world.fleet.tick(world.now) == []
    world.run(5)
    assert world.attachment(node).lost_ns == 0


hostile = st.one_of(
    st.binary(max_size=80),
    st.sampled_from([b"d1:ai1e-6:", b"d" * 2000, b"l" * 2047, b"i" + b"9" * 1999, b"d1:rd2:id20:" + b"x" * 19]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.integers(-(2**31), 2**31 - 1) | st.integers(0, 4),
            st.integers(0, 2**32 - 1) | st.just((10 << 24) + 1),
            st.integers(0, 65_535) | st.just(7000),
            hostile,
        ),
        max_size=30,
    )
)
def test_no_batch_raises_or_makes_us_answer(
    make_world: Callable[..., World], rows: list[tuple[int, int, int, bytes]]
) -> None:
    world = make_world()
    world.attached(1, answers=False)
    batch = DatagramBatch.of([(world.now, *row) for row in rows])
    output = world.fleet.feed(world.now, batch, OVERLAY.scan(batch))
    assert output.outgoing == []
    assert len(output.captures) == 0
    world.run(10)


def test_mutated_messages_of_a_target_never_raise(world: World, krpc: Krpc) -> None:
    """Single and double byte changes of true messages, in the target's name."""
    node = world.attached(1, answers=False)
    world.run(0.1)
    rng = Random(3)
    local = world.local(node)
    transaction = OVERLAY.parse(node.queries[0][1]).transaction
    monitor = (node.node_id[:-1] + b"\x01", *world.pool.address(local))
    originals = (
        krpc.query(b"get_peers", node.node_id, b"aa", b"9:info_hash20:" + b"k" * 20),
        krpc.query(b"find_node", node.node_id, b"aa", b"6:target20:" + b"k" * 20),
        krpc.reply(node.node_id, transaction, (monitor,)),
        b"d1:eli203e4:oopse1:t4:%b1:y1:ee" % transaction,
    )
    for i in range(4000):
        data = bytearray(originals[i % 4])
        for _ in range(1 + i % 2):
            data[rng.randrange(len(data))] = rng.randrange(256)
        world.from_node(node, bytes(data), local)
        world.run(0.3)
        if i % 50 == 0:
            world.found(node)
            world.run(0.2)
            local = world.local(node)
    assert world.count("accepted") >= 1


class Echo:
    """An overlay whose messages cost next to nothing: a type byte, the sender's ID, a transaction."""

    name, id_bytes, bucket_size, lookup_span_ns, refresh_bits = "echo", 20, 8, 60 * 10**9, 96
    most_introductions, defaults = 4, dict[str, dict[str, float]]()

    def scan(self, batch: DatagramBatch) -> Scan:
        n = len(batch)
        ids = np.zeros((n, 20), np.uint8)
        kind = np.where(batch.buffer[:, 0] == ord("l"), Kind.LOOKUP, Kind.OTHER).astype(np.uint8)
        zeros = np.zeros(n, np.uint16)
        return Scan(kind, ids, ids, zeros, np.zeros(n, np.uint32), zeros, zeros, zeros)

    def parse(self, data: bytes) -> Message:
        return Message("reply", transaction=data[21:], sender_id=data[1:21])

    def introduction(self, monitor_id: bytes, target: Peer, transaction: bytes) -> bytes:
        return b"q" + monitor_id + transaction

    keep_alive = introduction

    def may_answer(self, data: bytes, transaction: bytes) -> bool:
        return transaction in data

    def introduction_echo(self, transaction: bytes) -> bytes:
        return transaction

    def greeting(self, monitor_id: bytes, target: Peer, reply: Message) -> bytes | None:
        return None

    def answer(self, query: Message, monitor_id: bytes, target: Peer) -> bytes | None:
        return None

    def crawl_query(self, own_id: bytes, target: bytes, transaction: bytes) -> bytes:
        return b""

    def version_name(self, version: int) -> str:
        return "echo"


class ManyPool:
    """As many locals as asked for, each at an address of its own, without a list of them."""

    def __init__(self) -> None:
        self.next = 0

    def acquire(self, target_id: bytes, avoid: frozenset[int] = frozenset()) -> int | None:
        self.next += 1
        return self.next

    def release(self, local: int) -> None: ...

    def address(self, local: int) -> tuple[int, int]:
        return (127 << 24) + local, 6881

    def group(self, local: int) -> int:
        return local

    def is_own(self, ip: int, port: int) -> bool:
        return False


def live(fleet: Fleet, targets: list[bytes], hours: float) -> tuple[int, int]:
    """Let a fleet live among targets that answer all, in virtual time; returns packets sent and seconds reached."""
    sent, now, end = 0, START_NS, START_NS + int(hours * 3600e9)
    for i, node_id in enumerate(targets):
        fleet.found(now, node_id, (10 << 24) + i, 7000, b"")
    while now < end:
        now = fleet.due(now)
        outgoing = fleet.tick(now)
        sent += len(outgoing)
        fleet.take_changed()
        fleet.take_probes()
        n = len(outgoing)
        if not n:
            continue
        # Each target answers at once, under its own ID: the asking monitor's with the last bit flipped.
        buffer = np.frombuffer(b"".join(d.payload for d in outgoing), np.uint8).reshape(n, 25).copy()
        buffer[:, 0] = ord("r")
        buffer[:, 20] ^= 1
        batch = DatagramBatch(
            buffer,
            np.full(n, 25, np.int32),
            np.zeros(n, np.bool_),
            np.array([d.ip for d in outgoing], np.uint32),
            np.full(n, 7000, np.uint16),
            np.array([d.local for d in outgoing], np.int32),
            np.full(n, now, np.int64),
        )
        fleet.feed(now, batch, Echo().scan(batch))
    return sent, (now - START_NS) // 10**9


def ids(n: int) -> list[bytes]:
    rng = Random(5)
    zone = Zone.parse("a4/6")
    return [zone.random_id(rng) for _ in range(n)]


def test_the_table_takes_little_memory() -> None:
    targets = ids(8192)
    fleet = Fleet(Echo(), Zone.parse("a4/6"), ManyPool(), Random(1), FleetSettings(attach_rate=8192.0))
    tracemalloc.start()
    base = tracemalloc.get_traced_memory()[0]
    live(fleet, targets, 0.1)
    used = tracemalloc.get_traced_memory()[0] - base
    tracemalloc.stop()
    assert fleet.states()["accepted"] == 8192
    assert used / 8192 < 600


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_32000_targets_for_an_hour() -> None:
    """Every target accepts, none is lost, keep-alives come in time, and an hour's work takes a minute or less."""
    fleet = Fleet(Echo(), Zone.parse("a4/6"), ManyPool(), Random(1), FleetSettings())
    begun = process_time()
    sent, seconds = live(fleet, ids(32_000), 1)
    assert process_time() - begun < 100
    assert seconds >= 3600
    assert fleet.states()["accepted"] == 32_000
    assert fleet.counters.counts["accepted"] == 32_000
    assert "silent" not in fleet.counters.counts
    # two introductions, and a keep-alive in six minutes: of ten, the last comes within the hour for a third
    assert sent == pytest.approx(32_000 * (2 + 9.3), rel=0.02)
    assert fleet.keep_alive_lateness_s(1.0) <= 0.1  # told in whole milliseconds
