"""`python -m montra.lab.clients.libtorrent_driver IP PORT ENTRY...`: one libtorrent node, ruled by lines on its input.

"search HEX" (a lookup, then an announce) and "look_up HEX" (a lookup alone). It ends when its input does.
ENTRY: host:port of nodes it enters the network by.
"""

from __future__ import annotations

import os
import sys

from montra.lab.node import LabNode
from montra.lab.population import Placement


def main(arguments: list[str]) -> int:
    """Run the node until the input ends; return the exit code."""
    ip, port, *entries = arguments
    known = [(host, int(entry_port)) for host, _, entry_port in (entry.partition(":") for entry in entries)]
    node = LabNode(0, Placement(os.urandom(20), ip, int(port), True), known, logging=False)
    for address in known:
        node.meet(*address)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    for line in sys.stdin:
        order, _, key = line.strip().partition(" ")
        if order == "search":
            node.announce(bytes.fromhex(key), seed=False)
        elif order == "look_up":
            node.look_up(bytes.fromhex(key))
    node.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
