"""Accounting for every datagram: what adds up passes, and each way of not adding up is told. Nothing asserts speed."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.ingest import fresh, traffic, world
from bench.ingest.accounting import check
from montra.overlays.mainline.messages import parse
from zone_store.captures import Captures, Kind, Loss
from zone_store.keyspace.zone import Zone
from zone_store.run.folder import Manifest, create_run
from zone_store.run.writer import RunWriter

NOW_NS = 1_700_000_000_000_000_000
SENT = 80_000  # two whole passes through the file and a part


@pytest.fixture(scope="module")
def built() -> tuple[list[Any], traffic.Traffic]:
    attachments = world.attach(world.build(100, 21501, 4), 100, NOW_NS)
    return attachments, traffic.make(attachments)


def sent_captures(attachments: list[Any], made: traffic.Traffic) -> Captures:
    """Return what a faultless receiver would store of the first SENT datagrams."""
    number_of = {a.monitor_ip << 16 | a.monitor_port: a.number for a in attachments}
    sent = np.arange(SENT)
    head = made.head[sent % len(made)]
    query = head["lookup"] != traffic.NO_LOOKUP
    sent, head = sent[query], head[query]
    lookup = head["lookup"].astype(np.int64)
    numbers = (sent // len(made) * len(made.key) + lookup).astype(np.uint64)
    requester_id, source_ip = fresh.requesters(numbers)
    key = np.concatenate([made.key[lookup, :4], fresh.key_tails(numbers)], axis=1)
    n = len(sent)
    return Captures(
        time_ns=NOW_NS + sent.astype(np.int64),
        attachment=np.array([number_of[int(h["ip"]) << 16 | int(h["port"])] for h in head], np.uint32),
        source_ip=source_ip,
        source_port=np.full(n, 40_000, np.uint16),
        requester_id=requester_id,
        key=key,
        kind=np.full(n, Kind.LOOKUP, np.uint8),
        flags=np.zeros(n, np.uint16),
        version=np.zeros(n, np.uint32),
        port=np.zeros(n, np.uint16),
    )


def store(
    folder: Path, attachments: list[Any], captures: Captures, losses: dict[str, int], counters: dict[str, int]
) -> Path:
    run = create_run(folder, NOW_NS, "mainline", Zone.parse("a4/6"))
    manifest = Manifest(
        montra_version="bench",
        overlay="mainline",
        zone="a4/6",
        id_bits=160,
        start_ns=NOW_NS,
        parameters={},
        versions={},
        host={},
        git="",
    )
    with RunWriter(run, manifest, "") as writer:
        for attachment in attachments:
            writer.attachment(attachment)
        writer.captures(captures)
        for name, count in losses.items():
            writer.loss(Loss(name, NOW_NS, NOW_NS + 1, count))
        writer.seal(NOW_NS + 10**9, "complete", {"monitor_captured": len(captures), **losses, **counters})
    return run


def found(run: Path, drops: int = 0, **more: int) -> dict[str, Any]:
    return {"run": str(run), "sent": SENT, "received": SENT - drops, "drops": drops, **more}


def test_a_faultless_run_adds_up(built: tuple[list[Any], traffic.Traffic], tmp_path: Path) -> None:
    attachments, made = built
    captures = sent_captures(attachments, made)
    result = found(store(tmp_path, attachments, captures, {"monitor_stranger_other": SENT - len(captures)}, {}))
    assert check("montra", result, made) == []
    assert result["stored"] == len(captures)
    assert result["ledger"] == {"monitor_stranger_other": SENT - len(captures)}


def test_what_does_not_add_up_is_told(built: tuple[list[Any], traffic.Traffic], tmp_path: Path) -> None:
    attachments, made = built
    captures = sent_captures(attachments, made)
    refused = SENT - len(captures)
    missing = captures.take(np.arange(len(captures) - 3))
    result = found(store(tmp_path / "a", attachments, missing, {"monitor_stranger_other": refused}, {}))
    assert check("montra", result, made) == [
        f"montra: datagrams sent; stored, talk or on the ledger: {SENT} and {SENT - 3}"
    ]
    # three in place of three others: one twice, one to a monitor it was not for, one that was never sent
    wrong = captures.take(np.arange(len(captures)))
    for name in ("attachment", "source_ip", "requester_id", "key"):
        getattr(wrong, name)[0] = getattr(wrong, name)[1]
    key = int.from_bytes(wrong.key[2].tobytes())
    wrong.attachment[2] = max(attachments, key=lambda a: int.from_bytes(a.monitor_id) ^ key).number
    wrong.key[3, 19] ^= 1
    result = found(store(tmp_path / "b", attachments, wrong, {"monitor_stranger_other": refused}, {}))
    assert check("montra", result, made) == [
        "montra: captures that nobody sent: 0 and 2",
        "montra: captures stored twice: 0 and 1",
    ]


def test_drops_and_talk_are_accounted_for(built: tuple[list[Any], traffic.Traffic], tmp_path: Path) -> None:
    attachments, made = built
    captures = sent_captures(attachments, made)
    losses = {"monitor_stranger_other": SENT - len(captures), "kernel_drops": 7}
    run = store(tmp_path, attachments, captures.take(np.arange(7, len(captures))), losses, {"monitor_replies": 5})
    # five of the received are replies of targets
    result = {**found(run, drops=7, nodes_sent=5), "received": SENT - 7 + 5}
    assert check("montra", result, made) == []
    result["nodes_sent"] = 6
    assert check("montra", result, made) == [
        f"montra: datagrams sent, received or dropped: {SENT + 6} and {SENT + 5}",
        f"montra: datagrams sent; stored, talk or on the ledger: {SENT + 6} and {SENT + 5}",
    ]


def test_a_missing_datagram_is_a_problem_of_every_receiver(built: tuple[list[Any], traffic.Traffic]) -> None:
    _, made = built
    assert check("count", {"sent": 5, "received": 3, "drops": 2}, made) == []
    assert check("count", {"sent": 5, "received": 3, "drops": 1}, made) == [
        "count: datagrams sent, received or dropped: 5 and 4"
    ]
    plain = {"sent": 5, "received": 5, "drops": 0, "lookups": 4, "stored": 3}
    assert check("plain", plain, made) == ["plain: lookups received, stored: 4 and 3"]


def test_traffic_is_lookups_for_the_monitors_nearest_to_their_keys(
    built: tuple[list[Any], traffic.Traffic], tmp_path: Path
) -> None:
    attachments, made = built
    made.write(tmp_path / "traffic")
    data = (tmp_path / "traffic").read_bytes()
    ids = [a.monitor_id for a in attachments]
    address = {(a.monitor_ip, a.monitor_port): a.monitor_id for a in attachments}
    at, methods = 0, []
    near: dict[int, set[bytes]] = {}
    keys: dict[int, bytes] = {}
    while at < len(data):
        ip, port = struct.unpack_from(">IH", data, at)
        length, lookup, id_at, key_at = struct.unpack_from("<HIBB", data, at + 6)
        payload = data[at + 16 : at + 16 + length]
        message = parse(payload)
        methods.append((message.method, message.reason))
        if message.method in ("get_peers", "find_node"):
            assert payload[id_at : id_at + 20] == message.sender_id
            assert payload[key_at : key_at + 20] == message.key == made.key[lookup].tobytes()
            near.setdefault(lookup, set()).add(address[ip, port])
            keys[lookup] = message.key
        at += 16 + length
    assert set(methods) == {("get_peers", ""), ("find_node", ""), ("ping", ""), ("", "not_a_dict")}
    assert (methods.count(("ping", "")), methods.count(("", "not_a_dict"))) == (655, 163)
    assert len(near) == traffic.LEAST_LOOKUPS
    for lookup, monitors in near.items():
        key = int.from_bytes(keys[lookup])
        assert monitors == set(sorted(ids, key=lambda i: int.from_bytes(i) ^ key)[:8])


def test_numbers_can_be_read_back() -> None:
    numbers = np.array([0, 1, 4096, 2**40, 2**64 - 1], np.uint64)
    assert fresh.unscramble(fresh.scramble(numbers)).tolist() == numbers.tolist()
    assert len(set(fresh.scramble(np.arange(10_000, dtype=np.uint64)).tolist())) == 10_000
    # splitmix64 with seed 0, first output: its state then is the golden ratio
    assert int(fresh.scramble(np.array([0x9E3779B97F4A7C15], np.uint64))[0]) == 0xE220A8397B1DCDAF
