"""The nodes that are programs: started, given time to find their way, replaced when their session is over."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from montra.lab.churn import Departures
from montra.lab.clients.client import PORT, Address, Client, ClientError
from montra.lab.clients.drivers import Libtorrent, Webtorrent
from montra.lab.clients.namespace import Namespace
from montra.lab.clients.programs import Aria2, RTorrent, Transmission
from montra.lab.mixed.nat import INNER, Home, NatKind
from montra.lab.mixed.settings import MixedSettings

#: All kinds that are run as programs; libtorrent only behind NATs, since the lab runs the others.
KINDS: tuple[type[Client], ...] = (Aria2, Transmission, RTorrent, Webtorrent)
#: Who lives behind NATs.
AT_HOME: tuple[type[Client], ...] = (Libtorrent, Webtorrent, Aria2, RTorrent, Transmission)
#: How long a program may take until it takes orders.
_READY_S = 120.0
#: It finds its neighbours for so long before it is given any: none looks well among few contacts.
SETTLE_S = 15.0
#: Addresses of each kind: 10.201.1.1, 10.201.2.1, ... for the first, 10.209.1.1, ... for the next.
_FIRST_OCTET, _OCTETS = 201, 8


def at_home(number: int) -> type[Client]:
    """Return who lives in a home: four homes, one of each kind of NAT, have the same program."""
    return AT_HOME[number // len(NatKind) % len(AT_HOME)]


@dataclass(slots=True)
class Member:
    """One program that is or was a node. ip: its address in the eyes of others; home: where it lives behind a NAT.

    up_ns, down_ns: when it was started and killed (0: never); settled_s: from when it may be given orders, of
    time.monotonic.
    """

    client: Client
    ip: str
    home: Home | None
    up_ns: int
    down_ns: int = 0
    settled_s: float = math.inf

    @property
    def port(self) -> int:
        """Its port in the eyes of others, where its NAT keeps one."""
        return PORT

    @property
    def nat(self) -> str:
        """The kind of NAT it is behind, "none" in the open."""
        return self.home.kind.value if self.home else "none"


@dataclass(slots=True)
class _Kind:
    """How many of a kind were ever started."""

    client: type[Client]
    octet: int
    started: int = field(default=0)

    def address(self) -> str:
        """Return a new address, in a /24 of its own."""
        block, row = divmod(self.started, 254)
        self.started += 1
        if block >= _OCTETS:
            raise ClientError(f"no address is left for another {self.client.name}")
        return f"10.{self.octet + block}.{1 + row}.1"


class Crowd:
    """All members. ended: how many ended by themselves.

    All methods raise ClientError when a program never takes orders, or ends before it does.
    """

    def __init__(self, settings: MixedSettings, rng: random.Random) -> None:
        self.members: list[Member] = []
        self.ended = 0
        self._settings = settings
        self._rng = rng
        self._departures = Departures(settings.median_session_s / math.log(2), rng)
        self._kinds = {kind: _Kind(kind, _FIRST_OCTET + i * _OCTETS) for i, kind in enumerate(KINDS)}
        self._entries: Sequence[Address] = ()

    def start(self, public: Namespace, homes: Sequence[Home], entries: Sequence[Address]) -> None:
        """Start all, to enter the network by these addresses."""
        self._entries = entries
        for kind in KINDS:
            for _ in range(getattr(self._settings, kind.name)):
                self._add(kind, public)
        for i, home in enumerate(homes):
            kind = at_home(i)
            folder = self._settings.out / "clients" / f"home-{i}"
            client = kind(home.inside, INNER, folder, self._entries, number=i)
            self.members.append(Member(client, home.outer, home, time.time_ns()))

    def churn(self, now_s: float) -> None:
        """Begin the sessions of all that leave one day."""
        for index, member in enumerate(self.members):
            if member.home is None:
                self._departures.enter(index, now_s)

    def live(self) -> list[Member]:
        """Return who is there."""
        return [member for member in self.members if not member.down_ns]

    def poll(self, public: Namespace, now_s: float) -> None:
        """Notice who has become ready, and replace those whose session is over."""
        for index in self._departures.due(now_s):
            if not self.members[index].down_ns:
                self._replace(index, public, now_s)
        for index, member in enumerate(self.members):
            if member.down_ns:
                continue
            if not member.client.running():
                if member.settled_s == math.inf:
                    raise ClientError(f"a {member.client.name} has ended by itself; it said: {member.client.said()}")
                self.ended += 1
                self._replace(index, public, now_s)
            elif member.settled_s == math.inf:
                if member.client.ready():
                    member.settled_s = now_s + SETTLE_S
                elif time.time_ns() - member.up_ns > _READY_S * 1e9:
                    raise ClientError(f"a {member.client.name} does not take orders; it said: {member.client.said()}")

    def stop(self) -> None:
        """Kill all."""
        for member in self.live():
            member.client.stop(grace_s=0)
            member.down_ns = time.time_ns()

    def _replace(self, index: int, public: Namespace, now_s: float) -> None:
        """End a member; where it has no home, which is its own, another of its kind comes."""
        member = self.members[index]
        member.client.stop(grace_s=0)
        member.down_ns = time.time_ns()
        if member.home is None:
            self._departures.enter(self._add(type(member.client), public), now_s)

    def _add(self, kind: type[Client], public: Namespace) -> int:
        places = self._kinds[kind]
        number = places.started
        ip = places.address()
        folder = self._settings.out / "clients" / f"{kind.name}-{number}"
        client = kind(public, ip, folder, self._entries, number=number)
        self.members.append(Member(client, ip, None, time.time_ns()))
        return len(self.members) - 1
