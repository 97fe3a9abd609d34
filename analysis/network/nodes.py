"""What the nodes of the zone say of themselves: their clients, and whether a firewall stands before them."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.load import Run
from analysis.network.clients import VersionName, plain_name
from zone_store.captures import Attachment, Status


@dataclass(frozen=True, slots=True)
class NodeClient:
    """Nodes with one client, by name; share: of all nodes that spoke to their monitor."""

    name: str
    nodes: int
    share: float


@dataclass(frozen=True, slots=True)
class Nodes:
    """Nodes that spoke to their monitor, each once, as they last said.

    spoke: how many; clients: most nodes first; udp_firewalled, tcp_firewalled: of them, those that say so; None where
    the overlay's nodes say nothing of it.
    """

    spoke: int
    clients: list[NodeClient]
    udp_firewalled: int | None
    tcp_firewalled: int | None


def nodes_of(run: Run, version_name: VersionName, tells_reach: bool) -> Nodes:
    """Return what the nodes said; tells_reach: whether nodes of this overlay say whether they are behind a firewall."""
    last: dict[bytes, Attachment] = {}
    for attachment in run.attachments:
        if attachment.accepted_ns:
            before = last.get(attachment.target_id)
            if before is None or before.accepted_ns <= attachment.accepted_ns:
                last[attachment.target_id] = attachment
    names: dict[str, int] = {}
    for attachment in last.values():
        name = plain_name(version_name(attachment.version))
        names[name] = names.get(name, 0) + 1
    clients = [NodeClient(name, count, count / len(last)) for name, count in names.items()]
    walls = [
        sum(bool(attachment.status & wall) for attachment in last.values()) if tells_reach else None
        for wall in (Status.UDP_FIREWALLED, Status.TCP_FIREWALLED)
    ]
    return Nodes(len(last), sorted(clients, key=lambda client: (-client.nodes, client.name)), *walls)
