"""Can this host hold the run? Each check says what it found and, where it is not enough, what to do.

`ok` is enough, `warn` runs but loses or biases something, `refuse` cannot run. Nothing is sent and nothing changed.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from montra.datagrams import ip_text
from montra.endpoint.blocklist import Blocklist, BlocklistError
from montra.endpoint.host import HostFacts
from montra.endpoint.plan import AddressPlan
from montra.endpoint.sockets import EndpointError, open_sockets
from montra.overlays import base as overlays
from montra.window.build import resolve
from montra.window.config import Config
from montra.window.units import parse_size
from zone_store.keyspace.zone import Zone

#: Nodes of the public Mainline DHT, about (2026); what a zone's share of it is compared with.
MAINLINE_NODES = 10_000_000
#: Memory for one monitor: 376 bytes of table, indices and timer measured with 32,000, and its place in the plan.
BYTES_PER_MONITOR = 1024
#: Memory for one address that the crawler knows; measured.
BYTES_PER_NODE = 550
#: Bytes that one capture takes on disk before compression, about; lookups each node of a busy zone sees a second.
BYTES_PER_CAPTURE = 60
CAPTURES_PER_NODE_S = 0.5


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. level: "ok", "warn" or "refuse"; remedy: what to do, "" where nothing is needed."""

    name: str
    level: str
    finding: str
    remedy: str = ""


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


def _buffer(plan: AddressPlan, config: Config, facts: HostFacts) -> Check:
    wanted, allowed = parse_size(config.addresses.receive_buffer), facts.receive_buffer_max
    sockets = _sockets(plan, config)
    if facts.memory_total is not None and sockets * wanted > facts.memory_total // 2:
        return Check(
            "receive buffer",
            "warn",
            f"{sockets} sockets of {wanted} bytes could take {sockets * wanted >> 20} MiB of kernel memory together",
            "lower addresses.receive_buffer, or take fewer ports and more addresses",
        )
    if allowed is not None and allowed < wanted and os.geteuid() != 0:
        return Check(
            "receive buffer",
            "warn",
            f"{wanted} bytes asked, the kernel allows {allowed}: bursts may be dropped (they are counted)",
            f"sysctl -w net.core.rmem_max={wanted}",
        )
    return Check("receive buffer", "ok", f"{wanted} bytes asked, the kernel allows {allowed or 'an unknown number of'}")


def _addresses(plan: AddressPlan, config: Config) -> Iterator[Check]:
    try:
        with open_sockets(plan, config.addresses.bind, parse_size(config.addresses.receive_buffer)) as sockets:
            yield Check("sockets", "ok", f"{len(sockets)} sockets open, all addresses are this host's")
    except EndpointError as error:
        yield Check("sockets", "refuse", str(error))
    described = plan.describe()
    groups, note = int(described["groups"]), str(described["note"])
    yield (
        Check("address spread", "ok", note)
        if groups >= 16
        else Check("address spread", "warn", note, "use addresses in 16 or more /24s")
    )
    if described["crawler_group_shared"]:
        yield Check(
            "crawler address",
            "warn",
            f"the crawler's {ip_text(plan.crawler[0])} lies in a /24 of monitors",
            "give the crawler an address in another /24",
        )


def _room(plan: AddressPlan, config: Config) -> int:
    return min(plan.pairs, config.monitors.max_monitors)


def _reachable(plan: AddressPlan, public: bool) -> Iterator[Check]:
    """A public run from private addresses would be behind a NAT: replies come, but nobody else's lookups do."""
    ours = [plan.crawler[0], *(plan.address(local)[0] for local in (1, plan.pairs))]
    private = sorted({ip_text(ip) for ip in ours if not ipaddress.ip_address(ip).is_global})
    if public and private:
        yield Check(
            "reachability",
            "refuse",
            f"{', '.join(private)} cannot be reached from the public network",
            "give crawler and monitors public addresses of this host; behind a NAT targets hand out an address that "
            "leads nowhere",
        )


def _capacity(plan: AddressPlan, config: Config, zone_share: float, public: bool) -> Check:
    room = _room(plan, config)
    if not public:
        return Check("capacity", "ok", f"{room} monitors at most")
    expected = round(MAINLINE_NODES * zone_share)
    if expected > room:
        return Check(
            "capacity",
            "warn",
            f"about {expected} nodes in the zone, {room} monitors at most: the rest stays unmonitored",
            "take a longer prefix, more addresses or ports, or raise monitors.max_monitors",
        )
    return Check("capacity", "ok", f"about {expected} nodes in the zone, {room} monitors at most")


