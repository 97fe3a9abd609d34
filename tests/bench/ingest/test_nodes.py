"""The nodes of a soak answer for each address with the ID that the fleet knows there."""

from __future__ import annotations

import socket
import sys

import pytest

from bench.ingest import runs, world
from montra.datagrams import ip_text
from montra.overlays.mainline import bencode
from montra.overlays.mainline.messages import parse

PING = bencode.encode({b"a": {b"id": b"m" * 20}, b"q": b"ping", b"t": b"abcd", b"y": b"q"})


@pytest.mark.slow
def test_each_node_answers_a_ping_from_its_own_address() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.150.1.1", 0))
        sock.settimeout(10)
        port = sock.getsockname()[1] - 1
        words = [sys.executable, "-m", "bench.ingest.nodes", "--monitors=10", f"--port={port}", "--cpu=-1"]
        with runs.started("nodes", words) as process:
            for place, node_id in world.node_ids(10).items():
                sock.sendto(PING, (ip_text(place), port))
                data, source = sock.recvfrom(2048)
                reply = parse(data)
                assert source == (ip_text(place), port)
                assert (reply.type, reply.sender_id, reply.transaction) == ("reply", node_id, b"abcd")
            sock.sendto(b"junk", (ip_text(world.NODES), port))
            sock.sendto(PING, (ip_text(world.NODES + 10), port))  # nobody is there
            sock.sendto(PING, (ip_text(world.NODES), port))
            assert sock.recvfrom(2048)[1] == (ip_text(world.NODES), port)
            assert runs.answer("nodes", process) == {"sent": 11}
