"""The chapter on imbalance: how unevenly lookups fall on keys and on nodes, and what lies behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.imbalance.asked import asked_of
from analysis.imbalance.caching import Caching, caching
from analysis.imbalance.ends import Ends, ends_of
from analysis.imbalance.keys import KeyLoad, key_load
from analysis.imbalance.nodes import NodeLoad, node_load
from analysis.imbalance.popular import Carriers, Hottest, carriers, hottest, top_keys_of
from analysis.imbalance.tables import tables_of
from analysis.imbalance.told import quantities_of
from analysis.imbalance.watched import watched
from analysis.quantity import Quantity
from analysis.table import Table
from analysis.trust.capture import BY_CANARIES

if TYPE_CHECKING:
    from analysis.engine.source import Source


@dataclass(frozen=True, slots=True)
class Imbalance:
    """Load of keys and of nodes in one run.

    ends: where lookups ended that did not end at the nearest node; carriers, hottest: who carries popular keys, and
    what the most loaded nodes are asked for; caching: what sharing popular keys would change; capture: what told the
    capture rate, of `quantity.INPUTS`, "" if nothing did.
    """

    keys: KeyLoad
    nodes: NodeLoad
    ends: Ends
    carriers: Carriers
    hottest: Hottest
    caching: Caching
    capture: str

    def quantities(self) -> list[Quantity]:
        """Return the numbers of the chapter."""
        return quantities_of(self)

    def tables(self) -> list[Table]:
        """Return the tables of the chapter."""
        return tables_of(self)


def examine(source: Source) -> Imbalance:
    """Return the load of keys and nodes of a run."""
    run, db, capture = source.run, source.db, source.capture
    nodes = watched(run)
    top = top_keys_of(db, nodes, run.manifest.id_bytes)
    asked = asked_of(db, run.captures)
    keys = key_load(db, capture, asked)
    load, counts = node_load(db, run, nodes, top, capture, asked.again(keys.effective.value))
    told_by = "canaries" if capture is not None and capture.source == BY_CANARIES else "validation"
    return Imbalance(
        keys=keys,
        nodes=load,
        ends=ends_of(db, run, nodes),
        carriers=carriers(top, nodes, counts),
        hottest=hottest(db, nodes, counts, top),
        caching=caching(nodes, counts, top),
        capture="" if capture is None else told_by,
    )
