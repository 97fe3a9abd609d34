"""The simulated Kad network as the instrument meets it: datagrams in, datagrams out, in virtual time.

The same interface as `montra.simulator.network`. Sans-I/O; everything random comes from the settings' seed.
"""

from __future__ import annotations

import random
from functools import partial

import numpy as np
from numpy.typing import NDArray

from montra.overlays.kad import messages
from montra.overlays.kad.ids import swap_rows, to_wire
from montra.overlays.kad.messages import Bootstrap, Contact
from montra.overlays.kad.opcodes import OUR_VERSION, Op
from montra.overlays.kad.reader import KadError
from montra.simulator.calendar import Calendar, Sent
from montra.simulator.kad.endpoints import FloodGate, Opened, open_packet, seal_packet
from montra.simulator.kad.keepers import Keepers, Met
from montra.simulator.kad.lookups import KadRecord
from montra.simulator.kad.maintenance import Maintenance
from montra.simulator.kad.population import populate_kad
from montra.simulator.kad.settings import KadSettings
from montra.simulator.kad.tables import KadTables
from montra.simulator.kad.upkeep import Upkeep
from montra.simulator.kad.users import Users
from montra.simulator.latency import Wire
from montra.simulator.population import endpoints

#: Nodes outside the zone that never leave and know the zone as anybody does.
_BOOTSTRAP_NODES = 2
#: Nodes of the zone that a bootstrap node knows at any moment, and names in a BOOTSTRAP_RES.
_BOOTSTRAP_KNOWS, _BOOTSTRAP_NAMES = 64, 20
_CONTACT_BYTES = 25
_TCP_PORT = 4662


