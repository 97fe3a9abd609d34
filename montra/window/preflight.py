"""Can this host hold the run? Each check says what it found and, where it is not enough, what to do.

`ok` is enough, `warn` runs but loses or biases something, `refuse` cannot run. Nothing is sent and nothing changed.
"""

from __future__ import annotations

import ipaddress
import shutil
from collections.abc import Iterator
from pathlib import Path

from montra.datagrams import ip_text
from montra.endpoint.addresses import parse_block
from montra.endpoint.blocklist import Blocklist, BlocklistError
from montra.endpoint.errors import EndpointError
from montra.endpoint.host import HostFacts
from montra.endpoint.plan import AddressPlan
from montra.endpoint.sockets import open_sockets
from montra.monitors.thinning import monitored_share
from montra.overlays import base as overlays
from montra.window.bootstrap import bootstrap_nodes
from montra.window.build import CRAWL_SHARE, INTRODUCTION_SHARE, within_limits
from montra.window.canaries import canary_plans
from montra.window.config import Config, ConfigError
from montra.window.kernel import LOOKUPS_PER_NODE_S, Check, kernel_checks, room
from montra.window.units import parse_size

#: /24s that keep neighbouring monitors from sharing one (ARCHITECTURE.md, the address plan).
ENOUGH_SUBNETS = 16
#: Memory for one monitor: 335 bytes measured with a million of them, everything in the process included, and as much
#: again while they are sealed (bench/attach).
BYTES_PER_MONITOR = 672
#: Memory for one target of a thin fleet, with a monitor or without; measured with a million of them.
BYTES_PER_TARGET = 60
#: Memory of a worker process beside its monitors: 60 MiB measured, and some more for its buffers.
BYTES_PER_WORKER = 100 << 20
#: Memory for one address that the crawler knows; measured.
BYTES_PER_NODE = 550
#: Bytes that one capture takes on disk, with its part of a lookup, in the worst case measured: 30 (bench/ingest) and 8.
BYTES_PER_CAPTURE = 38


def _addresses(plan: AddressPlan, config: Config) -> Iterator[Check]:
    try:
        buffer, ring = parse_size(config.addresses.receive_buffer), config.addresses.receive_ring
        with open_sockets(plan, config.addresses.bind, buffer, ring=ring) as sockets:
            yield Check("sockets", "ok", f"{len(sockets)} sockets open, all addresses are this host's")
            if sockets.ring is not None:
                frames = sockets.ring.frames
                yield Check(
                    "packet ring", "ok", f"{frames} frames: {frames / 100:.0f} ms of 100,000 datagrams a second"
                )
    except EndpointError as error:
        yield Check("sockets", "refuse", str(error))
    yield _spread(plan, config)
    if plan.shares_group(plan.crawler[0]):
        yield Check(
            "crawler address",
            "warn",
            f"the crawler's {ip_text(plan.crawler[0])} lies in a /24 of monitors",
            "give the crawler an address in another /24",
        )


def _spread(plan: AddressPlan, config: Config) -> Check:
    """Neighbouring monitors in one /24 hide each other."""
    overlay = overlays.load(config.overlay)
    if plan.per_ip:
        note = (
            f"{room(plan, config)} monitors on {len(plan.ips)} IPs in {plan.groups} /24{'s' if plan.groups > 1 else ''}"
            f": clients hold one contact of an IP and {overlay.subnet_contacts} of a /24 at most, a lookup takes "
            f"{overlay.contacts_taken} of a /24"
        )
    else:
        note = str(plan.describe()["note"])
    if plan.groups >= ENOUGH_SUBNETS:
        return Check("address spread", "ok", note)
    return Check("address spread", "warn", note, f"use addresses in {ENOUGH_SUBNETS} or more /24s")


def _acceptable(plan: AddressPlan, config: Config) -> Iterator[Check]:
    """Monitors at addresses that clients take for none get no lookups, in whatever network."""
    blocks = overlays.load(config.overlay).refused_blocks
    refused = [block for block in blocks if plan.touches(*parse_block(block))]
    if refused:
        yield Check(
            "address kind",
            "refuse",
            f"clients of {config.overlay} take no contacts in {', '.join(refused)}",
            "give crawler and monitors other addresses; in a private network 100.64.0.0/10 is free for that",
        )


def _canaries(config: Config) -> Iterator[Check]:
    plans = canary_plans(config)
    if not plans:
        yield Check("canaries", "ok", "none: the window will not measure what it misses")
        return
    try:
        for plan in plans:
            open_sockets(plan, crawler_only=True).close()
        yield Check("canaries", "ok", f"{config.canaries.per_minute:g} lookups a minute from {len(plans)} addresses")
    except EndpointError as error:
        yield Check("canaries", "refuse", str(error))


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


