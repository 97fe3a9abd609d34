"""The nodes beside which the monitors are, so far as a soak needs them: they answer keep-alives. A process of its own.

Prints "ready", answers until standard input ends, prints {"sent": ...}.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import struct
import sys

from bench.ingest import world
from montra.overlays import base as overlays
from montra.overlays.mainline import bencode

_IP_PKTINFO = 8
_PKTINFO = struct.Struct("@iII")  # struct in_pktinfo: interface, address to send from, address of arrival
_SLOT = 2048


def main() -> None:
    """Answer every query with the ID of the node at the address where it arrived."""
    parser = argparse.ArgumentParser()
    for name in ("monitors", "port", "cpu"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    if given.cpu >= 0:
        os.sched_setaffinity(0, {given.cpu})
    ids = world.node_ids(given.monitors)
    overlay = overlays.load("mainline")
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    sock.bind(("", given.port))
    print("ready", flush=True)
    sent = 0
    while True:
        ready, _, _ = select.select([sock, sys.stdin], [], [])
        if sys.stdin in ready:
            break
        data, ((_, _, control),), _, address = sock.recvmsg(_SLOT, 64)
        _, _, arrived = _PKTINFO.unpack(control[: _PKTINFO.size])
        query = overlay.parse(data)
        node_id = ids.get(socket.ntohl(arrived))
        if query.type == "query" and node_id is not None:
            reply = bencode.encode({b"r": {b"id": node_id}, b"t": query.transaction, b"y": b"r"})
            source = _PKTINFO.pack(0, arrived, 0)
            sock.sendmsg([reply], [(socket.IPPROTO_IP, _IP_PKTINFO, source)], 0, address)
            sent += 1
    print(json.dumps({"sent": sent}))


if __name__ == "__main__":
    main()
