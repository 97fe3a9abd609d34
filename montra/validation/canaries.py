"""The truth that a window's own canaries bring: what the source of a lookup knows of who received it."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from montra.validation.truth import Truth, TruthLookup, TruthNode
from zone_store.run.canaries import CanaryLookup, read_canaries
from zone_store.run.folder import CANARIES, RunError
from zone_store.run.reader import RunReader

#: The client family of canaries.
CANARY = "canary"


def canary_truth(run: Path) -> Truth | None:
    """Return the canaries of a run as a truth, None if it made none; raises RunError.

    A node received a lookup if it answered, which those whose reply was lost, or that are slow, did not: where the
    nearest node is such a one, the next is taken for the destination. Monitors are no nodes.
    """
    canaries = list(read_canaries(run))
    if not canaries:
        return None
    with RunReader(run) as reader:
        monitors = {(one.monitor_ip, one.monitor_port) for one in reader.each_attachment()}
        zone, id_bytes = reader.manifest.zone, reader.manifest.id_bytes
    if any(len(one.key) != 2 * id_bytes for one in canaries):
        raise RunError(f"{CANARIES} of {run}: a key that has not {id_bytes} bytes")
    return source_truth(zone, canaries, monitors, CANARY)


def source_truth(
    zone: str, lookups: list[CanaryLookup], monitors: Set[tuple[int, int]], client: str, name: str = "canaries"
) -> Truth:
    """Return lookups that were logged at their source as a truth. monitors: addresses that are no nodes."""
    nodes: dict[tuple[bytes, int, int], TruthNode] = {}
    truth = Truth(zone, {}, [], name=name)

    def node(node_id: bytes, ip: int, port: int, client: str) -> TruthNode:
        place = node_id, ip, port
        if place not in nodes:
            nodes[place] = TruthNode(len(nodes), node_id, ip, port, 0, client=client)
            truth.nodes[nodes[place].index] = nodes[place]
        return nodes[place]

    for one in lookups:
        requester = node(bytes.fromhex(one.requester), one.ip, one.port, client)
        lookup = TruthLookup(one.t_ns, requester, bytes.fromhex(one.key), announce=False, noseed=False)
        for node_id, ip, port, t_ns in one.answered:
            if (ip, port) not in monitors:
                lookup.received[node(bytes.fromhex(node_id), ip, port, "").index] = t_ns
        lookup.asked = {(ip, port): t_ns for ip, port, t_ns in reversed(one.asked)}
        truth.lookups.append(lookup)
    return truth
