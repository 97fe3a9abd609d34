"""Who takes a dead worker's place takes its monitors' addresses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from montra.datagrams import ip_number
from montra.endpoint.plan import AddressPlan
from montra.processes.heir import Heir, answered_before, places_left
from zone_store.captures import Attachment
from zone_store.contents import Content, What
from zone_store.run.folder import Manifest
from zone_store.run.join import predecessors, shard_folder
from zone_store.run.writer import RunWriter

A, B, C = (bytes([0xA4, n]) + bytes(18) for n in (1, 2, 3))


@pytest.fixture
def plan() -> AddressPlan:
    return AddressPlan("192.0.2.1:20880", ["198.51.100.0/29"], "20881-20882")


def test_each_target_gets_its_former_pair_once(plan: AddressPlan) -> None:
    pair = (ip_number("198.51.100.5"), 20882)
    heir = Heir(plan, {A: pair})
    local = heir.acquire(A)
    assert local is not None
    assert heir.address(local) == pair == plan.address(local)
    assert heir.group(local) == plan.group(local)
    heir.release(local)
    again = heir.acquire(A)
    assert again is not None
    assert heir.address(again) != pair, "the second time it is to be another"


def test_it_knows_our_own_addresses(plan: AddressPlan) -> None:
    ips = np.array([ip_number("192.0.2.1"), ip_number("198.51.100.3"), ip_number("198.51.100.3")], np.uint32)
    ports = np.array([20880, 20882, 20883], np.uint16)
    assert Heir(plan, {}).are_own(ips, ports).tolist() == [True, True, False]


def test_others_get_what_the_plan_gives(plan: AddressPlan) -> None:
    same = AddressPlan("192.0.2.1:20880", ["198.51.100.0/29"], "20881-20882")
    heir = Heir(plan, {A: (ip_number("198.51.100.5"), 20882)})
    assert [heir.acquire(target) for target in (B, C)] == [same.acquire(target) for target in (B, C)]
    assert heir.is_own(ip_number("198.51.100.1"), 20881)
    assert not heir.is_own(ip_number("198.51.100.1"), 20883)


def test_a_pair_that_is_taken_or_not_ours_is_no_hindrance(plan: AddressPlan) -> None:
    pair = (ip_number("198.51.100.5"), 20882)
    heir = Heir(plan, {A: pair, B: pair, C: (1, 1)})
    first, second, third = heir.acquire(A), heir.acquire(B), heir.acquire(C)
    assert len({first, second, third}) == 3
    assert None not in (first, second, third)
    assert plan.acquire_pair(A, *plan.crawler) is None
    assert plan.held == 3


def shard(run: Path, slot: int, generation: int, *attachments: Attachment) -> Path:
    folder = shard_folder(run, slot, generation)
    folder.mkdir(parents=True)
    with RunWriter(folder, Manifest(montra_version="0", overlay="mainline", zone="a4/6", start_ns=5), "") as writer:
        for attachment in attachments:
            writer.attachment(attachment)
    return folder


def test_what_the_last_worker_with_monitors_left_behind(tmp_path: Path) -> None:
    shard(tmp_path, 0, 0, Attachment(1, A, 1, 1, A, 10, 11, 5), Attachment(2, B, 1, 1, B, 0, 0, 5))  # one is bare
    shard(tmp_path, 1, 0, Attachment(1, A, 1, 1, A, 20, 21, 5))
    shard(tmp_path, 1, 1, Attachment(1, B, 1, 1, B, 30, 31, 5), Attachment(2, C, 1, 1, C, 40, 41, 5, lost_ns=6))
    shard(tmp_path, 1, 2)
    successor = shard_folder(tmp_path, 1, 3)
    assert [one.name for one in predecessors(successor)] == ["001-0002", "001-0001", "001-0000"]
    assert places_left(successor) == {B: (30, 31)}
    assert places_left(shard_folder(tmp_path, 0, 1)) == {A: (10, 11)}
    assert places_left(shard_folder(tmp_path, 0, 0)) == {}


def test_a_shard_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    shard(tmp_path, 0, 0, Attachment(1, A, 1, 1, A, 10, 11, 5))
    broken = shard(tmp_path, 0, 1, Attachment(1, B, 1, 1, B, 10, 11, 5))
    (broken / "capture.lmdb" / "data.mdb").unlink()
    assert places_left(shard_folder(tmp_path, 0, 2)) == {A: (10, 11)}


def test_what_all_workers_before_were_told_is_known(tmp_path: Path) -> None:
    for generation, key in ((0, A), (1, B)):
        folder = shard_folder(tmp_path, 0, generation)
        folder.mkdir(parents=True)
        with RunWriter(folder, Manifest(montra_version="0", overlay="kad", zone="a4/6", start_ns=5), "") as writer:
            writer.content(Content(7 + generation, 1, 1, 1, What.SOURCE, key, key))
    (shard_folder(tmp_path, 1, 0)).mkdir(parents=True)
    assert answered_before(shard_folder(tmp_path, 0, 2)) == {A: 7, B: 8}
    assert answered_before(shard_folder(tmp_path, 0, 0)) == {}
