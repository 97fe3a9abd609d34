"""Orders on their way to the daemons, a few at once, and what came of them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from montra.lab.clients.namespace import Namespace
from montra.lab.kad.daemon import Command, Daemon
from montra.lab.kad.orders import Order
from montra.lab.kad.record import OrderRecord
from montra.overlays.kad.ids import keyword_id

_AT_ONCE = 4
#: A daemon that is busy may not answer at once.
_TRIES = 3
#: What amulecmd prints for a search, and for all else.
_TAKEN = ("Search in progress", "Operation was successful")


class _Given(NamedTuple):
    order: Order
    t_ns: int
    tries: int
    command: Command


class Dispatch:
    """Gives orders when they are due. Nothing here waits. records: of those answered."""

    def __init__(self, inside: Namespace, daemons: Sequence[Daemon], orders: Sequence[Order], now_s: float) -> None:
        self.records: list[OrderRecord] = []
        self._inside = inside
        self._daemons = daemons
        self._orders = deque(orders)
        self._began_s = now_s
        self._running: list[_Given] = []

    @property
    def idle(self) -> bool:
        """Whether all orders were given and answered."""
        return not self._orders and not self._running

    def poll(self, now_s: float) -> None:
        """Give what is due by now, take in what was answered."""
        running, self._running = self._running, []
        for given in running:
            if given.command.done():
                self._answered(given, given.command.said())
            else:
                self._running.append(given)
        while self._orders and len(self._running) < _AT_ONCE and self._began_s + self._orders[0].at_s <= now_s:
            self._give(self._orders.popleft(), 1)

    def kill(self) -> None:
        """Give up what is on its way."""
        for given in self._running:
            given.command.kill()

    def _answered(self, given: _Given, answer: str) -> None:
        if not answer and given.tries < _TRIES:
            self._give(given.order, given.tries + 1)
            return
        taken = any(word in answer for word in _TAKEN)
        self.records.append(_record(given, "" if taken else answer or "no answer"))

    def _give(self, order: Order, tries: int) -> None:
        daemon = self._daemons[order.node]
        if order.share:
            daemon.share(order.share)
            words = "reload shared"
        elif order.fetch:
            words = f"add {order.fetch.link}"
        else:
            words = f"search kad {order.word}"
        self._running.append(_Given(order, time.time_ns(), tries, Command(self._inside, daemon.node, words)))


def _record(given: _Given, refusal: str) -> OrderRecord:
    order = given.order
    if order.share:
        kind, what = "share", order.share.hash
    elif order.fetch:
        kind, what = "download", order.fetch.hash
    else:
        kind, what = "search", keyword_id(order.word).hex()
    return OrderRecord(t_ns=given.t_ns, index=order.node, kind=kind, what=what, refusal=refusal)
