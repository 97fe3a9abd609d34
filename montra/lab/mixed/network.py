"""A whole mixed network: its ground, the lab of libtorrent nodes, the other programs, the witnesses, the workload."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from montra.lab.clients.client import PORT, Address
from montra.lab.events import Announce, Event, Lookup, NodeDown, NodeUp
from montra.lab.mixed.crowd import Crowd, Member
from montra.lab.mixed.ground import DEVICE, Ground, ground
from montra.lab.mixed.link import LinkCounts
from montra.lab.mixed.nat import INNER_DEVICE
from montra.lab.mixed.orders import Orders, Search
from montra.lab.mixed.settings import MixedSettings
from montra.lab.mixed.witness import Sighting, Witness
from montra.lab.process import LabProcess
from montra.lab.settings import ChurnSettings, LabError, LabSettings, WorkloadSettings

#: The whole ID space: the programs choose their IDs themselves.
ZONE = "0/0"
SUBNET = "10.10"
#: The first libtorrent node: what public router names resolve to.
ROUTER = f"{SUBNET}.1.1"
#: A bad start costs libtorrent its 15 s timeout more than once.
_CONVERGE_S = 180.0
#: A lossy or leaving network never knows all its neighbours.
_RECALL, _RECALL_AT_UNREST = 0.99, 0.95
_SPARE_KEYS = 4
_POLL_S = 0.05
#: Other processes share the machine: the lab's end is waited for so much longer than it should take.
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Record:
    """What happened, when all is over.

    members: all programs, with the searches they made; events: of the lab: its nodes and their commands; seen: by
    each witness, the public namespace's first and then each home's; ids: node IDs by address as the witnesses read
    them; dropped: packets that witnesses missed; ended: programs that ended by themselves; skipped, refused: commands
    that the lab could not give or a program did not take; converged_ns: when the lab's nodes knew each other; link: its
    counts, None if there was none.
    """

    members: list[Member]
    searches: list[Search]
    events: Sequence[Event]
    seen: list[list[Sighting]]
    ids: dict[int, bytes]
    dropped: int
    ended: int
    skipped: int
    refused: int
    converged_ns: int
    link: LinkCounts | None


class MixedNetwork:
    """A running network. All waiting is the caller's, who calls `poll` often; LabError ends it all."""

    def __init__(self, settings: MixedSettings, stack: ExitStack) -> None:
        rng = random.Random(settings.seed)
        self._settings = settings
        lookups = round(settings.lookups_per_minute * settings.duration_s / 60)
        self._lab_keys = [rng.randbytes(20) for _ in range(_SPARE_KEYS * max(lookups, 1))]
        per_s = settings.searches_per_minute / 60
        others = settings.nodes - settings.libtorrent
        expected = others * per_s * settings.duration_s
        other_keys = [rng.randbytes(20) for _ in range(round(2 * expected) + 100)]
        keys = frozenset(self._lab_keys + other_keys)
        self._orders = Orders(iter(other_keys), per_s, rng)
        self._crowd = Crowd(settings, rng)
        self._crowd_started = False
        self._events: list[Event] = []
        self._converged_ns = 0
        self._open_until_s = 0.0
        self._witnesses: list[Witness] = []
        self._ground: Ground = stack.enter_context(ground(settings, f"montra-mixed-{os.getpid()}", ROUTER))
        device = DEVICE if self._ground.linked else "lo"
        places = [(self._ground.public, device, self._ground.linked)]
        places += [(home.inside, INNER_DEVICE, False) for home in self._ground.homes]
        for inside, device, both in places:
            witness = Witness(inside, device, keys, both=both)
            stack.callback(witness.close)
            self._witnesses.append(witness)
        self._lab = LabProcess(self._lab_settings(lookups), self._ground.public.command())
        stack.callback(self._lab.close)
        stack.callback(self._crowd.stop)

    @property
    def ground(self) -> Ground:
        """The namespaces."""
        return self._ground

    @property
    def bootstrap(self) -> list[Address]:
        """Nodes that never leave; empty until the lab is ready."""
        return self._lab.ready.bootstrap if self._lab.ready else []

    @property
    def converged(self) -> bool:
        """Whether the libtorrent nodes know each other and all programs take orders."""
        ready = all(member.settled_s < math.inf for member in self._crowd.live())
        return bool(self._converged_ns) and self._crowd_started and ready

    @property
    def settled(self) -> bool:
        """Whether all programs had time to find their neighbours."""
        now_s = time.monotonic()
        return all(member.settled_s <= now_s for member in self._crowd.live())

    @property
    def public_nodes(self) -> int:
        """How many live nodes are in the open or behind a full cone NAT, so that strangers reach them."""
        reachable = sum(member.nat in ("none", "full cone") for member in self._crowd.live())
        return self._settings.libtorrent + reachable

    def poll(self) -> None:
        """Take in what happened and do what is due; raises LabError when a part has failed."""
        self._events += self._lab.poll()
        if self._lab.converged and not self._converged_ns:
            self._converged_ns = self._lab.converged.t_ns
        if self._lab.ready and not self._crowd_started:
            self._crowd.start(self._ground.public, self._ground.homes, self._lab.ready.bootstrap)
            self._crowd_started = True
        now_s = time.monotonic()
        self._crowd.poll(self._ground.public, now_s)
        if self._open_until_s:
            self._orders.poll(self._crowd.members, now_s, time.time_ns(), self._open_until_s)

    def wait(self, seconds: float) -> None:
        """Let time pass, polling; raises LabError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.poll()
            time.sleep(_POLL_S)

    def wait_converged(self) -> None:
        """Wait until `converged`; raises LabError when it takes too long."""
        end = time.monotonic() + _CONVERGE_S + _PATIENCE_S
        while not self.converged:
            if time.monotonic() > end:
                raise LabError("the network does not converge")
            self.wait(_POLL_S)

    def work(self) -> None:
        """Run the whole workload, and rest; raises LabError."""
        now_s = time.monotonic()
        self._open_until_s = now_s + self._settings.duration_s
        self._crowd.churn(now_s)
        self._lab.go()
        latest = self._open_until_s + _PATIENCE_S
        self.wait(self._settings.duration_s + self._settings.rest_s)
        while self._lab.done is None:
            if time.monotonic() > latest:
                raise LabError("the lab does not end its workload")
            self.wait(_POLL_S)

    def record(self) -> Record:
        """Return what happened; to be called when the network is closed."""
        done = self._lab.done
        events = [event for event in self._events if isinstance(event, NodeUp | NodeDown | Lookup | Announce)]
        ids: dict[int, bytes] = {}
        for witness in self._witnesses:
            ids |= witness.ids
        return Record(
            members=self._crowd.members,
            searches=self._orders.searches,
            events=events,
            seen=[witness.sightings for witness in self._witnesses],
            ids=ids,
            dropped=sum(witness.dropped for witness in self._witnesses),
            ended=self._crowd.ended,
            skipped=done.skipped if done else 0,
            refused=self._orders.refused,
            converged_ns=self._converged_ns,
            link=self._ground.counts,
        )

    def _lab_settings(self, lookups: int) -> LabSettings:
        settings = self._settings
        announces = lookups // 4
        unrest = bool(settings.weather.loss or settings.weather.delay_s)
        return LabSettings(
            out=str(settings.out / "lab"),
            nodes=settings.libtorrent,
            zone=ZONE,
            zone_share=1.0,
            subnet=SUBNET,
            port=PORT,
            seed=settings.seed,
            workload=WorkloadSettings(
                lookups=lookups - announces,
                announces=announces,
                duration_s=settings.duration_s,
                announce_within=1.0,
                zipf=0.0,
                settle_s=settings.rest_s,
                drain_s=settings.rest_s,
                keys=tuple(key.hex() for key in self._lab_keys),
            ),
            churn=ChurnSettings(mean_session_s=settings.median_session_s / math.log(2)),
            target_recall=_RECALL_AT_UNREST if unrest else _RECALL,
            converge_timeout_s=_CONVERGE_S,
            max_life_s=settings.duration_s + settings.rest_s + 1800,
            links=(DEVICE,) if self._ground.linked else (),
        )


@contextmanager
def mixed_network(settings: MixedSettings) -> Iterator[MixedNetwork]:
    """Start a network, and take all of it away in the end; its `record` is complete then. Raises LabError."""
    settings.out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        yield MixedNetwork(settings, stack)
