"""The ingest benchmark's mix of lookups, beside what the clients of this machine write: byte for byte, but for IDs."""

from collections import Counter

import pytest

from bench.ingest.layouts import LAYOUTS, blank
from montra.lab.clients.client import Client
from tests.clients.scene import Evidence, endpoint

pytestmark = [pytest.mark.clients, pytest.mark.netns, pytest.mark.slow, pytest.mark.timeout(300)]

#: Which recordings are a program's, and by which query they know a lookup.
RECORDED = {
    "aria2c": ("aria2 ", b"1:q9:get_peers"),
    "transmission-daemon": ("Transmission ", b"1:q9:get_peers"),
    "rtorrent": ("rTorrent ", b"1:q9:find_node"),
    "node": ("webtorrent ", b"1:q9:get_peers"),
}


def queries(evidence: Evidence, client: Client, query: bytes) -> Counter[bytes]:
    """Return what a client sent as this query, blanked as the recordings are."""
    sent = [p.payload for p in evidence.packets if (p.source_ip, p.source_port) == endpoint(client)]
    return Counter(blank(payload) for payload in sent if query in payload and payload.endswith(b"1:y1:qe"))


def test_lookups_of_this_machines_clients_are_as_recorded(evidence: Evidence, client: Client) -> None:
    name, query = RECORDED[client.program]
    sent = queries(evidence, client, query)
    assert sent.total() > 20
    assert set(sent) == {layout.packet for layout in LAYOUTS if layout.client.startswith(name)}


def test_lookups_of_the_labs_libtorrent_are_as_recorded(evidence: Evidence) -> None:
    clients = {endpoint(client) for client in evidence.clients.values()}
    sent = Counter(
        blank(p.payload)
        for p in evidence.packets
        if b"1:q9:get_peers" in p.payload and b"1:v4:LT" in p.payload and (p.source_ip, p.source_port) not in clients
    )
    assert sent.total() > 20
    version = next(iter(sent)).partition(b"1:v4:")[2][:4]
    recorded = {layout.packet for layout in LAYOUTS if layout.client.startswith("libtorrent 2.1")}
    assert set(sent) <= {packet.replace(b"1:v4:LT\x02\x11", b"1:v4:" + version) for packet in recorded}