class KadNetwork(Calendar):
    """A network that lives through `settings.duration_s` from `settings.start_ns`, after its warm-up.

    nodes: all sessions ever of the zone, sorted by ID; bootstrap: (ip, port) of nodes that never leave; flood: requests
    of the instrument that nodes dropped as too many.
    """

    def __init__(self, settings: KadSettings) -> None:
        super().__init__()
        draws = np.random.default_rng(settings.seed)
        self._rng = rng = random.Random(settings.seed)
        self.nodes = nodes = populate_kad(settings, draws)
        live = max(2, round(settings.nodes * settings.zone.share * (1 - settings.unreachable)))
        self._tables = KadTables(nodes, settings.zone, live, draws)
        self._upkeep = Upkeep(nodes, self._tables, settings, draws)
        while self._upkeep.next_ns <= settings.start_ns:
            self._upkeep.step()
        self.flood = FloodGate()
        self._wire = Wire(settings.delay_s, settings.jitter, settings.loss, rng)
        self._ends_ns: list[int] = self._wire.ends_ns(len(nodes), draws).tolist()
        ips, ports = endpoints(_BOOTSTRAP_NODES, draws)
        self.bootstrap = list(zip(ips.tolist(), ports.tolist(), strict=True))
        self._places = list(zip(nodes.ip.tolist(), nodes.port.tolist(), strict=True)) + self.bootstrap
        self._rows = {place: row for row, place in enumerate(self._places)}
        self._ids = [node_id.tobytes() for node_id in nodes.node_id] + [rng.randbytes(16) for _ in self.bootstrap]
        self._secrets = [secret.tobytes() for secret in nodes.secret] + [rng.randbytes(4) for _ in self.bootstrap]
        wire = _wire_contacts(nodes.node_id, nodes.ip, nodes.port, nodes.version)
        self._contacts: list[bytes] = [row.tobytes() for row in wire]
        self._ups, self._downs = nodes.up_ns.tolist(), nodes.down_ns.tolist()
        self._reachable: list[bool] = nodes.reachable.tolist()
        versions, open_to_tcp = nodes.version.tolist(), nodes.open_to_tcp.tolist()
        self._keepers = Keepers(self._ids, versions, open_to_tcp, self._tables, rng, self.later, self._tell)
        self._users = Users(settings, nodes, self._tables, self._ends_ns, self._wire, self, rng, draws)
        self._maintenance = Maintenance(settings, nodes, self._users, rng, self.later)
        self.later(self._upkeep.next_ns, self._step)

    @property
    def lookups(self) -> list[KadRecord]:
        """Return every lookup of a user begun so far."""
        return self._users.log

    def met(self, row: int) -> Met | None:
        """Return the monitor in a node's table, None if there is none."""
        return self._keepers.met.get(row)

    def _step(self, _now_ns: int) -> None:
        gone, born = self._upkeep.step()
        for row in gone.tolist():
            self._keepers.left(row)
            self._users.left(row)
        self._maintenance.born(self._upkeep.next_ns, born.tolist())
        self.later(self._upkeep.next_ns, self._step)

    def _tell(self, now_ns: int, row: int, place: tuple[int, int], packet: bytes, node_id: bytes, key: int) -> None:
        """Put a packet of a node to the instrument on the wire."""
        if self._is_up(row, now_ns) and not self._wire.lost():
            payload = seal_packet(packet, self._rng, node_id, key, self._secrets[row], place[0])
            self.deliver(now_ns + self._end_ns(row) + self._wire.ours_ns, place, self._places[row], payload)

    def _end_ns(self, row: int) -> int:
        return self._ends_ns[row] if row < len(self.nodes) else self._wire.ours_ns

    def _is_up(self, row: int, now_ns: int) -> bool:
        if row >= len(self.nodes):
            return True
        return self._ups[row] <= now_ns and (not self._downs[row] or now_ns < self._downs[row])

    def take(self, sent: list[Sent]) -> None:
        """Take what the instrument has sent: it arrives one after the other."""
        for now_ns, source, ip, port, payload in sent:
            if self._wire.lost():
                continue
            place = (ip, port)
            row = self._rows.get(place)
            if row is None:
                if place in self._users.searching:
                    self._to_user(now_ns, source, place, payload)
                continue
            at_ns = now_ns + self._wire.ours_ns + self._end_ns(row)
            if row >= len(self.nodes) or (self._reachable[row] and self._is_up(row, at_ns)):
                self.later(at_ns, partial(self._hear, row=row, source=source, payload=payload))
            elif place in self._users.searching:  # an answer gets through to who has asked
                self._to_user(now_ns, source, place, payload)

    def _to_user(self, now_ns: int, source: tuple[int, int], place: tuple[int, int], payload: bytes) -> None:
        end_ns = self._users.searching[place][0].record.requester.end_ns

        def hear(at_ns: int) -> None:
            self._users.heard(at_ns, place, source, payload)

        self.later(now_ns + self._wire.ours_ns + end_ns, hear)

    def _hear(self, now_ns: int, row: int, source: tuple[int, int], payload: bytes) -> None:
        """A node gets a datagram of the instrument."""
        opened = open_packet(payload, self._ids[row], self._secrets[row], source[0])
        if opened is None or not self.flood.admits(now_ns, row, source[0], opened.op):
            return
        if opened.op == Op.RES:
            self._users.heard(now_ns, self._places[row], source, payload)
            return
        try:
            answer = self._answer(row, opened)
        except KadError:
            return
        if answer:
            self._tell(now_ns, row, source, answer, b"", opened.key)
        elif row < len(self.nodes):
            self._keepers.hear(now_ns, row, source, opened)

    def _answer(self, row: int, opened: Opened) -> bytes:
        """Return the answer to a request for contacts, b"" for none; raises KadError."""
        if opened.op == Op.BOOTSTRAP_REQ:
            return self._bootstrap(row)
        if opened.op != Op.REQ:
            return b""
        request = messages.read_request(opened.packet)
        count = request.wanted & 0x1F
        if not count or request.recipient != self._ids[row]:
            return b""
        head = int.from_bytes(request.target[:8])
        if row < len(self.nodes):
            found = self._tables.nearest(row, head, count)
        else:
            found = sorted(self._known(_BOOTSTRAP_KNOWS), key=lambda other: int(self.nodes.head[other]) ^ head)[:count]
        wire = b"".join([self._wire_contact(other) for other in found])
        return messages.packet(Op.RES, to_wire(request.target) + bytes((len(found),)) + wire)

    def _bootstrap(self, row: int) -> bytes:
        nodes = self.nodes
        rows = self._tables.contacts(row) if row < len(nodes) else self._known(_BOOTSTRAP_NAMES)
        named = self._rng.sample(rows, min(_BOOTSTRAP_NAMES, len(rows)))
        contacts = tuple(
            Contact(self._ids[other], *self._places[other], _TCP_PORT, int(nodes.version[other])) for other in named
        )
        version = int(nodes.version[row]) if row < len(nodes) else OUR_VERSION
        return messages.bootstrap(Bootstrap(self._ids[row], _TCP_PORT, version, contacts))

    def _known(self, count: int) -> list[int]:
        known = self._tables.known
        if not len(known):
            return []
        return list({int(known[self._rng.randrange(len(known))]): None for _ in range(count)})

    def _wire_contact(self, row: int) -> bytes:
        if row < len(self.nodes):
            return self._contacts[row]
        met = self._keepers.met[row - len(self.nodes)]
        place = met.ip.to_bytes(4, "little") + met.port.to_bytes(2, "little")
        return to_wire(met.monitor_id) + place + _TCP_PORT.to_bytes(2, "little") + bytes((met.version,))


def _wire_contacts(
    ids: NDArray[np.uint8], ips: NDArray[np.uint32], ports: NDArray[np.uint16], versions: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return contacts as they are in packets, uint8[n, 25]."""
    wire = np.zeros((len(ids), _CONTACT_BYTES), np.uint8)
    wire[:, :16] = swap_rows(ids)
    wire[:, 16:20] = ips.astype("<u4").view(np.uint8).reshape(-1, 4)
    wire[:, 20:22] = ports.astype("<u2").view(np.uint8).reshape(-1, 2)
    wire[:, 22:24] = np.frombuffer(_TCP_PORT.to_bytes(2, "little"), np.uint8)
    wire[:, 24] = versions
    return wire
