"""The truth of a mixed network, from the packets that its witnesses saw: no client's word and none of montra's."""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from montra.datagrams import ip_number
from montra.lab.events import ANNOUNCE_PEER, FIND_NODE, GET_PEERS, Announce, Lookup, NodeDown, NodeUp
from montra.lab.mixed.nat import NatKind
from montra.lab.mixed.network import ZONE, Record
from montra.lab.mixed.witness import Sighting
from montra.validation.coverage import beside_node, by_target
from montra.validation.judge import Judged
from montra.validation.misses import Miss
from montra.validation.truth import LONGEST_LOOKUP_NS, Truth, TruthLookup, TruthNode, load_truth

_LAB = "libtorrent"


@dataclass(frozen=True, slots=True)
class MixedTruth:
    """truth: of all nodes whose ID was seen; arrived: for each of its lookups, where queries arrived (host-order IP,
    port), monitors included; silent: programs that no packet with an ID was ever seen from; id_conflicts: libtorrent
    nodes that said another ID than they were given.
    """

    truth: Truth
    arrived: list[set[tuple[int, int]]]
    silent: int
    id_conflicts: int


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """libtorrent's lookups by two witnesses: compared, and those whose destination among libtorrent nodes differs."""

    compared: int
    differ: int


def mixed_truth(record: Record, monitors: ipaddress.IPv4Network, until_ns: int, name: str = "") -> MixedTruth:
    """Return the truth of a network; monitors: where all monitors have their addresses.

    until_ns: when the window was told to end: what arrived later it could not keep.
    """
    return _Builder(record, monitors, until_ns).build(name)


def cross_check(truth: Truth, lab_folder: Path) -> CrossCheck:
    """Compare libtorrent's lookups with what the lab's nodes logged themselves; raises TruthError."""
    own = load_truth(lab_folder)
    logged = {(one.requester.index, one.t_ns): one for one in own.lookups}
    compared = differ = 0
    for lookup in truth.lookups:
        twin = logged.get((lookup.requester.index, lookup.t_ns))
        if twin is None or not twin.received:
            continue
        key = lookup.key_number
        nearest = [
            min(
                (nodes[i].node_id for i in received if i in own.nodes),
                key=lambda node_id: int.from_bytes(node_id, "big") ^ key,
                default=None,
            )
            for nodes, received in ((truth.nodes, lookup.received), (own.nodes, twin.received))
        ]
        compared += 1
        differ += nearest[0] != nearest[1]
    return CrossCheck(compared, differ)


def losses(judged: Judged, arrived: list[set[tuple[int, int]]]) -> Counter[str]:
    """Divide lookups whose copy for the destination's monitor was sent and not found in the run.

    "network": the copy did not arrive; "symmetric": it did, from a NAT that shows each monitor another requester;
    "montra": it did, and montra has not kept it.
    """
    beside = by_target(judged.attachments)
    counts = Counter(network=0, symmetric=0, montra=0)
    for verdict in judged.verdicts:
        if Miss.LOST not in (verdict.capture, verdict.observed):
            continue
        monitors = {(one.monitor_ip, one.monitor_port) for one in beside_node(verdict.destination, beside)}
        if not monitors & arrived[verdict.number]:
            counts["network"] += 1
        elif verdict.lookup.requester.labels.get("nat") == NatKind.SYMMETRIC.value:
            counts["symmetric"] += 1
        else:
            counts["montra"] += 1
    return counts


