"""What the nodes of the zone say of themselves: their clients, and whether a firewall stands before them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from analysis.load import Run
from analysis.network.clients import MOST_CLIENTS, OTHERS, VersionName, plain_name
from analysis.network.shares import shares_of
from analysis.quantity import Quantity, made_by
from analysis.table import Column, Table
from zone_store.captures import Status


@dataclass(frozen=True, slots=True)
class NodeClient:
    """Nodes with one client, by name, and their distinct addresses; share: of all nodes that spoke to their monitor."""

    name: str
    nodes: int
    addresses: int
    share: float


@dataclass(frozen=True, slots=True)
class Nodes:
    """Nodes that spoke to their monitor, each once, as they last said.

    spoke: how many; addresses: of how many addresses; clients: most nodes first; udp_firewalled, tcp_firewalled: of the
    nodes, those that say so; None where the overlay's nodes say nothing of it.
    """

    spoke: int
    addresses: int
    clients: list[NodeClient]
    udp_firewalled: int | None
    tcp_firewalled: int | None

    def quantities(self) -> list[Quantity]:
        """Return the numbers."""
        function = made_by(nodes_of)
        found = [
            Quantity("nodes_spoke", self.spoke, "nodes", "nodes that spoke to their monitor", function, ("targets",))
        ]
        for name, hits in (("udp_firewalled", self.udp_firewalled), ("tcp_firewalled", self.tcp_firewalled)):
            told = shares_of([hits or 0], 0 if hits is None else self.spoke)
            withheld = "nodes of this overlay say nothing of it" if hits is None else "no node spoke to its monitor"
            found.append(
                Quantity(
                    name,
                    float(told.share[0]),
                    "share",
                    f"share of the network's reachable nodes that say their {name[:3].upper()} is firewalled",
                    function,
                    ("targets",),
                    float(told.low[0]),
                    float(told.high[0]),
                    "exact binomial (Clopper and Pearson 1934): the zone's nodes are a sample of the network's",
                    withheld if np.isnan(told.share[0]) else "",
                )
            )
        return found

    def table(self) -> Table:
        """Return the clients of nodes as a table."""
        by_nodes = shares_of([one.nodes for one in self.clients], self.spoke)
        by_addresses = shares_of([one.addresses for one in self.clients], self.addresses)
        bounds = "95 % bound of the share in the network (exact binomial, Clopper and Pearson 1934)"
        return Table(
            "nodes",
            "Clients of the nodes",
            "one client by what nodes told their monitor last, each node counted once",
            made_by(nodes_of),
            ("targets",),
            (
                Column("client", [one.name for one in self.clients], "", "its name, by the overlay's reading"),
                Column("nodes", np.array([one.nodes for one in self.clients], np.int64), "nodes", "distinct node IDs"),
                Column("share", by_nodes.share, "share", "of the nodes that spoke to their monitor"),
                Column("share_low", by_nodes.low, "share", bounds),
                Column("share_high", by_nodes.high, "share", bounds),
                Column("addresses", np.array([one.addresses for one in self.clients], np.int64), "addresses",
                       "distinct IP addresses of those nodes (thesis, Table III)"),
                Column("address_share", by_addresses.share, "share", "of all addresses of such nodes"),
                Column("address_share_low", by_addresses.low, "share", bounds),
                Column("address_share_high", by_addresses.high, "share", bounds),
            ),
            people="nodes",
        )  # fmt: skip


def nodes_of(run: Run, version_name: VersionName, tells_reach: bool) -> Nodes:
    """Return what the nodes said; tells_reach: whether nodes of this overlay say whether they are behind a firewall."""
    held = run.attachments
    spoke = np.flatnonzero(held.accepted_ns > 0)
    # The last row of each node, by the time of acceptance and then by number.
    order = spoke[np.lexsort((spoke, held.accepted_ns[spoke], held.node[spoke]))]
    node = held.node[order]
    last = order[np.append(node[1:] != node[:-1], True)] if len(order) else order
    versions, place, counts = np.unique(held.version[last], return_inverse=True, return_counts=True)
    names = [plain_name(version_name(version)) for version in versions.tolist()]
    nodes: Counter[str] = Counter()
    for name, count in zip(names, counts.tolist(), strict=True):
        nodes[name] += count
    kept = sorted(nodes, key=lambda name: (-nodes[name], name))[:MOST_CLIENTS]
    number = {name: i for i, name in enumerate(kept)}
    of_version = np.array([number.get(name, len(kept)) for name in names], np.int64)
    pairs = np.unique(np.stack([of_version[place], held.address[last]], axis=1), axis=0) if len(last) else None
    addresses = np.bincount([] if pairs is None else pairs[:, 0], minlength=len(kept) + 1).tolist()
    rest = len(last) - sum(nodes[name] for name in kept)
    shown = [(name, nodes[name]) for name in kept] + ([(OTHERS, rest)] if rest else [])
    walls = [
        int((held.status[last] & int(wall) != 0).sum()) if tells_reach else None
        for wall in (Status.UDP_FIREWALLED, Status.TCP_FIREWALLED)
    ]
    return Nodes(
        len(last),
        len(np.unique(held.address[last])),
        [NodeClient(name, n, ips, n / len(last)) for (name, n), ips in zip(shown, addresses, strict=False)],
        *walls,
    )
