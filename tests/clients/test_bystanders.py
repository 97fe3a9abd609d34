"""What monitors do to a network of real clients, as its wire shows: they speak to their targets and to nobody else."""

from collections import defaultdict
from ipaddress import IPv4Address, IPv4Network

import bencodepy
import pytest

from montra.datagrams import ip_number
from montra.lab.clients.wire import Packet
from tests.clients.scene import CRAWLER, MONITORS, Evidence, endpoint, is_announce
from zone_store.captures import Kind

pytestmark = [pytest.mark.clients, pytest.mark.netns, pytest.mark.slow, pytest.mark.timeout(300)]

GREETING = b"pn\0\0"


def of_monitors(ip: int) -> bool:
    return IPv4Address(ip) in IPv4Network(MONITORS)


def said(packet: Packet) -> dict[bytes, object]:
    return dict(bencodepy.bdecode(packet.payload))


def test_monitors_speak_to_their_targets_only(evidence: Evidence) -> None:
    assert evidence.dropped == 0
    pairs = {(a.monitor_ip, a.monitor_port, a.target_ip, a.target_port) for a in evidence.attachments}
    spoken = {(p.source_ip, p.source_port, p.ip, p.port) for p in evidence.packets if of_monitors(p.source_ip)}
    assert spoken == pairs


def test_strangers_asked_and_got_nothing(evidence: Evidence) -> None:
    targets = {(a.monitor_ip, a.monitor_port): (a.target_ip, a.target_port) for a in evidence.attachments}
    strangers = [
        p
        for p in evidence.packets
        if of_monitors(p.ip) and (p.source_ip, p.source_port) != targets.get((p.ip, p.port)) and said(p)[b"y"] == b"q"
    ]
    assert len(strangers) > 50
    assert {(p.source_ip, p.source_port) for p in strangers} >= {endpoint(c) for c in evidence.clients.values()}


def test_monitors_only_introduce_themselves_and_answer(evidence: Evidence) -> None:
    """Each reply echoes a query of its target, is no longer, and has nothing to offer."""
    asked: defaultdict[tuple[int, int, bytes], list[int]] = defaultdict(list)
    greeted = []
    for packet in evidence.packets:
        if of_monitors(packet.ip):
            message = said(packet)
            if message[b"y"] == b"q":
                asked[packet.source_ip, packet.ip, message[b"t"]].append(len(packet.payload))
        if not of_monitors(packet.source_ip):
            continue
        message = said(packet)
        if message[b"y"] == b"q":
            assert message[b"q"] in (b"find_node", b"ping")
            continue
        assert message[b"y"] == b"r"
        values = message[b"r"]
        assert set(values) <= {b"id", b"nodes"}
        assert values.get(b"nodes", b"") == b""
        query = asked[packet.ip, packet.source_ip, message[b"t"]]
        if query:
            assert len(packet.payload) <= query.pop(0)
        else:
            assert message[b"t"] == GREETING
            greeted.append((packet.ip, packet.port))
    # once, and only to who has no version and did not hand the monitor out at once, as webtorrent does
    assert greeted == [endpoint(c) for c in evidence.clients.values() if c.name == "transmission"]


def test_nothing_is_announced_to_a_monitor(evidence: Evidence) -> None:
    keys = [key for drawn in evidence.keys.values() for key in drawn]
    announces = [p for p in evidence.packets if is_announce(p.payload) and any(key in p.payload for key in keys)]
    assert announces  # searches met monitors and went on to announce, elsewhere
    assert [p for p in announces if of_monitors(p.ip)] == []
    assert Kind.ANNOUNCE not in evidence.captures.kind


def test_the_crawler_only_asks_and_says_that_it_is_read_only(evidence: Evidence) -> None:
    packets = [said(p) for p in evidence.packets if p.source_ip == ip_number(CRAWLER)]
    assert packets
    assert {(m[b"y"], m[b"q"], m[b"ro"]) for m in packets} == {(b"q", b"find_node", 1)}


def test_nobody_but_its_target_hands_a_monitor_out(evidence: Evidence) -> None:
    contacts = {
        a.monitor_id + a.monitor_ip.to_bytes(4, "big") + a.monitor_port.to_bytes(2, "big"): (a.target_ip, a.target_port)
        for a in evidence.attachments
    }
    others = set()
    for packet in evidence.packets:
        nodes = packet.payload.partition(b"5:nodes")[2].partition(b":")[2]
        for at in range(0, len(nodes) - 25, 26):
            target = contacts.get(nodes[at : at + 26])
            if target is not None and target != (packet.source_ip, packet.source_port):
                others.add((packet.source_ip, target))
    assert others == set()