def _memory(plan: AddressPlan, config: Config, facts: HostFacts) -> Check:
    known = min(config.crawl.max_nodes + config.crawl.max_contacts, 4 * _room(plan, config))
    needed = _room(plan, config) * BYTES_PER_MONITOR + known * BYTES_PER_NODE + config.storage.max_pending * 80
    needed += 150 << 20  # Python and its libraries
    have = facts.memory_available
    if have is not None and needed > have:
        return Check(
            "memory", "refuse", f"about {needed >> 20} MiB needed, {have >> 20} MiB free", "lower max_monitors"
        )
    return Check("memory", "ok", f"about {needed >> 20} MiB needed, {(have or 0) >> 20} MiB free")


def _disk(plan: AddressPlan, config: Config, zone_share: float) -> Check:
    place = Path(config.storage.runs)
    while not place.exists():
        place = place.parent
    free, reserve = shutil.disk_usage(place).free, parse_size(config.storage.min_free)
    nodes = min(_room(plan, config), MAINLINE_NODES * zone_share)
    expected = int(nodes * CAPTURES_PER_NODE_S * config.duration_s * BYTES_PER_CAPTURE)
    if free < reserve:
        return Check(
            "disk",
            "refuse",
            f"{free >> 20} MiB free, less than storage.min_free",
            "free some space, or lower storage.min_free",
        )
    if free < reserve + expected:
        return Check(
            "disk",
            "warn",
            f"{free >> 20} MiB free, the window may need {(reserve + expected) >> 20} MiB",
            "free some space, or monitor a smaller zone: the run seals itself before the disk is full",
        )
    return Check("disk", "ok", f"{free >> 20} MiB free, the window may need {expected >> 20} MiB")


def _host(facts: HostFacts, public: bool) -> Iterator[Check]:
    if public and facts.clock_synchronised is False:
        yield Check(
            "clock",
            "warn",
            "the kernel's clock is not synchronised",
            "run an NTP client: times across runs will differ",
        )
    else:
        states: dict[bool | None, str] = {
            True: "synchronised",
            False: "not synchronised, which a private network does not need",
            None: "cannot be asked on this system",
        }
        yield Check("clock", "ok", states[facts.clock_synchronised])
    if public and facts.conntrack is not None:
        used, most = facts.conntrack
        yield Check(
            "conntrack",
            "warn",
            f"connection tracking is loaded: {used} of {most} entries used, each contact takes one",
            "exempt the monitors' ports: nft add rule ... notrack, or raise net.netfilter.nf_conntrack_max",
        )


def _bootstrap(config: Config) -> tuple[Check, bool]:
    found, failed = resolve(config.bootstrap)
    public = any(ipaddress.ip_address(ip).is_global for ip, _ in found)
    if not found:
        return Check("bootstrap", "refuse", "no bootstrap name resolves", "check the names and this host's DNS"), True
    if failed:
        return Check("bootstrap", "warn", f"{len(found)} addresses; not resolved: {', '.join(failed)}"), public
    return Check("bootstrap", "ok", f"{len(found)} addresses"), public


def _responsible(config: Config, public: bool) -> Iterator[Check]:
    if config.responsible.blocklist:
        try:
            blocked = Blocklist.load(Path(config.responsible.blocklist))
            yield Check("blocklist", "ok", f"{len(blocked)} addresses are never sent to")
        except BlocklistError as error:
            yield Check("blocklist", "refuse", str(error))
    elif public:
        yield Check("blocklist", "warn", "no blocklist", "keep one: people must be able to opt out")
    if public and not config.responsible.contact:
        yield Check("contact", "warn", "no contact address", "set responsible.contact")


def preflight(config: Config, facts: HostFacts) -> list[Check]:
    """Return all findings for a validated configuration on this host."""
    plan = config.plan()
    share = Zone.parse(config.zone, overlays.load(config.overlay).id_bytes * 8).share
    bootstrap, public = _bootstrap(config)
    return [
        *_addresses(plan, config),
        *_reachable(plan, public),
        _capacity(plan, config, share, public),
        _files(plan, config, facts),
        _buffer(plan, config, facts),
        _memory(plan, config, facts),
        _disk(plan, config, share),
        *_host(facts, public),
        bootstrap,
        *_responsible(config, public),
    ]
