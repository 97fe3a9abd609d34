"""Ports and peers for tests with real sockets. Traffic stays in 127.180.0.0/16."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def free_ports() -> Callable[[int], range]:
    """Return a function that finds n consecutive UDP ports nobody has, on any address."""

    def find(n: int) -> range:
        # start at a place of our own: several test runs may share the machine
        first = 20000 + os.getpid() * 37 % 9000
        while True:
            opened: list[socket.socket] = []
            try:
                for port in range(first, first + n):
                    opened.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    opened[-1].bind(("0.0.0.0", port))
                return range(first, first + n)
            except OSError:
                first = first + n if first + 2 * n < 32000 else 20000
            finally:
                for one in opened:
                    one.close()

    return find


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """Return a socket on 127.180.255.1 with a large receive buffer and a timeout."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        opened.bind(("127.180.255.1", 0))
        opened.settimeout(5.0)
        yield opened