def _expected(config: Config, zone_share: float) -> int:
    """Return about how many monitors the public network's nodes of the zone would get."""
    return round(_nodes(config, zone_share) * monitored_share(config.monitors.every))


def _nodes(config: Config, zone_share: float) -> float:
    return overlays.load(config.overlay).public_nodes * zone_share


def _capacity(plan: AddressPlan, config: Config, zone_share: float, public: bool) -> Check:
    most = room(plan, config)
    each = f"{plan.per_ip} for each IP, whatever the ports" if plan.per_ip else f"x {len(plan.ports)} ports"
    pairs = f"{most} monitors at most ({len(plan.ips)} addresses{',' if plan.per_ip else ''} {each})"
    if not public:
        return Check("capacity", "ok", pairs)
    expected = _expected(config, zone_share)
    nodes = f"about {round(_nodes(config, zone_share))} nodes in the zone"
    if config.monitors.every > 1:
        nodes += f", {expected} of them to be monitored (monitors.every = {config.monitors.every})"
    if expected > most:
        return Check(
            "capacity",
            "warn",
            f"{nodes}, {pairs}: the rest stays unmonitored",
            f"take a longer prefix, more addresses{'' if plan.per_ip else ' or ports'}, or raise "
            "monitors.max_monitors or monitors.every",
        )
    return Check("capacity", "ok", f"{nodes}, {pairs}")


def _rates(plan: AddressPlan, config: Config, zone_share: float, public: bool) -> Check:
    """Keep-alives have what crawl and introductions leave of the limits."""
    monitors = min(room(plan, config), _expected(config, zone_share)) if public else room(plan, config)
    wanted = monitors / config.monitors.keep_alive_s
    left = (1 - CRAWL_SHARE - INTRODUCTION_SHARE) * config.limits.scheduled_per_s
    fitted, _ = within_limits(config)
    finding = (
        f"{monitors} monitors: attached in {monitors / fitted.monitors.attach_rate / 60:.0f} min, then {wanted:.0f} "
        f"keep-alives a second, of {left:.0f} that [limits] leave them"
    )
    if wanted > left:
        needed = config.limits.total.per_s * wanted / left
        return Check("rates", "warn", f"{finding}: they come late", f"raise limits.total to {needed:.0f} a second")
    return Check("rates", "ok", finding)


def _pace(config: Config, public: bool) -> Iterator[Check]:
    """Clients that count what comes from an address answer no more, and in the end nothing."""
    least = overlays.load(config.overlay).defaults.get("crawl", {}).get("spacing_s", 0.0)
    if public and config.crawl.spacing_s < least:
        yield Check(
            "pace",
            "warn",
            f"{config.crawl.spacing_s:g} s between two questions to a node: clients of {config.overlay} answer one in "
            f"{least:g} s",
            f"set crawl.spacing_s = {least:g}",
        )


def _memory(plan: AddressPlan, config: Config, facts: HostFacts) -> Check:
    known = min(config.crawl.max_nodes + config.crawl.max_contacts, 4 * room(plan, config))
    needed = room(plan, config) * BYTES_PER_MONITOR + known * BYTES_PER_NODE + config.storage.max_pending * 80
    needed += 150 << 20  # Python and its libraries
    if config.monitors.every > 1:
        needed += config.monitors.every * config.monitors.max_monitors * BYTES_PER_TARGET
    if config.worker_count > 1:
        needed += config.worker_count * BYTES_PER_WORKER
    if config.addresses.receive_ring is not None:
        needed += config.addresses.receive_ring.bytes * config.worker_count
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
    nodes = min(room(plan, config), _expected(config, zone_share))
    expected = int(nodes * LOOKUPS_PER_NODE_S * config.duration_s * BYTES_PER_CAPTURE)
    if config.worker_count > 1:
        expected *= 2  # the joined store is whole before the workers' shards are removed
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


def _bootstrap(config: Config) -> tuple[Check, bool]:
    try:
        found, failed = bootstrap_nodes(config, overlays.load(config.overlay))
    except ConfigError as error:
        return Check("bootstrap", "refuse", str(error)), True
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
    share = config.parsed_zone().share
    bootstrap, public = _bootstrap(config)
    return [
        *_addresses(plan, config),
        *_acceptable(plan, config),
        *_canaries(config),
        *_reachable(plan, public),
        _capacity(plan, config, share, public),
        _rates(plan, config, share, public),
        *_pace(config, public),
        *kernel_checks(plan, config, facts, public),
        _memory(plan, config, facts),
        _disk(plan, config, share),
        *_host(facts, public),
        bootstrap,
        *_responsible(config, public),
    ]
