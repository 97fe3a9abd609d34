"""What really happened in a simulated network, in the form in which the lab's log is judged."""

from __future__ import annotations

from collections.abc import Callable

from montra.lab.events import FIND_NODE
from montra.simulator.lookups import LookupRecord
from montra.simulator.population import Nodes
from montra.simulator.settings import Family
from montra.validation.truth import Truth, TruthLookup, TruthNode

#: The label of requesters by which results are divided into hours of the window, counted from 0.
HOUR = "hour"
HOUR_NS = 3600 * 10**9


def family_name(client: int) -> str:
    """Return the name of a family of clients, as `montra.overlays.mainline.courtesy` spells it."""
    return Family(client).name.lower()


def truth_of(nodes: Nodes, lookups: list[LookupRecord], *, zone: str, begin_ns: int, end_ns: int) -> Truth:
    """Return the truth about a simulated window from begin_ns to end_ns.

    Node indices are rows of `nodes`; a requester, which is no node of the zone as a rule, gets one behind them, and the
    hour of its lookup as a label. Nodes that nothing reaches, behind a NAT, are left out unless they received
    something: nobody could attach to them.
    """
    reached = {row for lookup in lookups for row in lookup.received}
    first = len(nodes)
    return network_truth(
        nodes,
        lambda row, reachable: reachable or row in reached,
        family_name,
        [_lookup(record, first + number, begin_ns) for number, record in enumerate(lookups)],
        zone=zone,
        begin_ns=begin_ns,
        end_ns=end_ns,
    )


def network_truth(
    nodes: Nodes,
    counts: Callable[[int, bool], bool],
    name_of: Callable[[int], str],
    lookups: list[TruthLookup],
    *,
    zone: str,
    begin_ns: int,
    end_ns: int,
) -> Truth:
    """Return the truth about a window on a simulated network of any overlay.

    counts: whether a node is one, by its row and whether it answers whoever asks; name_of: a family's name.
    """
    columns = zip(
        nodes.node_id,
        nodes.ip.tolist(),
        nodes.port.tolist(),
        nodes.up_ns.tolist(),
        nodes.down_ns.tolist(),
        nodes.client.tolist(),
        nodes.reachable.tolist(),
        strict=True,
    )
    return Truth(
        zone=zone,
        nodes={
            row: TruthNode(row, node_id.tobytes(), ip, port, up_ns, down_ns, name_of(client))
            for row, (node_id, ip, port, up_ns, down_ns, client, reachable) in enumerate(columns)
            if counts(row, reachable)
        },
        lookups=lookups,
        converged_ns=begin_ns,
        end_ns=end_ns,
        name="simulated network",
    )


def _lookup(record: LookupRecord, index: int, begin_ns: int) -> TruthLookup:
    requester = TruthNode(
        index,
        record.requester_id,
        record.requester_ip,
        record.requester_port,
        up_ns=0,
        client=family_name(record.client),
        labels={HOUR: str((record.t_ns - begin_ns) // HOUR_NS)},
    )
    lookup = TruthLookup(
        record.t_ns, requester, record.key, record.announce, False, received=record.received, asked=record.asked
    )
    if record.client == Family.RTORRENT:
        lookup.method = FIND_NODE
    return lookup
