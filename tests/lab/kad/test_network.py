"""A real network of a few amuled: it starts, publishes, searches, is read from its packets, and goes away."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from montra.lab.kad.network import kad_lab
from montra.lab.kad.programs import missing, releases
from montra.lab.kad.record import read_record
from montra.lab.kad.settings import KadLabSettings, KadWorkload
from montra.lab.settings import LabError
from montra.validation.kad_truth import load_kad_truth
from montra.validation.truth import PUBLISH, SEARCH
from zone_store.contents import What

pytestmark = [pytest.mark.clients, pytest.mark.netns, pytest.mark.slow]

RATE = 40.0


def settings(out: Path) -> KadLabSettings:
    made = KadLabSettings(out=out, nodes=8, rate=RATE, publishers=(5, 3, 2, 1), words=8, words_per_file=2)
    if lacking := missing(made):
        pytest.skip(lacking[0])
    return made


def namespaces() -> set[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in listed.splitlines()}


def kill_a_daemon(name: str) -> None:
    listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=True).stdout
    for pid in listed.split():
        with suppress(FileNotFoundError):
            if "nodes/2\0" in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(int(pid), signal.SIGKILL)


def test_a_network_publishes_and_searches_and_its_packets_tell_all_of_it(tmp_path: Path) -> None:
    with kad_lab(settings(tmp_path / "lab")) as lab:
        lab.wait_connected()
        lab.wait_publishing()
        assert lab.age_s >= 195
        lab.go(KadWorkload(duration_s=5.0, searches=10, downloads=1, share_within_s=1.0))
        lab.wait_done()
        name = lab.inside.name
        assert name in namespaces()
    assert name not in namespaces()
    record = read_record(lab.folder)
    assert record.client == releases()["amuled"]
    assert record.went_ns < record.end_ns
    assert record.cpu_s > 0
    assert {order.kind for order in record.orders if not order.refusal} == {"share", "search", "download"}

    truth = load_kad_truth(lab.folder)
    assert truth.unreadable == 0
    assert truth.misdirected == 0
    # a daemon answers who asks it by its own ID: its answers confirm what the packets were read as
    asked = sum(len(one.lookup.received) for one in truth.lookups)
    assert sum(len(one.answered) for one in truth.lookups) >= 0.98 * asked > 100
    searches = [one for one in truth.lookups if one.lookup.method == SEARCH]
    publishes = [one for one in truth.lookups if one.lookup.method == PUBLISH]
    told = {(order.index, order.what) for order in record.orders if order.kind == "search" and not order.refusal}
    looked_up = {(one.lookup.requester.index, one.lookup.key.hex()) for one in searches}
    assert len(told & looked_up) >= 0.8 * len(told)  # a node that knows too few others may find nobody to ask
    sharing = {(index, file.hash) for file in record.files for index in file.publishers}
    published = {(one.requester, one.key.hex()) for one in truth.said if one.what is What.SOURCE}
    assert len(sharing & published) >= 0.8 * len(sharing)
    names = {file.name for file in record.files}
    assert {one.name for one in truth.said if one.what is What.KEYWORD} <= names
    assert all(one.lookup.received for one in publishes)
    assert any(one.results for one in searches)


def test_nothing_is_left_where_a_daemon_dies(tmp_path: Path) -> None:
    name = ""

    def live() -> None:
        nonlocal name
        with kad_lab(settings(tmp_path)) as lab:
            name = lab.inside.name
            kill_a_daemon(name)
            lab.wait(30.0)

    with pytest.raises(LabError, match="the amuled of node 2 has ended"):
        live()
    assert name
    assert name not in namespaces()
    assert read_record(tmp_path).end_ns == 0
