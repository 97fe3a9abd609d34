"""A whole private Kad network: its namespace, its daemons, the recorder of its packets, the workload."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from montra.lab.clients.namespace import Namespace, namespace
from montra.lab.kad import programs
from montra.lab.kad.configuration import contact, write_configuration
from montra.lab.kad.daemon import Command, Daemon
from montra.lab.kad.dispatch import Dispatch
from montra.lab.kad.orders import plan
from montra.lab.kad.pcap import Recorder
from montra.lab.kad.population import TCP_PORT, Population, populate
from montra.lab.kad.record import PACKETS_NAME, SCHEMA, FileRecord, KadRecord, write_record
from montra.lab.kad.settings import KadLabSettings, KadWorkload
from montra.lab.kad.usage import cpu_s, unread
from montra.lab.settings import LabError
from montra.overlays.kad import nodes_dat

#: All of it is local to the namespace; aMule takes no contact of 10/8, 127/8 or 198.18/15 (`IsGoodIPPort`).
BLOCK = "100.64.0.0/10"
#: Seconds of the daemons' clock after which they publish: they look up their own ID after 3 minutes
#: (`Kademlia.cpp:Process`), and publish when that has ended.
PUBLISHING_S = 210.0
#: Seconds of their clock in which the longest lookup, a store (`SearchDefs.h`, SEARCHSTOREFILE_LIFETIME: 140), is over
#: and answered.
LONGEST_LOOKUP_S = 150.0
#: Seconds of their clock after which a node has found out whether strangers reach it. Two that ask each other at once
#: both fail at times, and ask again after an hour only, but for those that connect anew.
_CHECKED_S = 130.0
_CONNECTED_S = 1200.0
#: Real seconds that a busy machine is waited for.
_PATIENCE_S = 60.0
_POLL_S = 0.05
_ASKED_AT_ONCE = 4
_STATUS_PAUSE_S = 1.0
_OPEN, _FIREWALLED = "Kad: Connected (ok)", "Kad: Connected (firewalled)"
_BOOTSTRAP_NODES = 8
_HOMES = "nodes"


class KadLab:
    """A running network. All waiting is the caller's, who calls `poll` or `wait` often; LabError ends it all.

    folder: where its record and packets are when it is closed; inside: its namespace, where whoever watches it must
    run; went_ns: when the workload began, 0 before.
    """

    def __init__(self, settings: KadLabSettings, stack: ExitStack) -> None:
        if lacking := programs.missing(settings):
            raise LabError(lacking[0])
        self.settings = settings
        self.folder: Path = settings.out.resolve()
        self.population: Population = populate(settings)
        self.went_ns = 0
        self._client = programs.releases()["amuled"]
        self._workload: KadWorkload | None = None
        self._dispatch: Dispatch | None = None
        self._went_s = self._idle_s = 0.0
        self._done_ns = 0
        self._cpu_s = 0.0
        self._unread = 0
        self._daemons: list[Daemon] = []
        self.inside: Namespace = stack.enter_context(namespace(f"montra-kad-{os.getpid()}", "127.0.0.1", BLOCK))
        self._recorder = stack.enter_context(Recorder(self.inside, self.folder / PACKETS_NAME))
        stack.callback(self._end)
        self._start()
        self._started_ns, self._started_s = time.time_ns(), time.monotonic()

    @property
    def age_s(self) -> float:
        """Seconds since the last daemon was started, of the daemons' clock."""
        return (time.monotonic() - self._started_s) * self.settings.rate

    @property
    def bootstrap(self) -> list[str]:
        """Some nodes of the zone to begin a crawl with: "address:port/KadID"."""
        zoned = self.population.nodes[-self.settings.in_zone :]
        return [f"{node.ip}:{node.udp_port}/{node.id}" for node in zoned[:_BOOTSTRAP_NODES]]

    @property
    def nodes_dat(self) -> Path:
        """A nodes.dat of all nodes."""
        return self.folder / "nodes.dat"

    @property
    def done(self) -> bool:
        """Whether the workload is over, its last lookups included."""
        return bool(self._done_ns)

    def poll(self) -> None:
        """Give the orders that are due, take in what came of others; raises LabError when a daemon has ended."""
        for daemon in self._daemons:
            if not daemon.alive:
                raise LabError(f"the amuled of node {daemon.node.index} has ended by itself")
        if self._dispatch is None or self._done_ns:
            return
        now_s = time.monotonic()
        self._dispatch.poll(now_s)
        if not self._dispatch.idle or now_s - self._went_s < self._duration_s():
            return
        self._idle_s = self._idle_s or now_s
        if now_s - self._idle_s >= self._hold_s():
            self._done_ns = time.time_ns()
            self._cpu_s += self._used_cpu_s()

    def wait(self, seconds: float) -> None:
        """Let real time pass, polling; raises LabError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.poll()
            time.sleep(_POLL_S)

    def wait_connected(self) -> None:
        """Wait until all daemons are connected and know whether strangers reach them; raises LabError if not."""
        end = time.monotonic() + _CONNECTED_S / self.settings.rate + _PATIENCE_S
        checked_s = _CHECKED_S
        waiting = self._daemons
        while waiting := self._unconnected(waiting):
            if time.monotonic() > end:
                raise LabError(f"node {waiting[0].node.index} does not become: {_wanted(waiting[0])}")
            if self.age_s > checked_s:
                for daemon in waiting:
                    self._answer(daemon, "disconnect kad")
                    self._answer(daemon, "connect kad")
                checked_s = self.age_s + _CHECKED_S
            self.wait(_STATUS_PAUSE_S)

    def wait_publishing(self) -> None:
        """Wait until daemons publish what they share, 3 1/2 minutes of their clock after their start.

        The few that had to connect anew begin so much later.
        """
        self.wait(max(0.0, PUBLISHING_S - self.age_s) / self.settings.rate)

    def go(self, workload: KadWorkload) -> None:
        """Begin a workload; raises LabError if there was one. Nothing is published before `wait_publishing` is over."""
        if self._dispatch is not None:
            raise LabError("a lab has one workload")
        orders = plan(workload, self.population, self.settings.rate, random.Random(f"{self.settings.seed} orders"))
        self._workload = workload
        self._cpu_s = -self._used_cpu_s()
        self.went_ns, self._went_s = time.time_ns(), time.monotonic()
        self._dispatch = Dispatch(self.inside, self._daemons, orders, self._went_s)

    def wait_done(self) -> None:
        """Wait until `done`; raises LabError when it takes too long, or there is no workload."""
        if self._workload is None:
            raise LabError("no workload was given")
        end = self._went_s + self._workload.duration_s + self._hold_s() + _PATIENCE_S
        while not self.done:
            if time.monotonic() > end:
                raise LabError("the daemons do not take their orders")
            self.wait(_POLL_S)

    def record(self) -> KadRecord:
        """Return what is to be kept; complete when the network is closed."""
        population = self.population
        return KadRecord(
            schema=SCHEMA,
            settings=self.settings,
            workload=self._workload,
            client=self._client,
            nodes=population.nodes,
            files=tuple(
                FileRecord(name=one.name, hash=one.hash, size=one.size, words=one.words, publishers=one.publishers)
                for one in population.files
            ),
            words=population.words,
            orders=tuple(self._dispatch.records) if self._dispatch else (),
            started_ns=self._started_ns,
            went_ns=self.went_ns,
            end_ns=self._done_ns,
            cpu_s=self._cpu_s if self.done else 0.0,
            unread=self._unread,
            unseen=self._recorder.dropped,
        )

    def _start(self) -> None:
        nodes = self.population.nodes
        rng = random.Random(f"{self.settings.seed} contacts")
        self.nodes_dat.write_bytes(nodes_dat.write([contact(node) for node in nodes]))
        programs.sweep_clocks()  # a killed lab may have left some
        environment = programs.clock(self.settings.rate)
        self._close_ports()
        for node in nodes:
            others = [other for other in nodes if other is not node]
            folder = self.folder / _HOMES / str(node.index)
            write_configuration(folder, node, rng.sample(others, min(self.settings.seed_peers, len(others))))
            self._daemons.append(Daemon(self.inside, folder, node, environment))

    def _answer(self, daemon: Daemon, words: str) -> str:
        return Command(self.inside, daemon.node, words).said()

    def _close_ports(self) -> None:
        closed = [node for node in self.population.nodes if node.firewalled]
        if closed:
            addresses = ", ".join(node.ip for node in closed)
            # out of it too: a node that is connected already tells it over that connection that it is open
            rules = (
                "add table ip lab",
                "add chain ip lab input { type filter hook input priority filter; policy accept; }",
                f"add rule ip lab input ip daddr {{ {addresses} }} tcp dport {TCP_PORT} drop",
                f"add rule ip lab input ip saddr {{ {addresses} }} tcp dport {TCP_PORT} drop",
            )
            self.inside.run("nft", "-f", "-", said="\n".join(rules))

    def _unconnected(self, daemons: list[Daemon]) -> list[Daemon]:
        late: list[Daemon] = []
        for at in range(0, len(daemons), _ASKED_AT_ONCE):
            asked = [(daemon, Command(self.inside, daemon.node, "status")) for daemon in daemons[at:][:_ASKED_AT_ONCE]]
            late += [daemon for daemon, command in asked if _wanted(daemon) not in command.said()]
            self.poll()
        return late

    def _duration_s(self) -> float:
        return self._workload.duration_s if self._workload else 0.0

    def _hold_s(self) -> float:
        held = self._workload.hold_s if self._workload else None
        return LONGEST_LOOKUP_S / self.settings.rate if held is None else held

    def _used_cpu_s(self) -> float:
        return sum(cpu_s(daemon.pid) for daemon in self._daemons)

    def _end(self) -> None:
        if self._daemons:
            self._unread = unread(self._daemons[0].pid)
        if self._dispatch is not None:
            self._dispatch.kill()
        for daemon in self._daemons:
            daemon.end()
        for daemon in self._daemons:
            daemon.wait()


def _wanted(daemon: Daemon) -> str:
    """Return what a daemon says of itself when it is ready."""
    return _FIREWALLED if daemon.node.firewalled else _OPEN


@contextmanager
def kad_lab(settings: KadLabSettings) -> Iterator[KadLab]:
    """Start a network, and take all of it away in the end; then its record is in its folder. Raises LabError.

    The daemons' homes stay where something failed, to be looked into.
    """
    settings.out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        lab = KadLab(settings, stack)
        try:
            yield lab
        finally:
            stack.close()
            programs.sweep_clocks()
            write_record(lab.folder, lab.record())
        shutil.rmtree(lab.folder / _HOMES, ignore_errors=True)
