"""Real clients as requesters: their lookups in the sealed run, with name, kind and destination."""

from collections import Counter

import numpy as np
import pytest

from montra.lab.clients.client import Client
from montra.overlays.mainline import OVERLAY
from tests.clients.scene import Evidence, endpoint, nearest
from zone_store.captures import Kind, Maintenance

pytestmark = [pytest.mark.clients, pytest.mark.netns, pytest.mark.slow, pytest.mark.timeout(300)]


def rows_of(evidence: Evidence, client: Client, key: bytes) -> list[int]:
    lookups = evidence.lookups
    ip, port = endpoint(client)
    wanted = (lookups.key == np.frombuffer(key, np.uint8)).all(axis=1)
    return np.flatnonzero(wanted & (lookups.source_ip == ip) & (lookups.source_port == port)).tolist()


def test_each_search_is_one_attributed_lookup(evidence: Evidence, client: Client) -> None:
    lookups = evidence.lookups
    for key in evidence.keys[client.program]:
        (row,) = rows_of(evidence, client, key)
        # rTorrent looks for the nodes nearest to an info-hash by find_node, and asks only them for peers
        assert lookups.kind[row] == (Kind.NODE_LOOKUP if client.by_find_node else Kind.LOOKUP)
        assert OVERLAY.version_name(int(lookups.version[row])) == client.version
        assert lookups.requester_id[row].tobytes() == evidence.node_ids[endpoint(client)]
        assert lookups.maintenance[row] == Maintenance.NONE
        assert lookups.copies[row] >= 3  # each is at the nearest monitors it heard of, not at one by chance


def test_its_destination_is_the_truly_nearest_node(evidence: Evidence, client: Client) -> None:
    by_number = {a.number: a for a in evidence.attachments}
    for key in evidence.keys[client.program]:
        (row,) = rows_of(evidence, client, key)
        destination = by_number[int(evidence.lookups.destination[row])]
        assert (destination.target_ip, destination.target_port) == nearest(evidence.node_ids, key)
        assert evidence.lookups.closest[row] == destination.number
        assert evidence.lookups.rank[row] == 0


def test_the_run_holds_every_lookup_that_reached_a_monitor(evidence: Evidence) -> None:
    """And none that did not. The last half second is left out: there the window ended."""
    assert evidence.dropped == 0
    number = {(a.monitor_ip, a.monitor_port): a.number for a in evidence.attachments}
    assert len(number) == len(evidence.attachments)
    on_wire: Counter[tuple[int, int, int, bytes]] = Counter()
    due: Counter[tuple[int, int, int, bytes]] = Counter()
    for packet in evidence.packets:
        message = OVERLAY.parse(packet.payload)
        if message.method in ("find_node", "get_peers") and (packet.ip, packet.port) in number:
            copy = (number[packet.ip, packet.port], packet.source_ip, packet.source_port, message.key)
            on_wire[copy] += 1
            due[copy] += packet.time_ns < evidence.manifest.end_ns - 500_000_000
    captures = evidence.captures
    captured = Counter(
        (
            int(captures.attachment[i]),
            int(captures.source_ip[i]),
            int(captures.source_port[i]),
            captures.key[i].tobytes(),
        )
        for i in range(len(captures))
    )
    assert captured.total() > 50
    assert due - captured == Counter()
    assert captured - on_wire == Counter()
