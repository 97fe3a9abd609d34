from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from montra.datagrams import DatagramBatch, ip_number
from montra.overlays.mainline import OVERLAY
from zone_store.captures import Flag, Kind

if TYPE_CHECKING:
    from conftest import Krpc, World

ASKER = bytes(range(20))
KEY = b"\xa4" + b"k" * 19
STRANGER = ip_number("198.51.100.7")


def test_every_column_is_exact(world: World, krpc: Krpc) -> None:
    first, second = world.attached(1), world.attached(2)
    one, two = world.local(first), world.local(second)
    info_hash = b"9:info_hash20:" + KEY
    lookup = krpc.query(b"get_peers", ASKER, b"aa", info_hash)
    marked = b"d1:ad2:id20:%b9:info_hash20:%b6:noseedi1ee1:q9:get_peers2:roi1e1:t2:aa1:v4:LT\x02\x011:y1:qe"
    own = krpc.query(b"find_node", second.node_id, b"t", b"6:target20:" + second.node_id)
    announce = krpc.query(b"announce_peer", ASKER, b"aa", info_hash + b"4:porti6999e5:token2:xx")
    rows = [
        (1_000, two, STRANGER, 4000, lookup),
        (1_001, one, STRANGER, 4000, krpc.query(b"ping", ASKER)),
        (1_002, one, STRANGER + 1, 4001, marked % (ASKER, KEY)),
        (1_003, two, second.ip, second.port, own),
        (1_004, one, second.ip, second.port, lookup),
        (1_005, 77, STRANGER, 4000, lookup),
        (1_006, one, STRANGER, 4000, announce),
        (1_007, one, STRANGER, 4000, b"junk"),
    ]
    batch = DatagramBatch.of(rows)
    captures = world.fleet.feed(world.now, batch, OVERLAY.scan(batch)).captures
    assert captures.time_ns.tolist() == [1_000, 1_002, 1_003, 1_004, 1_006]
    assert captures.attachment.tolist() == [2, 1, 2, 1, 1]
    assert captures.source_ip.tolist() == [STRANGER, STRANGER + 1, second.ip, second.ip, STRANGER]
    assert captures.source_port.tolist() == [4000, 4001, 7000, 7000, 4000]
    assert [bytes(i) for i in captures.requester_id] == [ASKER, ASKER, second.node_id, ASKER, ASKER]
    assert [bytes(k) for k in captures.key] == [KEY, KEY, second.node_id, KEY, KEY]
    assert captures.kind.tolist() == [Kind.LOOKUP, Kind.LOOKUP, Kind.NODE_LOOKUP, Kind.LOOKUP, Kind.ANNOUNCE]
    assert captures.flags.tolist() == [0, Flag.READ_ONLY | Flag.NO_SEED, Flag.FROM_TARGET, 0, 0]
    assert captures.version.tolist() == [0, 0x4C540201, 0, 0, 0]
    assert captures.port.tolist() == [0, 0, 0, 0, 6999]
    dtypes = (captures.attachment.dtype, captures.flags.dtype, captures.requester_id.dtype, captures.kind.dtype)
    assert dtypes == (np.uint32, np.uint16, np.uint8, np.uint8)
    counts = world.fleet.counters.counts
    assert {name: counts[name] for name in ("captured", "captured_from_target", "idle_local", "stranger_other")} == {
        "captured": 5,
        "captured_from_target": 1,
        "idle_local": 1,
        "stranger_other": 1,
    }
    assert counts["malformed_too_short"] == 1


def test_captures_do_not_share_memory_with_the_batch(world: World, krpc: Krpc) -> None:
    node = world.attached(1)
    data = krpc.query(b"get_peers", ASKER, b"aa", b"9:info_hash20:" + KEY)
    batch = DatagramBatch.of([(1, world.local(node), STRANGER, 4000, data)] * 3)
    captures = world.fleet.feed(world.now, batch, OVERLAY.scan(batch)).captures
    batch.buffer[:] = 0
    batch.time_ns[:] = 0
    batch.source_ip[:] = 0
    assert bytes(captures.key[2]) == KEY
    assert captures.time_ns.tolist() == [1, 1, 1]
    assert captures.source_ip.tolist() == [STRANGER] * 3


def test_an_empty_batch_gives_no_captures(world: World) -> None:
    batch = DatagramBatch.of([])
    output = world.fleet.feed(world.now, batch, OVERLAY.scan(batch))
    assert (output.outgoing, len(output.captures)) == ([], 0)
    assert output.captures.key.shape == (0, 20)


def test_a_monitor_that_ended_still_captures_while_it_lingers(world: World, krpc: Krpc) -> None:
    node = world.attached(1, answers=False)
    local = world.local(node)
    data = krpc.query(b"get_peers", ASKER, b"aa", b"9:info_hash20:" + KEY)
    world.run(1)
    world.fleet.gone(world.now, node.node_id, node.ip, node.port)
    world.run(59)
    assert world.deliver(local, STRANGER, 4000, data).captures.attachment.tolist() == [1]
    ping = krpc.query(b"ping", node.node_id)
    assert world.deliver(local, node.ip, node.port, ping).outgoing == []
    world.run(2)
    assert len(world.deliver(local, STRANGER, 4000, data).captures) == 0
    assert (world.count("late"), world.count("late_target"), world.count("idle_local")) == (1, 1, 1)
