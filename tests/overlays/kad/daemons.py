"""A few real amuled in a namespace of their own, for tests that put our datagrams before them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest

from montra.lab.clients.namespace import Namespace, namespace
from montra.lab.kad.configuration import write_configuration
from montra.lab.kad.daemon import Command, Daemon
from montra.lab.kad.population import KadNode


def nodes_of(count: int, first_key: int) -> tuple[KadNode, ...]:
    """Return so many nodes of zone a4/8, numbered from 1. first_key: of their CryptoKadUDPKeys."""
    return tuple(
        KadNode(index=i, id=f"a4{i:02x}{i * 0x1234567890ABCDEF:028x}", ip=f"100.64.{i}.1", udp_key=first_key + i)
        for i in range(1, count + 1)
    )


@contextmanager
def connected(name: str, nodes: Sequence[KadNode], folders: pytest.TempPathFactory) -> Iterator[Namespace]:
    """Start nodes that know each other, and wait until all of them are connected."""
    with ExitStack() as stack:
        made = stack.enter_context(namespace(f"{name}-{os.getpid()}", "127.0.0.1", "100.64.0.0/10"))
        for node in nodes:
            folder = folders.mktemp(f"node{node.index}")
            write_configuration(folder, node, [other for other in nodes if other is not node])
            daemon = Daemon(made, folder, node, {})
            stack.callback(daemon.wait)
            stack.callback(daemon.end)
        give_up = time.monotonic() + 60
        for node in nodes:
            while "Kad: Connected" not in Command(made, node, "status").said():
                assert time.monotonic() < give_up, "amuled does not connect"
                time.sleep(0.2)
        yield made
