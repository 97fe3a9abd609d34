"""What nodes say of themselves: each once, as it last said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.network import nodes
from analysis.network.clients import OTHERS
from analysis.network.nodes import nodes_of
from zone_store.captures import Attachment, Status

from ..samples import EVIL, LT, TARGETS, Contents, attachment, run_of


def told(number: int, target: int, version: int, found: float = 0, status: int = 0, ip: int = 0) -> Attachment:
    row = attachment(number, TARGETS[target], found)
    return replace(row, version=version, status=status, target_ip=ip or 10 + target)


def name(version: int) -> str:
    return {LT: "lt", EVIL: "evil"}.get(version, "other")


ROWS = [
    told(1, 0, EVIL, 0, int(Status.UDP_FIREWALLED | Status.TCP_FIREWALLED)),
    told(2, 0, LT, 50, int(Status.TCP_FIREWALLED)),  # the same node later: another client, another word
    told(3, 1, LT, 0, ip=10),  # a second node at the first one's address
    told(4, 2, EVIL),
    replace(told(5, 3, 99), accepted_ns=0),  # never spoke
]


def test_each_node_counts_once_by_its_last_word() -> None:
    found = nodes_of(run_of(Contents(attachments=ROWS)), name, tells_reach=True)
    assert (found.spoke, found.addresses) == (3, 2)
    assert [(one.name, one.nodes, one.addresses, one.share) for one in found.clients] == [
        ("lt", 2, 1, pytest.approx(2 / 3)),
        ("evil", 1, 1, pytest.approx(1 / 3)),
    ]
    assert (found.udp_firewalled, found.tcp_firewalled) == (0, 1)
    numbers = {one.name: one for one in found.quantities()}
    assert numbers["tcp_firewalled"].value == pytest.approx(1 / 3)
    assert numbers["tcp_firewalled"].low < 1 / 3 < numbers["tcp_firewalled"].high
    assert np.asarray(found.table().column("address_share")).tolist() == [0.5, 0.5]


def test_what_is_not_told_is_withheld() -> None:
    found = nodes_of(run_of(Contents(attachments=ROWS)), name, tells_reach=False)
    assert (found.udp_firewalled, found.tcp_firewalled) == (None, None)
    walls = [one for one in found.quantities() if one.name.endswith("firewalled")]
    assert [one.told for one in walls] == [False, False]
    assert all("nothing of it" in one.withheld for one in walls)


def test_nobody_spoke() -> None:
    found = nodes_of(run_of(Contents(attachments=ROWS[4:])), name, tells_reach=True)
    assert (found.spoke, found.addresses, found.clients) == (0, 0, [])
    assert all(one.withheld for one in found.quantities() if one.name.endswith("firewalled"))


def test_beyond_so_many_names_all_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "MOST_CLIENTS", 1)
    found = nodes_of(run_of(Contents(attachments=ROWS)), name, tells_reach=True)
    assert [(one.name, one.nodes, one.addresses) for one in found.clients] == [("lt", 2, 1), (OTHERS, 1, 1)]


def test_a_hundred_zones() -> None:
    """Nodes drawn from a network of known shares: the bounds hold the network's share."""
    share, hits = 0.3, 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        rows = []
        for n in range(60):
            one = told(n + 1, 0, LT, status=int(Status.UDP_FIREWALLED) if rng.random() < share else 0, ip=n + 1)
            rows.append(replace(one, target_id=rng.bytes(20)))
        found = nodes_of(run_of(Contents(attachments=rows)), name, tells_reach=True)
        wall = next(one for one in found.quantities() if one.name == "udp_firewalled")
        hits += wall.low <= share <= wall.high
    assert hits >= 93
