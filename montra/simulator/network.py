"""The simulated network as the instrument meets it: datagrams in, datagrams out, in virtual time.

Sans-I/O: `send` puts a datagram of the instrument on the wire, `advance` lets time pass and returns what arrives.
Everything random comes from the settings' seed.
"""

from __future__ import annotations

import random

import numpy as np

from montra.simulator import wording
from montra.simulator.calendar import Calendar, Sent
from montra.simulator.keepers import Keepers
from montra.simulator.latency import Wire
from montra.simulator.lookups import LookupRecord
from montra.simulator.noise import Noise
from montra.simulator.population import endpoints, populate
from montra.simulator.settings import Family, SimSettings
from montra.simulator.tables import Tables
from montra.simulator.upkeep import Upkeep
from montra.simulator.users import Users

#: Nodes outside the zone that never leave and know the zone as anybody does.
_BOOTSTRAP_NODES = 2
#: Nodes of the zone that a bootstrap node knows at any moment.
_BOOTSTRAP_CONTACTS = 64
_CONTACT_BYTES = 26
_Query = tuple[int, int, bytes, bytes, int, int]  # arrival, row, key, transaction, own ip, own port


class SimNetwork(Calendar):
    """A network that lives through `settings.duration_s` from `settings.start_ns`, after its warm-up.

    nodes: all sessions ever of the zone, sorted by ID; lookups: every lookup of a user so far; bootstrap: (ip, port) of
    nodes that never leave.
    """

    def __init__(self, settings: SimSettings) -> None:
        super().__init__()
        draws = np.random.default_rng(settings.seed)
        self._rng = random.Random(settings.seed)
        self.nodes = nodes = populate(settings, draws)
        live = max(2, round(settings.nodes * settings.zone.share))
        self._tables = Tables(nodes, settings.zone, live, draws, introduced=settings.introduced)
        self._upkeep = Upkeep(nodes, self._tables, settings, draws)
        while self._upkeep.next_ns <= settings.start_ns:
            self._upkeep.step()
        self._wire = Wire(settings.delay_s, settings.jitter, settings.loss, self._rng)
        self._ends_ns: list[int] = self._wire.ends_ns(len(nodes), draws).tolist()
        ips, ports = endpoints(_BOOTSTRAP_NODES, draws)
        self.bootstrap = list(zip(ips.tolist(), ports.tolist(), strict=True))
        places = zip(nodes.ip.tolist(), nodes.port.tolist(), strict=True)
        self._rows = {place: row for row, place in enumerate(places)}
        # bootstrap nodes are rows beyond the population
        self._rows.update({place: len(nodes) + i for i, place in enumerate(self.bootstrap)})
        self._bootstrap_ids = [self._rng.randbytes(20) for _ in self.bootstrap]
        self._contacts = np.zeros((2 * len(nodes), _CONTACT_BYTES), np.uint8)
        self._contacts[: len(nodes), :20] = nodes.node_id
        self._contacts[: len(nodes), 20:24] = nodes.ip.astype(">u4").view(np.uint8).reshape(-1, 4)
        self._contacts[: len(nodes), 24:] = nodes.port.astype(">u2").view(np.uint8).reshape(-1, 2)
        self._ups, self._downs = nodes.up_ns.tolist(), nodes.down_ns.tolist()
        self._reachable: list[bool] = nodes.reachable.tolist()
        self._families = [Family(number) for number in nodes.client.tolist()]
        self._keepers = Keepers(nodes, self._tables, self._rng, self.later, self._tell)
        self._users = Users(settings, nodes, self._tables, self._ends_ns, self._wire, self, self._rng, draws)
        Noise(settings, nodes, self._tables, self._keepers, self._rng, self.later, self._tell)
        self.later(self._upkeep.next_ns, self._step)

    @property
    def lookups(self) -> list[LookupRecord]:
        """Return every lookup begun so far."""
        return self._users.log

    def monitor(self, row: int) -> tuple[int, int, int]:
        """Return (ID, ip, port) of the monitor that a node hands out."""
        met = self._keepers.met[row]
        return int.from_bytes(met.monitor_id), met.ip, met.port

    def _step(self, _now_ns: int) -> None:
        for row in self._upkeep.step().tolist():
            self._keepers.left(row)
        self.later(self._upkeep.next_ns, self._step)

    def _tell(self, now_ns: int, row: int, ip: int, port: int, payload: bytes) -> None:
        """Put a datagram of a node to the instrument on the wire."""
        if self._is_up(row, now_ns) and not self._wire.lost():
            at_ns = now_ns + self._ends_ns[row] + self._wire.ours_ns
            self.deliver(at_ns, (ip, port), self._place(row), payload)

    def _place(self, row: int) -> tuple[int, int]:
        return int(self.nodes.ip[row]), int(self.nodes.port[row])

    def _is_up(self, row: int, now_ns: int) -> bool:
        return self._ups[row] <= now_ns and (not self._downs[row] or now_ns < self._downs[row])

    def take(self, sent: list[Sent]) -> None:
        """Take what the instrument has sent: queries are answered together, from the tables as they are now."""
        queries: list[_Query] = []
        n, ours_ns, lost = len(self.nodes), self._wire.ours_ns, self._wire.lost
        for now_ns, source, ip, port, payload in sent:
            if lost():
                continue
            row = self._rows.get((ip, port))
            if (ip, port) in self._users.searching and payload[:6] != b"d1:ad2":
                self._to_user(now_ns, source, ip, port, payload)
            elif row is None:
                continue
            elif row >= n:
                self._ask_bootstrap(now_ns, source, row - n, payload)
            elif self._reachable[row] and self._is_up(row, now_ns + ours_ns + self._ends_ns[row]):
                self._to_node(now_ns + ours_ns + self._ends_ns[row], source, row, payload, queries)
        if queries:
            self._reply(queries)

    def _to_user(self, now_ns: int, source: tuple[int, int], ip: int, port: int, payload: bytes) -> None:
        lookups = self._users.searching[ip, port]
        at_ns = now_ns + self._wire.ours_ns + lookups[0].end_ns

        def hear(at_ns: int) -> None:
            if not self._users.heard(at_ns, ip, port, source, payload):
                row = self._rows.get((ip, port))
                if row is not None and self._is_up(row, at_ns):
                    self._hear_answer(at_ns, source, row, payload)

        self.later(at_ns, hear)

    def _to_node(self, at_ns: int, source: tuple[int, int], row: int, payload: bytes, queries: list[_Query]) -> None:
        heard = wording.read(payload)
        if heard.kind == "reply":
            self.later(at_ns, lambda _at_ns: self._hear_answer(_at_ns, source, row, payload))
        if heard.kind != "query":
            return
        if not heard.read_only:
            self.later(at_ns, lambda _at_ns: self._hear_query(_at_ns, source, row, heard.sender_id))
        queries.append((at_ns, row, heard.key, heard.transaction, *source))

    def _hear_answer(self, now_ns: int, source: tuple[int, int], row: int, payload: bytes) -> None:
        heard = wording.read(payload)
        self._keepers.heard_answer(now_ns, row, heard.sender_id, *source, heard.transaction)
        self._write_contact(row)

    def _hear_query(self, now_ns: int, source: tuple[int, int], row: int, sender_id: bytes) -> None:
        self._keepers.heard_query(now_ns, row, sender_id, *source)
        self._write_contact(row)

    def _write_contact(self, row: int) -> None:
        met = self._keepers.met.get(row)
        if met is not None:
            wire = met.monitor_id + met.ip.to_bytes(4) + met.port.to_bytes(2)
            self._contacts[row + len(self.nodes)] = np.frombuffer(wire, np.uint8)

    def _reply(self, queries: list[_Query]) -> None:
        """Let nodes answer queries of the instrument."""
        asked = [query for query in queries if query[2]]
        named: dict[int, bytes] = {}
        if asked:
            rows = np.array([query[1] for query in asked], np.int64)
            heads = np.frombuffer(b"".join([query[2][:8] for query in asked]), ">u8").astype(np.uint64)
            found = self._tables.closest(rows, heads, 8)
            wire = self._contacts[np.maximum(found, 0)].reshape(len(asked), -1).tobytes()
            count = (found >= 0).sum(axis=1).tolist()
            width = found.shape[1] * _CONTACT_BYTES
            for i in range(len(asked)):
                named[i] = wire[i * width : i * width + count[i] * _CONTACT_BYTES]
        ids = self.nodes.node_id
        i = 0
        for at_ns, row, key, transaction, ip, port in queries:
            nodes = None
            if key:
                nodes = named[i]
                i += 1
            if self._wire.lost():
                continue
            payload = wording.reply(self._families[row], ids[row].tobytes(), nodes, transaction)
            self.deliver(at_ns + self._ends_ns[row] + self._wire.ours_ns, (ip, port), self._place(row), payload)

    def _ask_bootstrap(self, now_ns: int, source: tuple[int, int], number: int, payload: bytes) -> None:
        heard = wording.read(payload)
        if heard.kind != "query" or self._wire.lost():
            return
        known = self._tables.known
        drawn = known[self._rng.randrange(len(known))] if len(known) else 0
        picked = np.array([known[self._rng.randrange(len(known))] for _ in range(min(_BOOTSTRAP_CONTACTS, len(known)))])
        nodes = b""
        if heard.key and len(picked):
            picked = np.unique(np.append(picked, drawn))
            head = np.uint64(int.from_bytes(heard.key[:8]))
            nearest = picked[np.argsort(self.nodes.head[picked] ^ head)[:8]]
            nodes = self._contacts[nearest].tobytes()
        node_id = self._bootstrap_ids[number]
        answer = wording.reply(Family.LIBTORRENT, node_id, nodes if heard.key else None, heard.transaction)
        self.deliver(now_ns + 4 * self._wire.ours_ns, source, self.bootstrap[number], answer)
