"""What the kernel must allow a run: ports, descriptors, buffers, queues, connection tracking; and what to change.

The part of the preflight (`montra.window.preflight`) that is about numbers of the kernel.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from montra.endpoint.host import HostFacts
from montra.endpoint.plan import AddressPlan
from montra.window.config import Config
from montra.window.units import parse_size

#: Lookups that each node of a busy zone hears a second, about.
LOOKUPS_PER_NODE_S = 0.5
#: Packets wait so long for the CPU when it is busy with others; what comes meanwhile needs room.
_BUSY_S = 0.02
#: An entry of connection tracking for UDP lives so long after its last packet (nf_conntrack_udp_timeout).
_TRACKED_S = 30


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. level: "ok", "warn" or "refuse"; remedy: what to do, "" where nothing is needed."""

    name: str
    level: str
    finding: str
    remedy: str = ""


def room(plan: AddressPlan, config: Config) -> int:
    """Return how many monitors there can be."""
    return min(plan.capacity, config.monitors.max_monitors)


def kernel_checks(plan: AddressPlan, config: Config, facts: HostFacts, public: bool) -> Iterator[Check]:
    """Yield all findings about the kernel's limits."""
    yield _files(plan, config, facts)
    yield from _buffers(plan, config, facts)
    yield _ports(plan, facts)
    yield from _backlog(plan, config, facts)
    if facts.nonlocal_bind:
        yield Check(
            "address check",
            "warn",
            "net.ipv4.ip_nonlocal_bind is set: that sockets open says nothing about whose the addresses are",
            "sysctl -w net.ipv4.ip_nonlocal_bind=0, or see that `ip route show table local` covers them all",
        )
    if public and facts.conntrack is not None:
        yield _conntrack(plan, config, facts.conntrack)


def _sockets(plan: AddressPlan, config: Config) -> int:
    return 1 + (len(plan.ports) if config.addresses.bind == "shared" else plan.pairs)


def _files(plan: AddressPlan, config: Config, facts: HostFacts) -> Check:
    needed = _sockets(plan, config) + 64
    limit = facts.open_files_hard
    if limit != -1 and needed > limit:
        return Check(
            "files",
            "refuse",
            f"{needed} file descriptors needed, {limit} allowed",
            f'raise the limit (ulimit -Hn {needed}), take fewer ports, or set bind = "shared"',
        )
    return Check("files", "ok", f"{needed} file descriptors needed, {'any number' if limit == -1 else limit} allowed")


def _buffers(plan: AddressPlan, config: Config, facts: HostFacts) -> Iterator[Check]:
    if config.addresses.receive_ring is not None:
        yield Check("receive buffer", "ok", "not used: datagrams arrive in a packet ring")
        return
    wanted, allowed = parse_size(config.addresses.receive_buffer), facts.receive_buffer_max
    sockets = _sockets(plan, config)
    if facts.memory_total is not None and sockets * wanted > facts.memory_total // 2:
        yield Check(
            "receive buffer",
            "warn",
            f"{sockets} sockets of {wanted} bytes could take {sockets * wanted >> 20} MiB of kernel memory together",
            "lower addresses.receive_buffer, or take fewer ports and more addresses",
        )
    elif allowed is not None and allowed < wanted and os.geteuid() != 0:
        yield Check(
            "receive buffer",
            "warn",
            f"{wanted} bytes asked, the kernel allows {allowed}: bursts may be dropped (they are counted)",
            f"sysctl -w net.core.rmem_max={wanted}",
        )
    else:
        yield Check(
            "receive buffer", "ok", f"{wanted} bytes asked, the kernel allows {allowed or 'an unknown number of'}"
        )
    if facts.udp_memory is not None and sockets * wanted > facts.udp_memory:
        pages = -(-sockets * wanted // 4096)
        yield Check(
            "UDP memory",
            "warn",
            f"{sockets} sockets of {wanted} bytes, but all UDP sockets together may hold {facts.udp_memory >> 20} MiB: "
            "a burst on many ports is dropped beyond that (it is counted)",
            f'sysctl -w net.ipv4.udp_mem="{pages // 2} {pages * 3 // 4} {pages}", or lower addresses.receive_buffer',
        )


def _ports(plan: AddressPlan, facts: HostFacts) -> Check:
    first, last = plan.ports.start, plan.ports[-1]
    if facts.ephemeral_ports is not None:
        low, high = max(first, facts.ephemeral_ports[0]), min(last, facts.ephemeral_ports[1])
        exposed = high - low + 1 - sum(max(0, min(high, b) - max(low, a) + 1) for a, b in facts.reserved_ports)
        if low <= high and exposed > 0:
            return Check(
                "ports",
                "warn",
                f"{exposed} of the monitors' ports {first}-{last} are some that the kernel lends to any program; "
                "one that is taken keeps the run from starting",
                f"take ports outside {facts.ephemeral_ports[0]}-{facts.ephemeral_ports[1]}, or "
                f"sysctl -w net.ipv4.ip_local_reserved_ports={low}-{high}",
            )
    return Check("ports", "ok", f"{len(plan.ports)} ports, {first}-{last}, lent to no other program")


def _backlog(plan: AddressPlan, config: Config, facts: HostFacts) -> Iterator[Check]:
    rate = room(plan, config) * LOOKUPS_PER_NODE_S
    if facts.backlog is not None and facts.backlog < rate * _BUSY_S:
        yield Check(
            "backlog",
            "warn",
            f"{rate:.0f} lookups a second may come, {facts.backlog} packets may wait for a CPU: bursts may be dropped "
            "before they reach a socket, where nobody counts them for us (/proc/net/softnet_stat does)",
            f"sysctl -w net.core.netdev_max_backlog={round(rate * _BUSY_S)}",
        )


def _conntrack(plan: AddressPlan, config: Config, table: tuple[int, int]) -> Check:
    used, most = table
    needed = round(room(plan, config) * LOOKUPS_PER_NODE_S * _TRACKED_S)
    ports = f"{plan.ports.start}-{plan.ports[-1]}"
    finding = (
        f"connection tracking is loaded: {used} of {most} entries used, each contact takes one for {_TRACKED_S} s, "
        f"about {needed} in a busy zone; a full table drops packets"
    )
    if used + needed <= most:
        return Check("conntrack", "ok", finding)
    return Check(
        "conntrack",
        "warn",
        finding,
        "exempt the monitors' ports (nft add table inet raw; nft add chain inet raw in '{ type filter hook prerouting "
        f"priority raw; }}'; nft add rule inet raw in udp dport {ports} notrack; the same for output and sport), or "
        f"raise net.netfilter.nf_conntrack_max to {used + needed}",
    )
