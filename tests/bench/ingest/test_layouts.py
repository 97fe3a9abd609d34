"""The recordings of the mix, beside libtorrent as it is installed: byte for byte, but for IDs and its version."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.ingest import traffic, world
from bench.ingest.layouts import LAYOUTS, blank
from montra.overlays.mainline import bencode
from montra.overlays.mainline.messages import parse

NODE, CLIENT = "127.150.9.1", "127.150.10.1"
RECORD_S = 15.0


def test_each_recording_is_a_proper_lookup() -> None:
    assert sum(layout.share for layout in LAYOUTS) == pytest.approx(1)
    for layout in LAYOUTS:
        message = parse(layout.packet)
        assert message.reason == ""
        assert message.method in ("get_peers", "find_node")
        assert (message.sender_id, message.key) == (b"I" * 20, b"K" * 20)
        assert set(message.transaction) == set(b"T")
        assert blank(layout.packet) == layout.packet
        assert layout.packet[layout.id_at :].startswith(b"I" * 20)
        assert layout.packet[layout.key_at :].startswith(b"K" * 20)


def test_the_traffic_is_the_recordings_in_their_shares() -> None:
    made = traffic.make(world.attach(world.build(100, 21501, 4), 100, 1_700_000_000_000_000_000))
    rows = np.flatnonzero(made.head["lookup"] != traffic.NO_LOOKUP)
    blanked = [blank(made.payload[row, : made.head["length"][row]].tobytes()) for row in rows.tolist()]
    packets = {layout.packet: layout for layout in LAYOUTS}
    assert set(blanked) == set(packets)
    for packet, layout in packets.items():
        assert blanked.count(packet) / len(blanked) == pytest.approx(layout.share, abs=0.03)


@pytest.mark.slow
def test_libtorrent_writes_its_lookups_as_recorded(tmp_path: Path) -> None:
    libtorrent = pytest.importorskip("libtorrent")
    recorded = {layout.packet for layout in LAYOUTS if layout.client.startswith("libtorrent 2.1")}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as node:
        node.bind((NODE, 0))
        with _session(libtorrent, node.getsockname()[1], tmp_path):
            found = _record(node, len(recorded))
    version = next(iter(found)).partition(b"1:v4:")[2][:4]
    assert version.startswith(b"LT")
    assert found == {packet.replace(b"1:v4:LT\x02\x11", b"1:v4:" + version) for packet in recorded}


@contextmanager
def _session(libtorrent: Any, node_port: int, folder: Path) -> Iterator[None]:
    """Run a libtorrent with one node to ask, one torrent to fetch, one to seed, and an IPv6 side that knows nobody."""
    session = libtorrent.session(
        {
            "listen_interfaces": f"{CLIENT}:0,[::1]:0",
            "enable_dht": True,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "dht_bootstrap_nodes": f"{NODE}:{node_port}",
            "dht_restrict_routing_ips": False,
            "dht_restrict_search_ips": False,
        }
    )
    seed = b"montra" * 4000
    (folder / "seed").write_bytes(seed)
    torrent = _metainfo(seed)
    try:
        wanted = libtorrent.parse_magnet_uri(f"magnet:?xt=urn:btih:{'33' * 20}")
        wanted.save_path = str(folder)
        session.add_torrent(wanted)
        own = libtorrent.add_torrent_params()
        own.ti = libtorrent.torrent_info(libtorrent.bdecode(torrent))
        own.save_path = str(folder)
        session.add_torrent(own)
        yield
    finally:
        session.pause()


def _metainfo(content: bytes) -> bytes:
    """Return a torrent of one file in one piece."""
    info = {
        b"length": len(content),
        b"name": b"seed",
        b"piece length": 1 << 15,
        b"pieces": hashlib.sha1(content).digest(),
    }
    return bencode.encode({b"info": info})


def _record(node: socket.socket, layouts: int) -> set[bytes]:
    """Answer as a node that knows nobody until so many layouts of get_peers have been seen; return them blanked."""
    found: set[bytes] = set()
    node.settimeout(0.2)
    end = time.monotonic() + RECORD_S
    while len(found) < layouts and time.monotonic() < end:
        try:
            data, source = node.recvfrom(2048)
        except TimeoutError:
            continue
        message = parse(data)
        if message.method == "get_peers":
            found.add(blank(data))
        if message.type == "query":
            reply = {b"id": b"N" * 20, b"nodes": b"", b"token": b"12345678"}
            node.sendto(bencode.encode({b"r": reply, b"t": message.transaction, b"y": b"r"}), source)
    return found
