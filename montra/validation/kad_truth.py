"""The truth of a private Kad network, from its packets: each lookup, who received it, what was published and found."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from montra.datagrams import ip_number
from montra.lab.kad.record import KadRecord, read_record
from montra.lab.kad.sightings import Answered, Asked, Found, Named, Stored
from montra.lab.kad.witness import Seen, Witness
from montra.lab.settings import LabError
from montra.validation.truth import FINISHED, PUBLISH, SEARCH, Truth, TruthError, TruthLookup, TruthNode
from zone_store.contents import What

#: Seconds of the daemons' clock in which all packets of a lookup are sent and answered (`SearchDefs.h`: a search
#: ends after 45 s, a store after 140 s).
LIFETIME_S = {SEARCH: 60.0, PUBLISH: 160.0}
#: What the number of contacts that a REQ asks for tells (`Search.cpp:GetRequestContactCount`).
_METHODS = {2: SEARCH, 4: PUBLISH}
_SEARCHED = (What.SEARCH_KEYWORD, What.SEARCH_SOURCE, What.SEARCH_NOTES)
_PUBLISHED = (What.KEYWORD, What.SOURCE, What.NOTES)


class Said(NamedTuple):
    """One packet that names content, to a real node or a monitor; of one with many files, a row for each.

    requester: index of the node that sent it; ip (host order), port: whom it went to; what: as in `Content.what`; size:
    0 if not told.
    """

    t_ns: int
    requester: int
    ip: int
    port: int
    what: What
    key: bytes
    file_id: bytes
    size: int
    name: str


@dataclass(slots=True)
class KadLookup:
    """What came of a lookup: nodes by index.

    last_ns: of the last packet that its requester sent for it; answered: when the RES of each node arrived; told: when
    each node first got a packet of phase 2, and what kinds they were; acknowledged: when the PUBLISH_RES of each
    arrived; results: entries in all SEARCH_RES; different: the IDs of different ones; first_result_ns: when the first
    arrived, 0 = never.
    """

    lookup: TruthLookup
    last_ns: int
    answered: dict[int, int] = field(default_factory=dict)
    told: dict[int, int] = field(default_factory=dict)
    what: set[What] = field(default_factory=set)
    acknowledged: dict[int, int] = field(default_factory=dict)
    results: int = 0
    different: set[bytes] = field(default_factory=set)
    first_result_ns: int = 0

    @property
    def done_ns(self) -> int:
        """When the last packet of phase 2 had been sent to a new node; the last packet's time if there was none."""
        return max(self.told.values(), default=self.last_ns)


@dataclass(slots=True)
class KadTruth:
    """All that went over the wire. lookups: beside those of `truth`, in the same order; said: all that named content.

    unreadable: packets to real nodes that could not be read, and so may be missing here; unread: packets that a
    daemon's socket had no room for, so that they were sent but not received; misdirected: requests to real nodes under
    an ID that is not theirs, which they ignore.
    """

    record: KadRecord
    truth: Truth
    lookups: list[KadLookup] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    unreadable: int = 0
    unread: int = 0
    misdirected: int = 0


def load_truth(folder: Path) -> Truth:
    """Read the truth of a Kad lab's folder; raises TruthError where it is missing, damaged or incomplete."""
    return load_kad_truth(folder).truth


def load_kad_truth(folder: Path) -> KadTruth:
    """Read the same with what came of each lookup; raises TruthError."""
    try:
        record = read_record(folder)
        if not record.end_ns:
            raise TruthError(f"{folder}: the lab's workload has no end")
        if record.unseen:
            raise TruthError(f"{folder}: {record.unseen} packets are missing")
        witness = Witness(folder, record)
        reader = _Reader(record, folder.name)
        for seen in witness.read():
            reader.take(seen)
    except LabError as error:
        raise TruthError(str(error)) from error
    reader.truth.unreadable = witness.unreadable
    return reader.truth


class _Reply(NamedTuple):
    entry: KadLookup
    node: TruthNode


