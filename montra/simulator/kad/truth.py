"""What really happened in a simulated Kad network, in the form in which the lab's log is judged."""

from __future__ import annotations

from montra.simulator.kad.lookups import KadRecord
from montra.simulator.kad.population import KadNodes
from montra.simulator.kad.settings import Family, Purpose
from montra.simulator.truth import HOUR, HOUR_NS, network_truth
from montra.validation.truth import PUBLISH, SEARCH, Truth, TruthLookup, TruthNode

_SEARCHES = (Purpose.KEYWORD, Purpose.SOURCE)


def family_name(client: int) -> str:
    """Return the name of a family of clients."""
    return Family(client).name.lower()


def truth_of(nodes: KadNodes, lookups: list[KadRecord], *, zone: str, begin_ns: int, end_ns: int) -> Truth:
    """Return the truth about a simulated window from begin_ns to end_ns.

    Node indices are rows of `nodes`, of which only those count that UDP reaches: the others stand in no table. A
    requester gets an index behind them, and the hour of its lookup as a label.
    """
    first = len(nodes)
    return network_truth(
        nodes,
        lambda _row, reachable: reachable,
        family_name,
        [_lookup(record, first + number, begin_ns) for number, record in enumerate(lookups)],
        zone=zone,
        begin_ns=begin_ns,
        end_ns=end_ns,
    )


def _lookup(record: KadRecord, index: int, begin_ns: int) -> TruthLookup:
    asker = record.requester
    labels = {HOUR: str((record.t_ns - begin_ns) // HOUR_NS), "purpose": record.purpose.name.lower().replace("_", " ")}
    requester = TruthNode(
        index, asker.node_id, asker.ip, asker.port, up_ns=0, client=family_name(asker.client), labels=labels
    )
    publishes = record.purpose not in _SEARCHES
    return TruthLookup(
        record.t_ns,
        requester,
        record.key,
        publishes,
        False,
        received=record.received,
        stored=record.stored,
        asked=record.asked,
        method=PUBLISH if publishes else SEARCH,
        told=True,
    )
