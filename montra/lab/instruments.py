"""Instrumented nodes in a network that others run: sources that look keys up, destinations that note who asks them.

Both are whole libtorrent nodes with identities and addresses of their own. What they note is read out of libtorrent's
own packet log, so it passes through nothing of montra's instrument.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from montra.datagrams import ip_number
from montra.lab.bep42 import node_id
from montra.lab.instrument_log import DESTINATION, SOURCE, Address, Heard, Instrument, InstrumentLog, InstrumentSettings
from montra.lab.node import LIBTORRENT_VERSION, AlertsLostError, LabNode
from montra.lab.population import Placement
from montra.lab.settings import LabError
from montra.overlays.base import Message
from montra.overlays.mainline.messages import parse
from zone_store.captures import Flag
from zone_store.keyspace.zone import Zone
from zone_store.run.canaries import CanaryLookup

#: Queries that destinations note, all together; more would fill the memory, and say no more.
MOST_HEARD = 1_000_000
#: How often the nodes' logs are read, so the precision of their times.
POLL_S = 0.03
#: While the network gets to know them, each node looks around so often.
_LOOKS = 4
_OWN_PREFIX_BYTES = 16


def place(address: Address, zone: Zone, rng: random.Random) -> Placement:
    """Return where a node with an ID in the zone stands, valid there by BEP 42; raises LabError if there is none."""
    made = node_id(ip_number(address[0]), zone, rng)
    if made is None:
        raise LabError(f"no node ID that BEP 42 allows at {address[0]} lies in zone {zone}: take another address")
    return Placement(made, *address, True)


@dataclass(slots=True)
class _Under:
    """A lookup under way."""

    t_ns: int
    node: int
    asked: dict[tuple[int, int], int] = field(default_factory=dict)
    answered: dict[tuple[bytes, int, int], int] = field(default_factory=dict)


class Instruments:
    """The running nodes. `run` blocks until their work is done; raises LabError."""

    def __init__(self, settings: InstrumentSettings) -> None:
        self._settings = settings
        # not as a lab of the same seed, which would give its nodes the same IDs
        self._rng = random.Random(f"instruments/{settings.seed}")
        self._zone = Zone.parse(settings.zone)
        anywhere = Zone(0, 0)
        self._places = [place(address, anywhere, self._rng) for address in settings.sources]
        self._places += [place(address, self._zone, self._rng) for address in settings.destinations]
        self._nodes: list[LabNode] = []
        self._up_ns: list[int] = []
        self._lookups: dict[bytes, _Under] = {}
        self._sent: dict[tuple[int, str, int, bytes], bytes] = {}  # node, ip, port, transaction -> key
        self._heard: list[Heard] = []
        self._dropped = 0
        self._begin_ns = 0

    def run(self, step: Callable[[str], None]) -> InstrumentLog:
        """Start, settle, look up, listen; `step` is told what begins. Returns all that was noted."""
        settings = self._settings
        try:
            step(f"starting {len(settings.sources)} sources and {len(settings.destinations)} destinations")
            self._start()
            self._settle()
            step(f"{settings.lookups} lookups in {settings.duration_s:.0f} s")
            self._begin_ns = time.time_ns()
            self._work()
        except AlertsLostError as error:
            raise LabError(f"{error}: what it received is not known") from error
        finally:
            for node in self._nodes:
                node.close()
        return self._log()

    def _start(self) -> None:
        for number, one in enumerate(self._places):
            self._nodes.append(LabNode(number, one, self._settings.bootstrap, logging=True))
            self._up_ns.append(time.time_ns())
        for node in self._nodes:
            for ip, port in self._settings.bootstrap:
                node.meet(ip, port)

    def _settle(self) -> None:
        for _ in range(_LOOKS):
            self._pause(self._settings.settle_s / _LOOKS)
            for number, node in enumerate(self._nodes):
                own = node.place.node_id[:_OWN_PREFIX_BYTES] + self._rng.randbytes(20 - _OWN_PREFIX_BYTES)
                node.look_up(self._rng.randbytes(20) if number < len(self._settings.sources) else own)

    def _work(self) -> None:
        settings = self._settings
        begin = time.monotonic()
        for at_s in sorted(self._rng.uniform(0, settings.duration_s) for _ in range(settings.lookups)):
            self._pause(begin + at_s - time.monotonic())
            source = self._rng.randrange(len(settings.sources))
            key = self._zone.random_id(self._rng)
            self._lookups[key] = _Under(time.time_ns(), source)
            self._nodes[source].look_up(key)
        self._pause(begin + settings.duration_s + settings.drain_s - time.monotonic())

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, POLL_S))
            t_ns = time.time_ns()
            for number, node in enumerate(self._nodes):
                take = self._source if number < len(self._settings.sources) else self._destination
                for (sent, ip, port), message in node.read(_interesting):
                    take(t_ns, number, sent, ip, port, message)

    def _source(self, t_ns: int, node: int, sent: bool, ip: str, port: int, message: Message) -> None:
        address = ip_number(ip), port
        if sent and message.method == "get_peers":
            under = self._lookups.get(message.key)
            if under is not None and under.node == node:
                under.asked.setdefault(address, t_ns)
                self._sent[node, ip, port, message.transaction] = message.key
        elif not sent and message.type == "reply":
            key = self._sent.pop((node, ip, port, message.transaction), None)
            if key is not None:
                self._lookups[key].answered.setdefault((message.sender_id, *address), t_ns)

    def _destination(self, t_ns: int, node: int, sent: bool, ip: str, port: int, message: Message) -> None:
        if sent or message.method != "get_peers" or not self._zone.contains(message.key):
            return
        if len(self._heard) >= MOST_HEARD:
            self._dropped += 1
            return
        self._heard.append(
            Heard(
                t_ns=t_ns,
                node=node,
                ip=ip_number(ip),
                port=port,
                requester=message.sender_id.hex(),
                key=message.key.hex(),
                bootstrap=bool(message.flags & Flag.BOOTSTRAP),
            )
        )

    def _log(self) -> InstrumentLog:
        return InstrumentLog(
            settings=self._settings,
            libtorrent=LIBTORRENT_VERSION,
            begin_ns=self._begin_ns,
            end_ns=time.time_ns(),
            nodes=[
                Instrument(
                    role=SOURCE if number < len(self._settings.sources) else DESTINATION,
                    node_id=one.node_id.hex(),
                    ip=one.ip,
                    port=one.port,
                    up_ns=up_ns,
                )
                for number, (one, up_ns) in enumerate(zip(self._places, self._up_ns, strict=True))
            ],
            lookups=[self._lookup(key, under) for key, under in self._lookups.items()],
            heard=self._heard,
            heard_dropped=self._dropped,
        )

    def _lookup(self, key: bytes, under: _Under) -> CanaryLookup:
        one = self._places[under.node]
        return CanaryLookup(
            t_ns=under.t_ns,
            end_ns=max([under.t_ns, *under.asked.values(), *under.answered.values()]),
            requester=one.node_id.hex(),
            ip=ip_number(one.ip),
            port=one.port,
            key=key.hex(),
            asked=[(ip, port, t_ns) for (ip, port), t_ns in under.asked.items()],
            answered=[(sender.hex(), ip, port, t_ns) for (sender, ip, port), t_ns in under.answered.items()],
        )


def _interesting(payload: bytes) -> Message | None:
    """Return a packet that a source or a destination notes, None for all others."""
    message = parse(payload)
    return message if message.method == "get_peers" or (message.type == "reply" and message.sender_id) else None