class _Reader:
    """Takes packets in the order they were seen."""

    def __init__(self, record: KadRecord, name: str) -> None:
        client = record.client.lower()
        nodes = {
            node.index: TruthNode(
                node.index, node.node_id, ip_number(node.ip), node.udp_port, record.started_ns, 0, client
            )
            for node in record.nodes
        }
        truth = Truth(
            zone=record.settings.zone,
            nodes=nodes,
            lookups=[],
            converged_ns=record.went_ns,
            end_ns=record.end_ns,
            reason=FINISHED,
            skipped=sum(bool(order.refusal) for order in record.orders),
            name=name,
            lasts_ns=round(LIFETIME_S[SEARCH] / record.settings.rate * 1e9),
        )
        self.truth = KadTruth(record, truth, unread=record.unread)
        self._nodes = {(node.ip, node.port): node for node in nodes.values()}
        self._lifetime_ns = {
            method: round(seconds / record.settings.rate * 1e9) for method, seconds in LIFETIME_S.items()
        }
        self._open: dict[tuple[int, bytes, str], KadLookup] = {}

    def take(self, seen: Seen) -> None:
        match seen.said:
            case Asked():
                self._asked(seen, seen.said)
            case Answered(target):
                for method in (SEARCH, PUBLISH):
                    self._answered(seen, target, method)
            case Named():
                self._named(seen, seen.said)
            case Found(key, results):
                reply = self._reply(seen, key, SEARCH)
                if reply and results:
                    reply.entry.results += len(results)
                    reply.entry.different.update(results)
                    reply.entry.first_result_ns = reply.entry.first_result_ns or seen.t_ns
            case Stored(key):
                reply = self._reply(seen, key, PUBLISH)
                if reply:
                    reply.entry.acknowledged.setdefault(reply.node.index, seen.t_ns)

    def _asked(self, seen: Seen, asked: Asked) -> None:
        requester = self._nodes.get((seen.source_ip, seen.source_port))
        method = _METHODS.get(asked.wanted)
        if requester is None or method is None:
            return
        entry = self._find(requester, asked.target, method, seen.t_ns)
        if entry is None:
            entry = self._begin(requester, asked.target, method, seen.t_ns)
        entry.last_ns = seen.t_ns
        entry.lookup.asked.setdefault((seen.ip, seen.port), seen.t_ns)
        node = self._nodes.get((seen.ip, seen.port))
        if node is None:
            return
        if node.node_id == asked.recipient:
            entry.lookup.received.setdefault(node.index, seen.t_ns)
        else:
            self.truth.misdirected += 1

    def _begin(self, requester: TruthNode, key: bytes, method: str, t_ns: int) -> KadLookup:
        lookup = TruthLookup(t_ns, requester, key, announce=method == PUBLISH, noseed=False, method=method)
        entry = self._open[requester.index, key, method] = KadLookup(lookup, t_ns)
        self.truth.lookups.append(entry)
        self.truth.truth.lookups.append(lookup)
        return entry

    def _answered(self, seen: Seen, target: bytes, method: str) -> None:
        reply = self._reply(seen, target, method)
        if reply and reply.node.index in reply.entry.lookup.received:
            reply.entry.answered.setdefault(reply.node.index, seen.t_ns)

    def _named(self, seen: Seen, named: Named) -> None:
        requester = self._nodes.get((seen.source_ip, seen.source_port))
        if requester is None:
            return
        what, key = named.what, named.key
        for file_id, size, name in named.files or [(b"", 0, "")]:
            self.truth.said.append(Said(seen.t_ns, requester.index, seen.ip, seen.port, what, key, file_id, size, name))
        entry = self._find(requester, key, SEARCH if what in _SEARCHED else PUBLISH, seen.t_ns)
        if entry is None:
            return
        entry.last_ns = seen.t_ns
        entry.what.add(what)
        node = self._nodes.get((seen.ip, seen.port))
        if node is not None:
            entry.told.setdefault(node.index, seen.t_ns)
            if what in _PUBLISHED:
                entry.lookup.stored.add(node.index)

    def _reply(self, seen: Seen, key: bytes, method: str) -> _Reply | None:
        """Return the lookup that a real node's packet answers, and that node."""
        requester = self._nodes.get((seen.ip, seen.port))
        node = self._nodes.get((seen.source_ip, seen.source_port))
        entry = self._find(requester, key, method, seen.t_ns) if requester and node else None
        return _Reply(entry, node) if entry and node else None

    def _find(self, requester: TruthNode, key: bytes, method: str, t_ns: int) -> KadLookup | None:
        entry = self._open.get((requester.index, key, method))
        if entry is None or t_ns - entry.lookup.t_ns > self._lifetime_ns[method]:
            return None
        return entry
