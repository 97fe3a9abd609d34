"""From the machines to the kernel: datagrams with local numbers out, each from its own address."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from montra.datagrams import Counters, Datagram
from montra.endpoint.mmsg import Sender
from montra.endpoint.plan import AddressPlan
from montra.endpoint.sockets import Sockets


class Outlet:
    """Sends for all sockets of a plan. Counters: sent, send_<errno>."""

    def __init__(self, plan: AddressPlan, sockets: Sockets, rows: int, counters: Counters) -> None:
        self._plan = plan
        self._sockets = sockets
        self._sender = Sender(rows, counters)

    def send(self, datagrams: Sequence[Datagram]) -> list[Datagram]:
        """Send datagrams, each from its own pair; return those whose socket is full at the moment (in order).

        Raises IndexError for a local outside the plan: a fault of the caller, nothing the network can cause.
        """
        if not datagrams:
            return []
        local = np.fromiter((d.local for d in datagrams), np.int64, len(datagrams))
        source_ip, source_port = self._plan.addresses_of(local)
        if self._sockets.bind == "each":
            index = local
        else:
            index = np.where(local == 0, 0, source_port.astype(np.int64) - self._plan.ports.start + 1)
        ips = np.fromiter((d.ip for d in datagrams), np.uint32, len(datagrams))
        ports = np.fromiter((d.port for d in datagrams), np.uint16, len(datagrams))
        order = np.argsort(index, kind="stable")
        unsent: list[Datagram] = []
        for rows in np.split(order, np.flatnonzero(np.diff(index[order])) + 1):
            bound = self._sockets.bound[index[rows[0]]]
            payloads = [datagrams[row].payload for row in rows]
            sources = source_ip[rows] if bound.local < 0 else None
            done = self._sender.send(bound.socket.fileno(), ips[rows], ports[rows], payloads, sources)
            unsent += [datagrams[row] for row in rows[done:]]
        return unsent