class _Builder:
    """Puts nodes, commands and packets together."""

    def __init__(self, record: Record, monitors: ipaddress.IPv4Network, until_ns: int) -> None:
        self._record = record
        self._until_ns = until_ns
        self._block = int(monitors.network_address), int(monitors.netmask)
        self._nodes: dict[int, TruthNode] = {}
        self._by_ip: dict[int, TruthNode] = {}
        self._in_home: dict[int, TruthNode] = {}
        self._members: dict[int, TruthNode] = {}
        self._lookups: list[TruthLookup] = []
        self._arrived: list[set[tuple[int, int]]] = []
        self._numbers: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
        self._stray = self._silent = self._conflicts = 0

    def build(self, name: str) -> MixedTruth:
        self._take_lab()
        self._take_members()
        self._lookups.sort(key=lambda lookup: lookup.t_ns)
        for number, lookup in enumerate(self._lookups):
            self._numbers[lookup.requester.ip, lookup.key].append(number)
            self._arrived.append(set())
        for place, sightings in enumerate(self._record.seen):
            for sighting in sightings:
                if sighting.t_ns < self._until_ns:
                    self._see(place, sighting)
        self._give_ports()
        for lookup in self._lookups:
            self._count_requester(lookup)
        record = self._record
        truth = Truth(
            zone=ZONE,
            nodes=self._nodes,
            lookups=self._lookups,
            converged_ns=record.converged_ns,
            end_ns=self._until_ns,
            stray=self._stray,
            skipped=record.skipped + record.refused,
            name=name,
        )
        return MixedTruth(truth, self._arrived, self._silent, self._conflicts)

    def _take_lab(self) -> None:
        for event in self._record.events:
            if isinstance(event, NodeUp):
                node = TruthNode(event.index, bytes.fromhex(event.id), ip_number(event.ip), event.port, event.t_ns)
                node.client = _LAB
                node.labels = {"nat": "none"}
                self._conflicts += self._record.ids.get(node.ip, node.node_id) != node.node_id
                self._nodes[node.index] = self._by_ip[node.ip] = node
            elif isinstance(event, NodeDown):
                self._nodes[event.index].down_ns = event.t_ns
            elif isinstance(event, Lookup | Announce):
                announce = isinstance(event, Announce)
                requester = self._nodes[event.index]
                key = bytes.fromhex(event.key)
                self._lookups.append(TruthLookup(event.t_ns, requester, key, announce, event.noseed))

    def _take_members(self) -> None:
        first = max(self._nodes, default=-1) + 1
        homes = 0
        for number, member in enumerate(self._record.members):
            ip = ip_number(member.ip)
            homes += member.home is not None
            node_id = self._record.ids.get(ip)
            if node_id is None:
                self._silent += 1
                continue
            node = TruthNode(first + number, node_id, ip, member.port, member.up_ns, member.down_ns)
            node.client = member.client.name
            node.labels = {"nat": member.nat}
            self._nodes[node.index] = self._members[number] = node
            if member.home is None:
                self._by_ip[ip] = node
            else:
                self._in_home[homes] = node
        for search in self._record.searches:
            requester = self._members.get(search.member)
            if requester is not None:
                by_find_node = self._record.members[search.member].client.by_find_node
                method = FIND_NODE if by_find_node else GET_PEERS
                self._lookups.append(TruthLookup(search.t_ns, requester, search.key, True, False, method=method))

    def _see(self, place: int, seen: Sighting) -> None:
        number = self._lookup(seen)
        if number is None:
            self._stray += 1
            return
        lookup = self._lookups[number]
        if seen.method != ANNOUNCE_PEER:
            first_ns = lookup.asked.setdefault((seen.ip, seen.port), seen.t_ns)
            lookup.asked[seen.ip, seen.port] = min(first_ns, seen.t_ns)
        if seen.sent:
            return
        if not place:
            self._arrived[number].add((seen.ip, seen.port))
        node = self._in_home.get(place) if place else self._by_ip.get(seen.ip)
        if node is None or not node.lives(seen.t_ns):
            return
        if seen.method == ANNOUNCE_PEER:
            lookup.stored.add(node.index)
        else:
            lookup.received.setdefault(node.index, seen.t_ns)

    def _lookup(self, seen: Sighting) -> int | None:
        """Return the number of the newest command before this packet that explains it."""
        numbers = self._numbers.get((seen.source_ip, seen.key), [])
        for number in reversed(numbers):
            if 0 <= seen.t_ns - self._lookups[number].t_ns <= LONGEST_LOOKUP_NS:
                return number
        return None

    def _give_ports(self) -> None:
        """Give lookups through a symmetric NAT the port by which they first came to a monitor.

        There each destination sees another, and montra each as another requester: one of them is the lookup, the
        others are lookups that nobody made.
        """
        seen_by: dict[int, int] = {}
        for sighting in self._arrivals_at_monitors():
            number = self._lookup(sighting)
            if number is not None:
                seen_by.setdefault(number, sighting.source_port)
        for number, port in seen_by.items():
            requester = self._lookups[number].requester
            if requester.labels.get("nat") == NatKind.SYMMETRIC.value:
                self._lookups[number].requester = replace(requester, port=port)

    def _count_requester(self, lookup: TruthLookup) -> None:
        """Let a requester that is nearer to the key than all who received its query be the destination.

        It needs no packet to itself. libtorrent sends one all the same when others name it; the other clients do not,
        but meet their own monitor where libtorrent meets itself.
        """
        key, own = lookup.key_number, lookup.requester
        if lookup.received and own.number ^ key < min(self._nodes[i].number ^ key for i in lookup.received):
            lookup.received[own.index] = lookup.t_ns

    def _arrivals_at_monitors(self) -> Iterator[Sighting]:
        network, mask = self._block
        for sighting in self._record.seen[0]:
            if not sighting.sent and sighting.ip & mask == network:
                yield sighting
