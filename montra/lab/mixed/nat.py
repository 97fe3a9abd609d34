"""Homes behind a NAT: a router and a node, in a namespace each, and the router's rules for each kind of NAT.

The kinds are those of RFC 3489, section 5. Linux keeps a source port that is free, and there is one node in each home,
so all but the symmetric kind map its port to the same port for every destination.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum

from montra.lab.clients.client import PORT
from montra.lab.clients.namespace import Namespace, namespace

#: The node's address at home, the same in all homes, and its router's.
INNER, ROUTER = "192.168.1.2", "192.168.1.1"
#: The device by which the node hears, and the router's to the outside.
INNER_DEVICE, OUTER_DEVICE = "home0", "wan0"
#: How long a mapping lives without being used, as in the kernel's own table for streams.
MAPPING_S = 120
_QUEUE_PACKETS = "10000"


class NatKind(StrEnum):
    """Who may send to a mapped port: anybody; addresses, or addresses and ports, the node has sent to; and at the
    symmetric kind each destination sees another port.
    """

    FULL_CONE = "full cone"
    ADDRESS_RESTRICTED = "address restricted"
    PORT_RESTRICTED = "port restricted"
    SYMMETRIC = "symmetric"


@dataclass(frozen=True, slots=True)
class Home:
    """inside: where the node runs, at INNER; outer: the address its packets have outside; fd: the way out."""

    kind: NatKind
    inside: Namespace
    outer: str
    fd: int


@contextmanager
def home(name: str, router: str, kind: NatKind, outer: str) -> Iterator[Home]:
    """Make the two namespaces of a home, called after `name`; raises LabError.

    router: what public router names resolve to.
    """
    with ExitStack() as stack:
        gate = stack.enter_context(namespace(f"{name}-gate", router, block=""))
        inside = stack.enter_context(namespace(name, router, block=""))
        fd = gate.tun(OUTER_DEVICE)
        gate.run("ip", "link", "add", "lan0", "type", "veth", "peer", "name", INNER_DEVICE, "netns", inside.name)
        gate.run("ip", "address", "add", f"{outer}/32", "dev", OUTER_DEVICE)
        gate.run("ip", "link", "set", OUTER_DEVICE, "up", "txqueuelen", _QUEUE_PACKETS)
        gate.run("ip", "route", "add", "default", "dev", OUTER_DEVICE)
        gate.run("ip", "address", "add", f"{ROUTER}/24", "dev", "lan0")
        gate.run("ip", "link", "set", "lan0", "up")
        gate.set("net/ipv4/ip_forward", "1")
        gate.run("nft", "-f", "-", said=rules(kind, outer))
        inside.run("ip", "address", "add", f"{INNER}/24", "dev", INNER_DEVICE)
        inside.run("ip", "link", "set", INNER_DEVICE, "up")
        inside.run("ip", "route", "add", "default", "via", ROUTER)
        yield Home(kind, inside, outer, fd)


def rules(kind: NatKind, outer: str) -> str:
    """Return the router's ruleset for nft."""
    source = "masquerade fully-random" if kind is NatKind.SYMMETRIC else f"snat to {outer}"
    # Who has been sent to stands in a set for as long as a mapping lives. What the kernel itself lets in, replies from
    # exactly where was sent to, is the port restricted kind.
    keep, admit = {
        NatKind.FULL_CONE: (f"update @open {{ udp sport timeout {MAPPING_S}s }}", "udp dport @open"),
        NatKind.ADDRESS_RESTRICTED: (
            f"update @talked {{ ip daddr timeout {MAPPING_S}s }}",
            f"ip saddr @talked udp dport {PORT}",
        ),
    }.get(kind, ("", ""))
    heard = f'iifname "lan0" meta l4proto udp {keep}' if keep else ""
    let_in = f'iifname "{OUTER_DEVICE}" {admit} dnat to {INNER}:{PORT}' if admit else ""
    return f"""
table ip home {{
    set open {{ type inet_service; flags dynamic,timeout; size 65535; timeout {MAPPING_S}s; }}
    set talked {{ type ipv4_addr; flags dynamic,timeout; size 65535; timeout {MAPPING_S}s; }}
    chain before {{
        type nat hook prerouting priority dstnat;
        {let_in}
    }}
    chain after {{
        type nat hook postrouting priority srcnat;
        oifname "{OUTER_DEVICE}" meta l4proto udp {source}
    }}
    chain through {{
        type filter hook forward priority filter; policy drop;
        {heard}
        iifname "lan0" accept
        ct state established,related accept
        ct status dnat accept
    }}
    chain own {{
        type filter hook input priority filter; policy drop;
        iifname "lan0" accept
    }}
}}
"""
