"""What the zone's nodes do with their monitors: take them in, ask whether they live, hand them out or not."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from montra.simulator import wording
from montra.simulator.population import Nodes
from montra.simulator.rules import QUARANTINE_S, RULES, Entry
from montra.simulator.settings import Family
from montra.simulator.tables import Tables

#: After so long without an answer a query has failed: libtorrent's 15 s (rpc_manager.cpp) [S], for all.
TIMEOUT_NS = 15 * 10**9
#: A node that patiently asks a silent contact again does so after this; jech waits 15 s (dht.c) [S].
_AGAIN_NS = 20 * 10**9


@dataclass(slots=True, eq=False)
class Met:
    """A monitor as its node knows it. queries: heard from it, up to now; confirmed: handed out, but for room."""

    monitor_id: bytes
    ip: int
    port: int
    first_ns: int
    queries: int = 0
    failures: int = 0
    asked_ns: int = 0
    answered: bool = False


class Keepers:
    """All nodes and their monitors.

    `later(at_ns, call)` calls back at a time; `tell(now_ns, row, ip, port, payload)` puts a datagram of a node on the
    wire.
    """

    def __init__(
        self,
        nodes: Nodes,
        tables: Tables,
        rng: random.Random,
        later: Callable[[int, Callable[[int], None]], None],
        tell: Callable[[int, int, int, int, bytes], None],
    ) -> None:
        self.met: dict[int, Met] = {}
        self._nodes = nodes
        self._tables = tables
        self._rng = rng
        self._later = later
        self._tell = tell
        self._rules = [RULES[family] for family in Family]
        self._number = 0

    def heard_query(self, now_ns: int, row: int, sender_id: bytes, ip: int, port: int) -> None:
        """A query, not read-only, has come from the instrument."""
        rules = self._rules[self._nodes.client[row]]
        known = self.met.get(row)
        if known is not None and (known.ip, known.port, known.monitor_id) != (ip, port, sender_id):
            if rules.entry is not Entry.UNASKED_PONG:
                return  # the ID is taken, by another address, until that falls silent; jech lets it move
            known = None
        if not self._is_own(row, sender_id):
            return
        if known is None:
            known = self._meet(now_ns, row, sender_id, ip, port)
        known.queries += 1
        if known.failures:
            known.failures = 0
            if known.answered:
                self._show(now_ns, row, known)
        if rules.entry is Entry.AT_ONCE or (rules.entry is Entry.SECOND_QUERY and known.queries >= 2):
            self._tables.attach(row)

    def heard_answer(self, now_ns: int, row: int, sender_id: bytes, ip: int, port: int, transaction: bytes) -> None:
        """A reply has come, awaited or not."""
        rules = self._rules[self._nodes.client[row]]
        known = self.met.get(row)
        if known is None or (known.ip, known.port) != (ip, port):
            if rules.entry is not Entry.UNASKED_PONG or transaction[:2] != b"pn" or not self._is_own(row, sender_id):
                return
            known = self._meet(now_ns, row, sender_id, ip, port)
        elif not known.asked_ns and rules.entry is not Entry.UNASKED_PONG:
            return
        if sender_id != known.monitor_id:
            self._forget(row)  # who changes its ID is thrown out
            return
        known.asked_ns = known.failures = 0
        known.answered = True
        self._show(now_ns, row, known)

    def left(self, row: int) -> None:
        """The node is gone."""
        self.met.pop(row, None)

    def _is_own(self, row: int, sender_id: bytes) -> bool:
        """Whether the ID lies with the node's own: others find no place in a table, or one that is of no account."""
        return sender_id[:8] == self._nodes.node_id[row, :8].tobytes()

    def _meet(self, now_ns: int, row: int, sender_id: bytes, ip: int, port: int) -> Met:
        known = self.met[row] = Met(sender_id, ip, port, now_ns)
        low, high = self._rules[self._nodes.client[row]].ping_s
        self._later(now_ns + round(self._rng.uniform(low, high) * 1e9), lambda at_ns: self._ask(at_ns, row, known))
        return known

    def _show(self, now_ns: int, row: int, known: Met) -> None:
        """Hand the monitor out, once the node's rules are met."""
        rules = self._rules[self._nodes.client[row]]
        if rules.entry is Entry.NEVER:
            return
        free_ns = known.first_ns + round(QUARANTINE_S * 1e9) if rules.entry is Entry.QUARANTINE else now_ns
        if free_ns <= now_ns:
            self._tables.attach(row)
        else:
            self._later(free_ns, lambda _at_ns: self._tables.attach(row) if self.met.get(row) is known else None)

    def _ask(self, now_ns: int, row: int, known: Met) -> None:
        """It is the monitor's turn to be asked whether it lives."""
        if self.met.get(row) is not known:
            return
        family = Family(int(self._nodes.client[row]))
        node_id = self._nodes.node_id[row].tobytes()
        self._number += 1
        if family is Family.LIBTORRENT:
            # for an ID in the bucket of this contact, hence its own [M]
            payload = wording.query(family, "get_peers", node_id, node_id, self._number)
        else:
            payload = wording.query(family, "ping", node_id, b"", self._number)
        known.asked_ns = now_ns
        self._tell(now_ns, row, known.ip, known.port, payload)
        self._later(now_ns + TIMEOUT_NS, lambda at_ns: self._check(at_ns, row, known))

    def _check(self, now_ns: int, row: int, known: Met) -> None:
        """Has it answered? A contact that has not is handed out no longer after some failures, and forgotten."""
        if self.met.get(row) is not known:
            return
        rules = self._rules[self._nodes.client[row]]
        wait_ns = round(rules.ping_every_s * self._rng.uniform(0.7, 1.3) * 1e9)
        if known.asked_ns:
            known.asked_ns = 0
            known.failures += 1
            if known.failures >= rules.patience:
                self._forget(row)
                return
            wait_ns = _AGAIN_NS
        self._later(now_ns + wait_ns, lambda at_ns: self._ask(at_ns, row, known))

    def _forget(self, row: int) -> None:
        self.met.pop(row, None)
        self._tables.detach(row)
